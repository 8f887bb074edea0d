//! What is it that one process hands to the next, so that the next opens its tickets?

use serde::{Deserialize, Serialize};
use std::fmt;
use zeroize::Zeroizing;

/// The ticket keys of one moment, to be handed to the process that takes over.
///
/// Whoever has them reads the sessions in the tickets they sealed: they can pose as this listener to clients that resume,
/// and with TLS 1.2 read what was said in those sessions. So they belong in no file and no log. Dropping this overwrites
/// them in memory, but not what was used for writing or reading them; buffers are for the caller to overwrite.
#[derive(Serialize, Deserialize)]
pub struct TicketKeys {
    pub(super) current: ExportedKey,
    pub(super) previous: Option<ExportedKey>,
}

/// One of them. It may come from another version of Portcullis, so nothing is sure about it until it is imported.
#[derive(Serialize, Deserialize)]
pub(super) struct ExportedKey {
    pub(super) name: Vec<u8>,
    pub(super) secret: Zeroizing<Vec<u8>>,
    /// In seconds of Unix time.
    pub(super) born: u64,
    /// How many tickets it has sealed.
    pub(super) sealed: u64,
}

impl fmt::Debug for TicketKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TicketKeys")
            .field("current", &self.current)
            .field("previous", &self.previous)
            .finish()
    }
}

impl fmt::Debug for ExportedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ExportedKey")
            .field("born", &self.born)
            .field("sealed", &self.sealed)
            .finish_non_exhaustive()
    }
}
