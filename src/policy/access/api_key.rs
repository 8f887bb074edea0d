//! Does a request bring a key that is known?

use std::borrow::Cow;
use std::sync::Arc;

use http::header::WWW_AUTHENTICATE;
use http::{HeaderName, HeaderValue};

use super::{Access, Asked, Edit, Granted, Refusal, SecretParameter, Verdict};
use crate::admission::api_keys::ApiKeys;
use crate::error::Reason;
use crate::route::query_values;

/// A 401 must say how to do better (RFC 9110 §15.5.2), and no scheme is registered for keys. This one is what Kong says.
const CHALLENGE: HeaderValue = HeaderValue::from_static("Key");

/// Programs and their keys.
#[derive(Clone, Debug)]
pub struct ApiKey {
    /// Who may come in.
    pub keys: ApiKeys,
    /// Where a request has its key.
    pub from: From,
    /// Whether the endpoint gets the key.
    pub forward: bool,
    /// Where the endpoint gets the name of the key.
    pub user_header: Option<HeaderName>,
}

/// Where a request has its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum From {
    /// In a header field.
    Header(HeaderName),
    /// In a parameter of the query.
    Query(Arc<str>),
}

impl ApiKey {
    /// The key of a request. Of two it would not be clear which one others go by, so they are none.
    fn key<'r>(&self, asked: &Asked<'r>) -> Option<Cow<'r, [u8]>> {
        fn only<T>(mut values: impl Iterator<Item = T>) -> Option<T> {
            let first = values.next()?;
            values.next().is_none().then_some(first)
        }
        match &self.from {
            From::Header(name) => {
                let value = only(asked.request.headers.get_all(name).iter())?;
                Some(Cow::Borrowed(value.as_bytes()))
            }
            From::Query(name) => only(query_values(asked.request.query?, name)),
        }
    }
}

impl Access for ApiKey {
    fn decide(&self, asked: &Asked<'_>, granted: &mut Granted) -> Verdict {
        if let From::Query(name) = &self.from {
            // A wrong key may be a right one elsewhere: no log shows it.
            granted.secret_parameter = Some(SecretParameter {
                name: Arc::clone(name),
                forward: self.forward,
            });
        }
        let key = self.key(asked);
        let Some(owner) = key.and_then(|key| self.keys.owner(&key)) else {
            let edit = Edit::Set(WWW_AUTHENTICATE, CHALLENGE);
            granted.to_client.push(edit);
            return Verdict::refuse(Refusal::new(Reason::Unauthenticated));
        };
        if let (From::Header(name), false) = (&self.from, self.forward) {
            granted.to_endpoint.push(Edit::Remove(name.clone()));
        }
        if let Some(name) = &self.user_header {
            let edit = Edit::Vouch(name.clone(), owner.field.clone());
            granted.to_endpoint.push(edit);
        }
        granted.user = Some(Arc::clone(&owner.name));
        Verdict::pass()
    }
}
