//! Which header fields does a route change?

use http::{HeaderName, HeaderValue};

use crate::config::Position;
use crate::config::route as config;
use crate::proxy::forward::Fields;

/// Changes to header fields: first what is removed, then what is set, then what is added.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HeaderEdits {
    remove: Box<[HeaderName]>,
    set: Box<[(HeaderName, HeaderValue)]>,
    add: Box<[(HeaderName, HeaderValue)]>,
}

/// Fields that say how a message is framed or where its connection ends. Changing them by hand breaks the message, or
/// lets it be read in two ways.
pub const FRAMING: [&str; 7] = [
    "connection",
    "content-length",
    "keep-alive",
    "proxy-connection",
    "te",
    "transfer-encoding",
    "upgrade",
];

impl HeaderEdits {
    /// The compiled form; `complain` gets every name or value that is not valid, with its place.
    pub fn compile(
        edits: &config::HeaderEdits,
        mut complain: impl FnMut(Option<Position>, String),
    ) -> Self {
        let remove = edits
            .remove
            .iter()
            .filter_map(|name| match field_name(name) {
                Ok(name) => Some(name),
                Err(message) => {
                    complain(name.position.clone(), message);
                    None
                }
            })
            .collect();
        let mut pairs =
            |map: &std::collections::BTreeMap<String, crate::config::Spanned<String>>| {
                map.iter()
                    .filter_map(|(name, value)| {
                        let pair =
                            field_name(name).and_then(|name| Ok((name, field_value(value)?)));
                        pair.map_err(|message| complain(value.position.clone(), message))
                            .ok()
                    })
                    .collect()
            };
        Self {
            remove,
            set: pairs(&edits.set),
            add: pairs(&edits.add),
        }
    }

    /// Applies the changes.
    pub fn apply(&self, fields: &mut impl Fields) {
        for name in &self.remove {
            if fields.map().contains_key(name) {
                fields.remove(name);
            }
        }
        for (name, value) in &self.set {
            fields.set(name.clone(), value.clone());
        }
        for (name, value) in &self.add {
            fields.append(name.clone(), value.clone());
        }
    }
}

/// The name of a field that a route may change.
///
/// # Errors
///
/// It is no name, or belongs to the connection.
pub fn field_name(name: &str) -> Result<HeaderName, String> {
    let parsed = HeaderName::try_from(name)
        .map_err(|_| format!("`{name}` is not the name of a header field"))?;
    if FRAMING.contains(&parsed.as_str()) {
        return Err(format!(
            "`{name}` belongs to the connection and can't be changed by a route"
        ));
    }
    if parsed == http::header::HOST {
        return Err("the host is changed by `rewrite.host` or by the pool's `host`".to_owned());
    }
    Ok(parsed)
}

fn field_value(value: &str) -> Result<HeaderValue, String> {
    HeaderValue::try_from(value).map_err(|_| {
        format!(
            "`{}` can't be the value of a header field",
            value.escape_debug()
        )
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::config::Spanned;

    fn edits(remove: &[&str], set: &[(&str, &str)], add: &[(&str, &str)]) -> config::HeaderEdits {
        let map = |pairs: &[(&str, &str)]| -> BTreeMap<String, Spanned<String>> {
            pairs
                .iter()
                .map(|(name, value)| ((*name).to_owned(), Spanned::new((*value).to_owned())))
                .collect()
        };
        config::HeaderEdits {
            remove: remove
                .iter()
                .map(|name| Spanned::new((*name).to_owned()))
                .collect(),
            set: map(set),
            add: map(add),
        }
    }

    #[test]
    fn fields_are_removed_then_set_then_added() {
        let compiled = HeaderEdits::compile(
            &edits(&["x-a"], &[("x-b", "1")], &[("x-b", "2"), ("x-a", "3")]),
            |_, m| {
                panic!("{m}");
            },
        );
        let mut fields = http::HeaderMap::new();
        fields.append("x-a", HeaderValue::from_static("old"));
        fields.append("x-b", HeaderValue::from_static("old"));
        compiled.apply(&mut fields);
        assert_eq!(fields.get_all("x-a").iter().collect::<Vec<_>>(), ["3"]);
        assert_eq!(fields.get_all("x-b").iter().collect::<Vec<_>>(), ["1", "2"]);
    }

    #[test]
    fn framing_fields_and_values_with_line_breaks_are_refused() {
        let mut complaints = Vec::new();
        let written = edits(
            &["Connection", "a b"],
            &[("Host", "x"), ("x-a", "a\r\nb: c")],
            &[("Content-Length", "1")],
        );
        let compiled = HeaderEdits::compile(&written, |_, message| complaints.push(message));
        assert_eq!(complaints.len(), 5, "{complaints:?}");
        assert_eq!(compiled, HeaderEdits::default());
    }
}
