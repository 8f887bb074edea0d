//! Which id does a request of this route have, and who is told?

use http::{HeaderMap, HeaderName, HeaderValue};

use super::headers::field_name;
use crate::config::route::request_id::{AcceptId, RequestId as Written};
use crate::proxy::forward::{Peer, X_REQUEST_ID, request_id};

/// How a route's requests get their ids.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestId {
    /// The field that carries it.
    pub name: HeaderName,
    /// Whether every answer has it.
    pub answer: bool,
    accept: AcceptId,
}

impl RequestId {
    /// Compiles what was written; `complain` is told what is wrong.
    pub fn compile(written: &Written, complain: impl FnOnce(String)) -> Option<Self> {
        match field_name(&written.header.value) {
            Ok(name) => Some(Self {
                name,
                answer: written.answer,
                accept: written.accept,
            }),
            Err(message) => {
                complain(message);
                None
            }
        }
    }

    /// The id of a request: the one it came with, if that is taken over, else a new one. `None` where that is the id a
    /// request of any route has.
    pub fn of(&self, peer: Peer, fields: &HeaderMap) -> Option<HeaderValue> {
        if self.accept == AcceptId::Trusted && self.name == X_REQUEST_ID {
            return None;
        }
        let accepted = match self.accept {
            AcceptId::Trusted => peer.trusted,
            AcceptId::Always => true,
            AcceptId::Never => false,
        };
        Some(request_id(&self.name, accepted, fields))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Spanned;

    fn rule(accept: AcceptId) -> RequestId {
        let written = Written {
            header: Spanned::new("X-Correlation-ID".to_owned()),
            accept,
            answer: false,
        };
        RequestId::compile(&written, |message| panic!("{message}")).expect("a rule")
    }

    #[test]
    fn an_id_is_taken_over_from_whom_the_route_says_and_only_in_its_field() {
        let mut fields = HeaderMap::new();
        fields.insert("x-correlation-id", HeaderValue::from_static("theirs"));
        fields.insert("x-request-id", HeaderValue::from_static("another"));
        for (accept, trusted, taken) in [
            (AcceptId::Trusted, true, true),
            (AcceptId::Trusted, false, false),
            (AcceptId::Always, false, true),
            (AcceptId::Never, true, false),
        ] {
            let id = rule(accept)
                .of(Peer::unix(trusted), &fields)
                .expect("an id");
            assert_eq!(id == "theirs", taken, "{accept:?} {trusted}");
            assert_ne!(id, "another");
        }
    }

    #[test]
    fn an_id_that_would_need_quoting_in_a_log_is_not_taken_over() {
        let fields = HeaderMap::from_iter([(
            HeaderName::from_static("x-correlation-id"),
            HeaderValue::from_static("a b\""),
        )]);
        let id = rule(AcceptId::Always).of(Peer::unix(false), &fields);
        assert_eq!(id.expect("an id").len(), 36);
    }

    #[test]
    fn a_field_that_belongs_to_the_connection_can_not_carry_it() {
        let written = Written {
            header: Spanned::new("Connection".to_owned()),
            ..Written::default()
        };
        let mut told = String::new();
        assert_eq!(RequestId::compile(&written, |message| told = message), None);
        assert!(told.contains("Connection"), "{told}");
    }
}
