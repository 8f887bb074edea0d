//! Which fields does `no-cache` or `private` speak of?

use http::HeaderName;

use super::directives::{Argument, Directive};

/// The fields that a directive names (RFC 9111 §5.2.2.4, §5.2.2.7).
pub(super) struct FieldNames(Vec<HeaderName>);

/// Without these a stored response would be another one: what is said of them is said of the whole.
const ESSENTIAL: [&str; 5] = [
    "cache-control",
    "content-encoding",
    "content-length",
    "content-type",
    "vary",
];

impl FieldNames {
    /// The fields this directive names. `None` if it speaks of the whole response: it has no argument, or one that can't
    /// be read.
    pub fn of(directive: &Directive) -> Option<Self> {
        let Argument::Value(names) = &directive.argument else {
            return None;
        };
        let names = names.split(|&byte| byte == b',').map(<[u8]>::trim_ascii);
        let names: Result<Vec<_>, _> = names
            .filter(|name| !name.is_empty())
            .map(HeaderName::from_bytes)
            .collect();
        let names = names.ok().filter(|names| {
            let mut all = names.iter();
            !names.is_empty() && all.all(|name| !ESSENTIAL.contains(&name.as_str()))
        });
        names.map(Self)
    }

    /// Them.
    pub fn into_iter(self) -> impl Iterator<Item = HeaderName> {
        self.0.into_iter()
    }
}
