//! Which requests does a route say that it is for?

use http::{HeaderName, Method};

use super::One;
use crate::config::Spanned;
use crate::config::route::{FieldMatch, PathMatch};
use crate::route::{
    HeaderMatch, HostPattern, Matcher, PathPattern, QueryMatch, ValueMatch, WholeRegex,
};

impl One<'_> {
    pub(super) fn matcher(&mut self) -> Matcher {
        let written = &self.written.r#match;
        let mut matcher = Matcher::default();
        for (index, host) in written.hosts.iter().enumerate() {
            match HostPattern::parse(&host.value) {
                Ok(host) => matcher.hosts.push(host),
                Err(error) => self.error(
                    &format!("match.hosts[{index}]"),
                    host.position.clone(),
                    error.to_string(),
                ),
            }
        }
        for (index, path) in written.paths.iter().enumerate() {
            let pattern = match &path.value {
                PathMatch::Exact(path) => PathPattern::exact(path),
                PathMatch::Prefix(path) => PathPattern::prefix(path),
                PathMatch::Regex(pattern) => PathPattern::regex(pattern),
            };
            match pattern {
                Ok(pattern) => matcher.paths.push(pattern),
                Err(error) => self.error(
                    &format!("match.paths[{index}]"),
                    path.position.clone(),
                    error.to_string(),
                ),
            }
        }
        for (index, method) in written.methods.iter().enumerate() {
            let known = Method::from_bytes(method.value.as_bytes())
                .ok()
                .filter(|_| !method.value.bytes().any(|byte| byte.is_ascii_lowercase()));
            match known {
                Some(method) => matcher.methods.push(method),
                None => {
                    let upper = method.value.to_ascii_uppercase();
                    let upper = upper.escape_debug();
                    self.reporter.error(
                        &format!("match.methods[{index}]"),
                        method,
                        format!("`{}` is not a method", method.value.escape_debug()),
                        Some(&format!("methods are written in capitals, as `{upper}`")),
                    );
                }
            }
        }
        for (index, field) in written.headers.iter().enumerate() {
            let key = format!("match.headers[{index}]");
            let value = self.value_match(&key, field);
            match HeaderName::try_from(field.value.name.as_str()) {
                Ok(name) => matcher
                    .headers
                    .extend(value.map(|value| HeaderMatch { name, value })),
                Err(_) => {
                    let message = format!(
                        "`{}` is not the name of a header field",
                        field.value.name.escape_debug()
                    );
                    self.error(&key, field.position.clone(), message);
                }
            }
        }
        for (index, parameter) in written.query.iter().enumerate() {
            let value = self.value_match(&format!("match.query[{index}]"), parameter);
            matcher.queries.extend(value.map(|value| QueryMatch {
                name: parameter.value.name.clone(),
                value,
            }));
        }
        matcher
    }

    fn value_match(&mut self, key: &str, field: &Spanned<FieldMatch>) -> Option<ValueMatch> {
        let written = &field.value;
        match (&written.exact, &written.regex, written.present) {
            (Some(text), None, None) => Some(ValueMatch::Exact(text.clone())),
            (None, Some(pattern), None) => match WholeRegex::new(pattern) {
                Ok(regex) => Some(ValueMatch::Regex(regex)),
                Err(error) => {
                    self.error(
                        &format!("{key}.regex"),
                        field.position.clone(),
                        error.to_string(),
                    );
                    None
                }
            },
            (None, None, Some(true)) => Some(ValueMatch::Present),
            _ => {
                self.error(
                    key,
                    field.position.clone(),
                    "give exactly one of `exact`, `regex` and `present: true`",
                );
                None
            }
        }
    }
}
