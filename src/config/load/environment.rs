//! What stands for `${NAME}` in a value?
//!
//! - `${NAME}` is replaced by the variable's value; a variable that is not set is an error.
//! - `${NAME:-default}` is replaced by `default` if the variable is not set or empty.
//! - `$${` is a literal `${`. Every other dollar stays as it is: `$1`, `${1}` and `$$` belong to regular expressions
//!   and their replacements. (The name of a group, `${name}`, has to be written `$${name}`.)
//!
//! Only values are looked at, never keys, and only after parsing, so that a variable can't add keys or lists whatever
//! its value is. A value without quotation marks stays one: `port: ${PORT}` is a number, and `${NAME}` alone with an
//! empty variable is nothing; write `"${NAME}"` for text that may be empty.

use super::Environment;
use crate::config::diagnostics::{Diagnostic, Diagnostics, quoted};
use crate::config::document::{KeyPath, Kind, Node, is_null};

/// Replaces the variables in all values of the tree.
pub(super) fn substitute(
    node: &mut Node,
    path: &KeyPath<'_>,
    environment: Environment<'_>,
    diagnostics: &mut Diagnostics,
) {
    match &mut node.kind {
        Kind::Null => {}
        Kind::Sequence(entries) => {
            for (index, entry) in entries.iter_mut().enumerate() {
                let path = KeyPath::Index(path, index);
                substitute(entry, &path, environment, diagnostics);
            }
        }
        Kind::Mapping(entries) => {
            for (key, value) in entries {
                let path = KeyPath::Key(path, &key.name);
                substitute(value, &path, environment, diagnostics);
            }
        }
        Kind::Scalar { text, .. } if !text.contains("${") => {}
        Kind::Scalar { text, plain } => match expanded(text, environment) {
            Ok(new) if *plain && is_null(&new) => node.kind = Kind::Null,
            Ok(new) => *text = new,
            Err(message) => {
                let diagnostic = Diagnostic::error(path.to_string(), message);
                diagnostics.push(diagnostic.at(node.position.clone()));
            }
        },
    }
}

/// The text with its variables replaced; each replacement is final, so that a value may hold `${` itself.
fn expanded(text: &str, environment: Environment<'_>) -> Result<String, String> {
    let mut result = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(dollar) = rest.find("${") {
        let (before, reference) = rest.split_at(dollar);
        let inside = &reference[2..];
        if let Some(before) = before.strip_suffix('$') {
            result.push_str(before);
            result.push_str("${");
            rest = inside;
            continue;
        }
        result.push_str(before);
        let Some((inside, after)) = inside.split_once('}') else {
            return Err(format!("{} has no closing `}}`", quoted(reference)));
        };
        if !inside.is_empty() && inside.bytes().all(|b| b.is_ascii_digit()) {
            result.push_str("${");
            result.push_str(inside);
            result.push('}');
        } else {
            result.push_str(&variable(inside, environment)?);
        }
        rest = after;
    }
    result.push_str(rest);
    Ok(result)
}

/// The value of what stands between the braces.
fn variable(inside: &str, environment: Environment<'_>) -> Result<String, String> {
    let (name, default) = match inside.split_once(":-") {
        Some((name, default)) => (name, Some(default)),
        None => (inside, None),
    };
    if !is_name(name) {
        return Err(format!(
            "{} is not the name of a variable; write `$${{` for a literal `${{`",
            quoted(name)
        ));
    }
    match (environment(name), default) {
        // The first closing brace would end the outer one, and leave the other as text.
        (_, Some(default)) if default.contains("${") => Err(format!(
            "the default of {} can't hold a variable itself",
            quoted(name)
        )),
        (Some(value), None) => Ok(value),
        (Some(value), Some(_)) if !value.is_empty() => Ok(value),
        (_, Some(default)) => Ok(default.to_owned()),
        (None, None) => Err(format!(
            "the environment variable {} is not set",
            quoted(name)
        )),
    }
}

/// Whether it is a name that a shell can set (POSIX.1-2017 §3.235).
fn is_name(name: &str) -> bool {
    !name.starts_with(|c: char| c.is_ascii_digit())
        && !name.is_empty()
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn environment(name: &str) -> Option<String> {
        match name {
            "PORT" => Some("8080".to_owned()),
            "EMPTY" => Some(String::new()),
            "NESTED" => Some("${PORT}".to_owned()),
            _ => None,
        }
    }

    #[test]
    fn variables_are_replaced_and_every_other_dollar_stays() {
        let cases = [
            ("${PORT}", "8080"),
            ("a${PORT}b${PORT}", "a8080b8080"),
            ("${MISSING:-80}", "80"),
            ("${MISSING:-}", ""),
            ("${EMPTY:-80}", "80"),
            ("${EMPTY}", ""),
            ("${PORT:-80}", "8080"),
            ("${MISSING:-a:-b}", "a:-b"),
            ("${NESTED}", "${PORT}"),
            ("$${PORT}", "${PORT}"),
            ("$1 $$ ${1} $name $", "$1 $$ ${1} $name $"),
            ("^/a$", "^/a$"),
            ("ä${PORT}ö", "ä8080ö"),
        ];
        for (text, expected) in cases {
            assert_eq!(
                expanded(text, &environment).as_deref(),
                Ok(expected),
                "{text}"
            );
        }
    }

    #[test]
    fn a_reference_that_can_not_be_replaced_is_an_error() {
        for (text, message) in [
            (
                "${MISSING}",
                "the environment variable \"MISSING\" is not set",
            ),
            ("a ${PORT", "\"${PORT\" has no closing `}`"),
            (
                "${}",
                "\"\" is not the name of a variable; write `$${` for a literal `${`",
            ),
            (
                "${PORT-80}",
                "\"PORT-80\" is not the name of a variable; write `$${` for a literal `${`",
            ),
            (
                "${A:-${PORT}}",
                "the default of \"A\" can't hold a variable itself",
            ),
        ] {
            assert_eq!(
                expanded(text, &environment),
                Err(message.to_owned()),
                "{text}"
            );
        }
    }

    proptest! {
        #[test]
        fn any_text_is_replaced_or_refused(text in any::<String>(), dense in "[${}:A1-]{0,20}") {
            let _ = expanded(&text, &environment);
            let _ = expanded(&dense, &environment);
        }

        #[test]
        fn text_without_an_opening_brace_stays(text in "[^{]{0,40}") {
            prop_assert_eq!(expanded(&text, &environment), Ok(text));
        }
    }
}
