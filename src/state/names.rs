//! Which addresses did host names have when they were last looked up?

use std::collections::HashSet;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

use crate::pool::discovery::Resolved;

/// The answers of the resolver. A reload finds them here, so that a pool of names is not empty until the next look-up.
#[derive(Debug, Default)]
pub struct Names {
    known: Mutex<Resolved>,
}

impl Names {
    /// Takes note of a name's addresses; true if they are not those that were known.
    pub fn learn(&self, name: &str, addresses: &[IpAddr]) -> bool {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.get(name).is_some_and(|before| before == addresses) {
            return false;
        }
        known.insert(name.to_owned(), addresses.to_vec());
        true
    }

    /// Forgets all names but these.
    pub fn keep_only(&self, names: &HashSet<&str>) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|name, _| names.contains(name.as_str()));
    }

    /// Everything that is known.
    pub fn known(&self) -> Resolved {
        self.known
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}
