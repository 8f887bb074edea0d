//! What does the process take, and is that more than it was?

use std::collections::BTreeMap;
use std::fmt;

use crate::support::Portcullis;

/// So much more memory at the end is not looked at: allocators keep some of what was freed, and threads have caches of it.
const ALLOWED_BYTES: u64 = 12 << 20;

/// Memory and descriptors at one moment.
pub struct Measured {
    /// Resident, in bytes.
    memory: u64,
    /// What they lead to, and how many of each.
    descriptors: BTreeMap<String, usize>,
}

impl Measured {
    pub fn of(portcullis: &Portcullis) -> Self {
        Self {
            memory: portcullis.rss(),
            descriptors: portcullis.descriptors(),
        }
    }

    /// In what it takes more than before.
    pub fn worse_than(&self, before: &Self) -> Vec<String> {
        let mut wrong = Vec::new();
        if self.memory > before.memory + ALLOWED_BYTES {
            wrong.push(format!(
                "{} MiB of memory, and {} before",
                self.memory >> 20,
                before.memory >> 20
            ));
        }
        if self.descriptors != before.descriptors {
            let (now, then) = (&self.descriptors, &before.descriptors);
            wrong.push(format!("descriptors {now:?}, and {then:?} before"));
        }
        wrong
    }
}

impl fmt::Display for Measured {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mib = self.memory as f64 / f64::from(1 << 20);
        let descriptors: usize = self.descriptors.values().sum();
        write!(f, "{mib:.1} MiB resident, {descriptors} descriptors")
    }
}
