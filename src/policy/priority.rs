//! How much is a request worth when its pool can't serve all at once?

use http::{HeaderMap, HeaderName};

use crate::config::route::priority::{Level, RoutePriority};
use crate::pool::Priority;

/// The priority of a route's requests.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PriorityRule {
    /// The field in which a request says its own.
    header: Option<HeaderName>,
    otherwise: Priority,
}

impl PriorityRule {
    /// Compiles what was written; `report` is told what is wrong.
    pub fn compile(written: &RoutePriority, report: impl FnOnce(String)) -> Option<Self> {
        match written {
            RoutePriority::Fixed(level) => Some(Self {
                header: None,
                otherwise: priority(*level),
            }),
            RoutePriority::Header(written) => {
                let Ok(name) = HeaderName::try_from(written.header.as_str()) else {
                    let name = written.header.escape_debug();
                    report(format!("`{name}` is not the name of a header field"));
                    return None;
                };
                Some(Self {
                    header: Some(name),
                    otherwise: priority(written.default),
                })
            }
        }
    }

    /// The priority of a request with these fields.
    pub fn of(&self, fields: &HeaderMap) -> Priority {
        self.header
            .as_ref()
            .and_then(|name| Priority::of_word(fields.get(name)?.as_bytes()))
            .unwrap_or(self.otherwise)
    }
}

const fn priority(level: Level) -> Priority {
    match level {
        Level::Low => Priority::Low,
        Level::Normal => Priority::Normal,
        Level::High => Priority::High,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::route::priority::HeaderPriority;
    use http::HeaderValue;

    #[test]
    fn a_request_says_its_priority_only_where_the_route_lets_it() {
        let fields = HeaderMap::from_iter([(
            HeaderName::from_static("x-priority"),
            HeaderValue::from_static("High"),
        )]);
        let compile = |written: &RoutePriority| {
            PriorityRule::compile(written, |message| panic!("{message}")).expect("a rule")
        };
        let fixed = compile(&RoutePriority::Fixed(Level::Low));
        assert_eq!(fixed.of(&fields), Priority::Low);
        let by_header = compile(&RoutePriority::Header(HeaderPriority {
            header: "X-Priority".to_owned(),
            default: Level::Low,
        }));
        assert_eq!(by_header.of(&fields), Priority::High);
        assert_eq!(by_header.of(&HeaderMap::new()), Priority::Low);
        let unknown = HeaderMap::from_iter([(
            HeaderName::from_static("x-priority"),
            HeaderValue::from_static("urgent"),
        )]);
        assert_eq!(by_header.of(&unknown), Priority::Low);
    }

    #[test]
    fn a_name_that_no_field_has_is_reported() {
        let written = RoutePriority::Header(HeaderPriority {
            header: "X Priority".to_owned(),
            default: Level::Normal,
        });
        let mut told = String::new();
        assert_eq!(
            PriorityRule::compile(&written, |message| told = message),
            None
        );
        assert!(told.contains("X Priority"), "{told}");
    }
}
