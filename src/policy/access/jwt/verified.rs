//! Which tokens were verified a moment ago, and what follows from them?

use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};
use quick_cache::sync::Cache;

use super::super::Edit;
use super::keys::Version;
use super::members::Members;

/// What is known of a token that was found good.
#[derive(Debug)]
pub struct Verified {
    /// Its claims.
    pub claims: Arc<Members>,
    /// Whom it is of (`sub`).
    pub user: Option<Arc<str>>,
    /// What the endpoint is told of it.
    pub edits: Box<[Edit]>,
    /// Until when it is good, in seconds since 1970, leeway included.
    pub until: f64,
    /// The keys of which one has signed it.
    pub keys: Version,
}

/// What a token is found by: its SHA-256. The token itself is not kept.
pub type Id = [u8; 32];

/// What tokens were found good by: the SHA-256 of rules, and of the keys where they are given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FoundBy(pub [u8; 32]);

/// Tokens that were found good, by one set of rules; those that are asked for least make room. Of tokens that were found
/// bad nothing is kept: whoever sends them could fill it.
pub struct VerifiedTokens(Option<Cache<Id, Arc<Verified>>>);

impl VerifiedTokens {
    /// Room for so many; 0 for none.
    pub fn new(capacity: usize) -> Self {
        Self((capacity > 0).then(|| Cache::new(capacity)))
    }

    /// What is known of this token, if it is still good at `now` and one of these keys has signed it.
    pub fn find(&self, id: &Id, keys: &Version, now: f64) -> Option<Arc<Verified>> {
        let found = self.0.as_ref()?.get(id)?;
        (now < found.until && found.keys == *keys).then_some(found)
    }

    /// Takes note of a token that was found good.
    pub fn remember(&self, id: Id, verified: &Arc<Verified>) {
        if let Some(cache) = &self.0 {
            cache.insert(id, Arc::clone(verified));
        }
    }

    /// How many are known.
    pub fn len(&self) -> usize {
        self.0.as_ref().map_or(0, Cache::len)
    }

    /// Whether none is known.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// What this token is found by.
pub fn id(token: &str) -> Id {
    let mut id = Id::default();
    id.copy_from_slice(digest(&SHA256, token.as_bytes()).as_ref());
    id
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verified(until: f64) -> Arc<Verified> {
        Arc::new(Verified {
            claims: Arc::default(),
            user: None,
            edits: Box::default(),
            until,
            keys: [1; 32],
        })
    }

    #[test]
    fn a_token_is_known_until_it_expires_and_while_its_keys_are_in_force() {
        let tokens = VerifiedTokens::new(10);
        tokens.remember(id("a"), &verified(100.0));
        assert!(tokens.find(&id("a"), &[1; 32], 99.9).is_some());
        assert!(tokens.find(&id("a"), &[1; 32], 100.0).is_none());
        assert!(tokens.find(&id("a"), &[2; 32], 50.0).is_none());
        assert!(tokens.find(&id("b"), &[1; 32], 50.0).is_none());
    }

    #[test]
    fn there_are_never_more_than_there_is_room_for() {
        let (tokens, none) = (VerifiedTokens::new(100), VerifiedTokens::new(0));
        for token in 0..10_000 {
            tokens.remember(id(&token.to_string()), &verified(100.0));
            none.remember(id(&token.to_string()), &verified(100.0));
        }
        assert!((1..=100).contains(&tokens.len()), "{}", tokens.len());
        assert!(none.is_empty());
    }
}
