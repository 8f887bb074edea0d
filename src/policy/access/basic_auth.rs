//! Does a request bring a user and the right password?

use std::sync::Arc;
use std::time::Duration;

use http::header::{AUTHORIZATION, WWW_AUTHENTICATE};
use http::{HeaderName, HeaderValue};

use super::{Access, Asked, Edit, Granted, Refusal, Ruling, Verdict};
use crate::admission::passwords::{Answer, Credentials, Question, User, Users, Verifier, Waiting};
use crate::error::Reason;

/// How long a request waits for its password to be tried: so long that the line must be full of costly ones.
const PATIENCE: Duration = Duration::from_secs(10);

/// When to come again where too many wait.
const RETRY: Duration = Duration::from_secs(1);

/// Users and passwords (RFC 7617).
pub struct BasicAuth {
    users: Users,
    verifier: Arc<Verifier>,
    rules: Arc<Rules>,
}

/// What follows for the request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rules {
    /// The value of `WWW-Authenticate` in a refusal.
    pub challenge: HeaderValue,
    /// Whether the endpoint gets `Authorization`.
    pub forward: bool,
    /// Where the endpoint gets the user's name.
    pub user_header: Option<HeaderName>,
}

impl BasicAuth {
    /// For these users.
    pub fn new(users: Users, verifier: Arc<Verifier>, rules: Rules) -> Self {
        let rules = Arc::new(rules);
        Self {
            users,
            verifier,
            rules,
        }
    }
}

impl Rules {
    fn pass(&self, user: User, granted: &mut Granted) -> Ruling {
        if !self.forward {
            granted.to_endpoint.push(Edit::Remove(AUTHORIZATION));
        }
        if let Some(name) = &self.user_header {
            let edit = Edit::Vouch(name.clone(), user.field);
            granted.to_endpoint.push(edit);
        }
        granted.user = Some(user.name);
        Ruling::Pass
    }

    fn challenge(&self, granted: &mut Granted) -> Ruling {
        let edit = Edit::Set(WWW_AUTHENTICATE, self.challenge.clone());
        granted.to_client.push(edit);
        Ruling::Refuse(Refusal::new(Reason::Unauthenticated))
    }

    async fn later(&self, waiting: Waiting) -> (Ruling, Granted) {
        let mut granted = Granted::default();
        let ruling = match tokio::time::timeout(PATIENCE, waiting.user()).await {
            Ok(Ok(Some(user))) => self.pass(user, &mut granted),
            Ok(Ok(None)) => self.challenge(&mut granted),
            Ok(Err(_)) | Err(_) => unavailable(),
        };
        (ruling, granted)
    }
}

const fn unavailable() -> Ruling {
    Ruling::Refuse(Refusal {
        reason: Reason::AuthUnavailable,
        retry_after: Some(RETRY),
    })
}

impl Access for BasicAuth {
    fn decide(&self, asked: &Asked<'_>, granted: &mut Granted) -> Verdict {
        let Some(credentials) = Credentials::of(asked.request.headers) else {
            return self.rules.challenge(granted).into();
        };
        let question = Question {
            credentials: &credentials,
            users: &self.users,
            client: asked.client,
            now: asked.now,
        };
        match self.verifier.ask(&question) {
            Answer::Right(user) => self.rules.pass(user, granted).into(),
            Answer::Wrong => self.rules.challenge(granted).into(),
            Answer::Full => unavailable().into(),
            Answer::Soon(waiting) => {
                let rules = Arc::clone(&self.rules);
                Verdict::Later(Box::pin(async move { rules.later(waiting).await }))
            }
        }
    }
}
