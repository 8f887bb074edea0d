//! What does a visitor's error become, so that it can be told with its place, once?

use std::fmt;

use serde::de::{self, Expected, Unexpected};

use crate::config::diagnostics::{quoted, suggestion};

/// Why a value could not be made.
#[derive(Debug)]
pub(super) enum Failure {
    /// It was told, and a further pass would learn nothing more below this value.
    Told,
    /// It was told, and a further pass that leaves out what failed learns more.
    Cut,
    /// It was not told yet: the visitor does not know its place.
    Untold(Box<Untold>),
}

/// What to tell once the place is known.
#[derive(Debug)]
pub(super) struct Untold {
    pub(super) message: String,
    pub(super) hint: Option<String>,
    pub(super) cause: Cause,
}

/// How sure it is that the document is at fault, when parts of it were left out in this pass.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Cause {
    /// The text itself is wrong, whatever else was left out.
    Definite,
    /// This key is missing, or was left out.
    Missing(&'static str),
    /// A check of a type's own: it may have missed what was left out.
    Check,
}

impl Failure {
    /// A failure that does not depend on other values.
    pub(super) fn definite(message: impl Into<String>, hint: impl Into<Option<String>>) -> Self {
        Self::untold(Cause::Definite, message.into(), hint.into())
    }

    fn untold(cause: Cause, message: String, hint: Option<String>) -> Self {
        Failure::Untold(Box::new(Untold {
            message,
            hint,
            cause,
        }))
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Told | Failure::Cut => f.write_str("told before"),
            Failure::Untold(untold) => f.write_str(&untold.message),
        }
    }
}

impl std::error::Error for Failure {}

/// `unexpected` in the words of an operator.
fn found(unexpected: &Unexpected<'_>) -> String {
    match unexpected {
        Unexpected::Bool(value) => value.to_string(),
        Unexpected::Unsigned(value) => value.to_string(),
        Unexpected::Signed(value) => value.to_string(),
        Unexpected::Float(value) => value.to_string(),
        Unexpected::Str(text) => quoted(text),
        Unexpected::Unit | Unexpected::Option => "nothing".to_owned(),
        Unexpected::Seq => "a list".to_owned(),
        Unexpected::Map => "a mapping".to_owned(),
        other => other.to_string(),
    }
}

/// `valid keys: a, b`, or nothing if there are none.
pub(super) fn listed(what: &str, names: &[&str]) -> Option<String> {
    (!names.is_empty()).then(|| format!("valid {what}: {}", names.join(", ")))
}

impl de::Error for Failure {
    /// A line of the message that starts with `hint: ` becomes the diagnostic's hint.
    fn custom<T: fmt::Display>(message: T) -> Self {
        let text = message.to_string();
        let (message, hint) = match text.split_once("\nhint: ") {
            Some((message, hint)) => (message.to_owned(), Some(hint.to_owned())),
            None => (text, None),
        };
        Self::untold(Cause::Check, message, hint)
    }

    fn invalid_type(unexpected: Unexpected<'_>, expected: &dyn Expected) -> Self {
        let message = format!("expected {expected}, found {}", found(&unexpected));
        Self::definite(message, None)
    }

    fn invalid_value(unexpected: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::invalid_type(unexpected, expected)
    }

    fn invalid_length(length: usize, expected: &dyn Expected) -> Self {
        let message = format!("expected {expected}, found {length} entries");
        Self::untold(Cause::Check, message, None)
    }

    fn unknown_variant(variant: &str, expected: &'static [&'static str]) -> Self {
        let meant = suggestion(variant, expected.iter().copied());
        let message = format!("unknown choice {}{meant}", quoted(variant));
        Self::definite(message, listed("choices", expected))
    }

    fn unknown_field(field: &str, expected: &'static [&'static str]) -> Self {
        let meant = suggestion(field, expected.iter().copied());
        let message = format!("unknown key {}{meant}", quoted(field));
        Self::definite(message, listed("keys", expected))
    }

    fn missing_field(field: &'static str) -> Self {
        let message = format!("the key {} is missing", quoted(field));
        Self::untold(Cause::Missing(field), message, None)
    }

    fn duplicate_field(field: &'static str) -> Self {
        let message = format!("the key {} is given twice", quoted(field));
        Self::definite(message, None)
    }
}
