//! How does a large object on disk get another head, and keep its body?

use std::fs::OpenOptions;
use std::io;
use std::os::unix::fs::FileExt;

use super::find::read_top;
use super::format::Preamble;
use super::tier::Tier;
use crate::telemetry::metrics::DiskOperation;

impl Tier {
    /// Writes the slot that does not count, with a number that makes it the one that does. An object whose head has
    /// outgrown its slot is removed.
    pub(super) fn freshen(&self, body: &Preamble, head: &[u8]) {
        let key = body.key;
        match self.write_slot(body, head) {
            Ok(true) => self.books().index.learn(key, None),
            Ok(false) => self.remove_bad(key),
            Err(error) => {
                self.failed(DiskOperation::Write, &error);
                self.remove_bad(key);
            }
        }
    }

    fn write_slot(&self, body: &Preamble, head: &[u8]) -> io::Result<bool> {
        let path = self.place.file(body.key);
        let file = OpenOptions::new().read(true).write(true).open(path)?;
        let Some((bytes, preamble, _)) = read_top(&file, body.key).ok() else {
            return Ok(false);
        };
        if preamble.nonce != body.nonce {
            // Another object is there meanwhile, which has a head of its own.
            return Ok(true);
        }
        let Some((_, slot, number)) = preamble.head(&bytes) else {
            return Ok(false);
        };
        let Some(filled) = preamble.filled(number.wrapping_add(1).max(1), head) else {
            return Ok(false);
        };
        file.write_all_at(&filled, preamble.slot_at(1 - slot) as u64)?;
        Ok(true)
    }
}
