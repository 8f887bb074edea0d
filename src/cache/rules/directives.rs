//! What stands in a list of cache directives?

use std::borrow::Cow;
use std::time::Duration;

/// The most seconds that count; more mean as much (RFC 9111 §1.2.2).
const MOST_SECONDS: u64 = 1 << 31;

/// One directive of a list (RFC 9111 §5.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Directive<'v> {
    /// Its name as it is written; names ignore case.
    pub name: &'v [u8],
    /// What follows it.
    pub argument: Argument<'v>,
}

/// What follows the name of a directive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Argument<'v> {
    /// Nothing.
    None,
    /// `=` and a token, or a quoted string without its quotes: both forms mean the same (§5.2).
    Value(Cow<'v, [u8]>),
    /// Something that is no argument. What forbids still forbids; what allows does not.
    Malformed,
}

impl Directive<'_> {
    /// Whether it is called this, which is in lower case.
    pub fn is(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name.as_bytes())
    }

    /// Whether it has no argument.
    pub fn has_none(&self) -> bool {
        self.argument == Argument::None
    }

    /// Its argument as a time in seconds (§1.2.2).
    pub fn seconds(&self) -> Option<Duration> {
        match &self.argument {
            Argument::Value(value) => delta_seconds(value),
            Argument::None | Argument::Malformed => None,
        }
    }
}

/// The time that a number of seconds means, up to 2³¹ of them (RFC 9111 §1.2.2).
pub(super) fn delta_seconds(digits: &[u8]) -> Option<Duration> {
    let is_number = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
    is_number.then(|| {
        let seconds = digits.iter().fold(0_u64, |sum, digit| {
            (sum * 10 + u64::from(digit - b'0')).min(MOST_SECONDS)
        });
        Duration::from_secs(seconds)
    })
}

/// The directives of one line of a field, in their order. What begins with no name is left out.
pub(super) fn directives(line: &[u8]) -> impl Iterator<Item = Directive<'_>> {
    Directives { rest: line }
}

struct Directives<'v> {
    rest: &'v [u8],
}

impl<'v> Iterator for Directives<'v> {
    type Item = Directive<'v>;

    fn next(&mut self) -> Option<Directive<'v>> {
        loop {
            self.rest = self.rest.trim_ascii_start();
            if self.rest.is_empty() {
                return None;
            }
            let (name, after) = split(self.rest, is_token);
            let (argument, after) = argument(after);
            // After an argument there may be only space before the comma or the end.
            let after = after.trim_ascii_start();
            let argument = match after.first() {
                None | Some(b',') => argument,
                Some(_) => Argument::Malformed,
            };
            // Whatever does not belong there goes up to the next comma.
            self.rest = match memchr::memchr(b',', after) {
                Some(comma) => &after[comma + 1..],
                None => &[],
            };
            if !name.is_empty() {
                return Some(Directive { name, argument });
            }
        }
    }
}

/// The argument at the start of this, and what follows it.
fn argument(text: &[u8]) -> (Argument<'_>, &[u8]) {
    match text {
        [b'=', b'"', quoted @ ..] => match unquote(quoted) {
            Some((value, after)) => (Argument::Value(value), after),
            // A string that does not end is none, and hides nothing that follows.
            None => (Argument::Malformed, quoted),
        },
        [b'=', value @ ..] => match split(value, is_token) {
            ([], after) => (Argument::Malformed, after),
            (token, after) => (Argument::Value(Cow::Borrowed(token)), after),
        },
        _ => (Argument::None, text),
    }
}

/// What stands before the closing quote, without its backslashes, and what follows (RFC 9110 §5.6.4).
fn unquote(text: &[u8]) -> Option<(Cow<'_, [u8]>, &[u8])> {
    let end = memchr::memchr2(b'"', b'\\', text)?;
    let (plain, rest) = text.split_at(end);
    if rest[0] == b'"' {
        return Some((Cow::Borrowed(plain), &rest[1..]));
    }
    let mut value = plain.to_vec();
    let mut bytes = rest.iter();
    loop {
        match bytes.next()? {
            b'"' => return Some((Cow::Owned(value), bytes.as_slice())),
            b'\\' => value.push(*bytes.next()?),
            byte => value.push(*byte),
        }
    }
}

/// Up to the first byte that is not so, and the rest.
fn split(text: &[u8], so: impl Fn(u8) -> bool) -> (&[u8], &[u8]) {
    let end = text.iter().position(|&byte| !so(byte));
    text.split_at(end.unwrap_or(text.len()))
}

/// Whether this may stand in a token (RFC 9110 §5.6.2).
pub(super) const fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(byte, b'!' | b'#' | b'$' | b'%' | b'&' | b'\'' | b'*')
        || matches!(byte, b'+' | b'-' | b'.' | b'^' | b'_' | b'`' | b'|' | b'~')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(line: &str) -> Vec<(String, Argument<'_>)> {
        let name = |name: &[u8]| String::from_utf8_lossy(name).into_owned();
        let directives = directives(line.as_bytes());
        directives
            .map(|directive| (name(directive.name), directive.argument))
            .collect()
    }

    fn value(value: &str) -> Argument<'_> {
        Argument::Value(value.as_bytes().into())
    }

    #[test]
    fn rfc9111_5_2_an_argument_is_a_token_or_a_quoted_string() {
        assert_eq!(
            read(r#"a, B=c,d="e, \"f=\\" ,g="""#),
            [
                ("a".to_owned(), Argument::None),
                ("B".to_owned(), value("c")),
                ("d".to_owned(), value("e, \"f=\\")),
                ("g".to_owned(), value("")),
            ]
        );
    }

    #[test]
    fn a_string_without_an_end_hides_nothing() {
        for line in ["a=\"b, private", "a=\"b\\, private", "a=\"b\", private=\"x"] {
            let directives = read(line);
            let names: Vec<_> = directives.iter().map(|(name, _)| name.as_str()).collect();
            assert_eq!(names, ["a", "private"], "{line}");
        }
    }

    #[test]
    fn what_follows_an_argument_makes_it_none() {
        for line in [
            "a b", "a=b c", "a=\"b\"c", "a;b", "a=", "a =b", "a= b", "a==", "a=\"b",
        ] {
            let directives = read(line);
            assert_eq!(
                directives,
                [("a".to_owned(), Argument::Malformed)],
                "{line}"
            );
        }
    }

    #[test]
    fn what_has_no_name_is_left_out() {
        assert_eq!(read("=a, \"b\", ;, (c), , \u{e9},"), []);
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(
            written in proptest::collection::vec(
                ("[!#-'*+.0-9A-Z^-z|~-]{1,8}", proptest::option::of("[\t -~]{0,12}"), 0..3_usize),
                0..6,
            ),
        ) {
            let quoted = |text: &str| {
                let text = text.replace('\\', "\\\\").replace('"', "\\\"");
                format!("=\"{text}\"")
            };
            let line: String = written
                .iter()
                .map(|(name, argument, space)| {
                    let argument = argument.as_deref().map(quoted).unwrap_or_default();
                    format!("{name}{argument}{:space$},{:space$}", "", "")
                })
                .collect();
            let expected: Vec<_> = written
                .iter()
                .map(|(name, argument, _)| {
                    (name.clone(), argument.as_deref().map_or(Argument::None, value))
                })
                .collect();
            prop_assert_eq!(read(&line), expected);
        }

        #[test]
        fn every_token_is_read_as_itself(tokens in proptest::collection::vec("[!#-'*+.0-9A-Z^-z|~-]{1,8}", 1..6)) {
            let line: Vec<_> = tokens.iter().map(|token| format!("{token}={token}")).collect();
            let expected: Vec<_> = tokens.iter().map(|token| (token.clone(), value(token))).collect();
            let line = line.join(",");
            prop_assert_eq!(read(&line), expected);
        }

        #[test]
        fn nothing_panics_or_goes_on_for_ever(line in proptest::collection::vec(any::<u8>(), 0..60)) {
            prop_assert!(directives(&line).count() <= line.len());
        }

        #[test]
        fn nothing_like_directives_panics(line in "[a=\"\\\\, ;0-9]{0,40}") {
            prop_assert!(read(&line).len() <= line.len());
        }

        #[test]
        fn rfc9111_1_2_2_seconds_are_read_up_to_the_most(seconds: u64) {
            let read = delta_seconds(seconds.to_string().as_bytes());
            prop_assert_eq!(read, Some(Duration::from_secs(seconds.min(MOST_SECONDS))));
        }
    }
}
