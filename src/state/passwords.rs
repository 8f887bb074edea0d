//! Who tries passwords?

use std::fmt;
use std::sync::{Arc, OnceLock};

use aws_lc_rs::error::Unspecified;

use crate::admission::passwords::Verifier;

/// The one place where passwords are tried, made when a route first needs it. What it has found out outlives a reload.
#[derive(Default)]
pub struct Passwords(OnceLock<Arc<Verifier>>);

impl Passwords {
    /// It.
    ///
    /// # Errors
    ///
    /// The system gives no random numbers.
    pub fn verifier(&self) -> Result<Arc<Verifier>, Unspecified> {
        if let Some(known) = self.0.get() {
            return Ok(Arc::clone(known));
        }
        let made = Arc::new(Verifier::new()?);
        Ok(Arc::clone(self.0.get_or_init(|| made)))
    }
}

impl fmt::Debug for Passwords {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Passwords")
    }
}
