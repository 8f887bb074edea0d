//! What does a route answer by itself?

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue, StatusCode};

use crate::config::route as config;

/// A fixed response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Respond {
    /// The status code.
    pub status: StatusCode,
    /// The value of `Content-Type`.
    pub content_type: HeaderValue,
    /// The body.
    pub body: Bytes,
}

impl Respond {
    /// The compiled form; `complain` gets everything that is not valid.
    pub fn compile(respond: &config::Respond, mut complain: impl FnMut(String)) -> Option<Self> {
        let code = respond.status.unwrap_or(config::DEFAULT_STATUS);
        let status = StatusCode::from_u16(code)
            .ok()
            .filter(|_| (200..=599).contains(&code));
        if status.is_none() {
            complain(format!(
                "`status: {code}` can't end a request; valid are 200 to 599"
            ));
        }
        if matches!(code, 204 | 205 | 304) && !respond.body.is_empty() {
            complain(format!(
                "a response with status {code} has no body (RFC 9110 §15)"
            ));
        }
        let content_type = respond
            .content_type
            .as_deref()
            .unwrap_or(config::DEFAULT_CONTENT_TYPE);
        let content_type = HeaderValue::try_from(content_type)
            .map_err(|_| complain("`content_type` can't be the value of a header field".to_owned()))
            .ok();
        Some(Self {
            status: status?,
            content_type: content_type?,
            body: Bytes::from(respond.body.clone()),
        })
    }

    /// What the answer says of its body.
    pub fn fields(&self) -> HeaderMap {
        let mut fields = HeaderMap::new();
        if !self.body.is_empty() {
            fields.insert(CONTENT_TYPE, self.content_type.clone());
        }
        fields
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_that_can_not_end_a_request_and_a_body_where_none_is_are_refused() {
        for (status, body) in [(101, ""), (600, ""), (204, "x")] {
            let mut complaints = 0;
            let respond = config::Respond {
                status: Some(status),
                body: body.to_owned(),
                content_type: None,
            };
            Respond::compile(&respond, |_| complaints += 1);
            assert_eq!(complaints, 1, "{status}");
        }
    }
}
