//! Does a request bring a key that is known?

use std::sync::Arc;

use http::header::WWW_AUTHENTICATE;
use http::{HeaderName, HeaderValue};

use super::{Access, Asked, Edit, Granted, Place, Refusal, SecretParameter, Verdict};
use crate::admission::api_keys::ApiKeys;
use crate::error::Reason;

/// A 401 must say how to do better (RFC 9110 §15.5.2), and no scheme is registered for keys. This one is what Kong says.
const CHALLENGE: HeaderValue = HeaderValue::from_static("Key");

/// Programs and their keys.
#[derive(Clone, Debug)]
pub struct ApiKey {
    /// Who may come in.
    pub keys: ApiKeys,
    /// Where a request has its key.
    pub from: Place,
    /// Whether the endpoint gets the key.
    pub forward: bool,
    /// Where the endpoint gets the name of the key.
    pub user_header: Option<HeaderName>,
}

impl Access for ApiKey {
    fn decide(&self, asked: &Asked<'_>, granted: &mut Granted) -> Verdict {
        // Of two it would not be clear which one others go by, so they are none.
        let key = self.from.find(asked.request).ok().flatten();
        let Some(owner) = key.and_then(|key| self.keys.owner(&key)) else {
            let edit = Edit::Set(WWW_AUTHENTICATE, CHALLENGE);
            granted.to_client.push(edit);
            return Verdict::refuse(Refusal::new(Reason::Unauthenticated));
        };
        if !self.forward {
            self.from.remove(&mut granted.to_endpoint);
        }
        if let Some(name) = &self.user_header {
            let edit = Edit::Vouch(name.clone(), owner.field.clone());
            granted.to_endpoint.push(edit);
        }
        granted.user = Some(Arc::clone(&owner.name));
        Verdict::pass()
    }

    fn secret_parameter(&self) -> Option<SecretParameter> {
        self.from.secret(self.forward)
    }
}
