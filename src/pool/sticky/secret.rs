//! What are cookies signed with?

use std::fmt;
use std::sync::OnceLock;

use aws_lc_rs::error::Unspecified;
use aws_lc_rs::rand;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

/// A secret: what an operator wrote, or random bytes. Overwritten in memory when it is dropped, and never shown.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Secret(Zeroizing<Vec<u8>>);

/// The length of a random one, in bytes: that of the hash it is for (RFC 2104 §3).
const RANDOM: usize = 32;

impl Secret {
    /// The one that an operator wrote.
    pub fn given(text: &str) -> Self {
        Self(Zeroizing::new(text.as_bytes().to_vec()))
    }

    fn random() -> Result<Self, Unspecified> {
        let mut bytes = Zeroizing::new(vec![0; RANDOM]);
        rand::fill(&mut bytes)?;
        Ok(Self(bytes))
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

/// The secret of pools that are given none: random, the same for the whole life of a process and for those that follow
/// it by upgrade.
#[derive(Debug, Default)]
pub struct ProcessSecret(OnceLock<Secret>);

/// The system gives no random numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the system gives no random numbers")]
pub struct NoRandomness;

impl ProcessSecret {
    /// The secret, made when it is first needed.
    ///
    /// # Errors
    ///
    /// [`NoRandomness`].
    pub fn get(&self) -> Result<Secret, NoRandomness> {
        if let Some(known) = self.0.get() {
            return Ok(known.clone());
        }
        let made = Secret::random().map_err(|Unspecified| NoRandomness)?;
        Ok(self.0.get_or_init(|| made).clone())
    }

    /// The secret, if it was ever needed: for the process that takes over.
    pub fn known(&self) -> Option<Secret> {
        self.0.get().cloned()
    }

    /// Takes over that of the process before this one. One too short to be a secret is not taken.
    pub fn take_over(&self, secret: Secret) {
        if secret.0.len() == RANDOM {
            // Before the first generation is made nobody has asked for one.
            let _ = self.0.set(secret);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_has_one_secret_and_its_successor_the_same() {
        let (process, other) = (ProcessSecret::default(), ProcessSecret::default());
        assert_eq!(process.known(), None);
        let secret = process.get().expect("random bytes");
        assert_eq!(process.get(), Ok(secret.clone()));
        assert_ne!(other.get(), Ok(secret.clone()));
        let successor = ProcessSecret::default();
        let json = serde_json::to_string(&process.known()).expect("JSON");
        let known: Option<Secret> = serde_json::from_str(&json).expect("the same");
        successor.take_over(known.expect("it was needed"));
        assert_eq!(successor.get(), Ok(secret));
    }

    #[test]
    fn a_secret_is_not_shown_and_one_of_another_length_is_not_taken_over() {
        let given = Secret::given("hunter2");
        assert_eq!(format!("{given:?}"), "Secret");
        let process = ProcessSecret::default();
        process.take_over(given);
        assert_eq!(process.known(), None);
    }
}
