//! Where does what was purged outlive the process?

use std::fs;
use std::io::{self, ErrorKind, Write};

use tokio::sync::oneshot;

use super::Disk;
use super::format::CHECKSUM;
use super::tier::Tier;
use crate::telemetry::metrics::DiskOperation;

/// More than that is not read.
const MOST: u64 = 64 * 1024 * 1024;

impl Disk {
    /// What was saved last; empty if it is there and not whole, `None` if nothing was ever saved. Reads a file: at the
    /// start.
    pub fn purges(&self) -> Option<Vec<u8>> {
        match self.tier.read_purges() {
            Ok(bytes) => Some(bytes),
            Err(error) if error.kind() == ErrorKind::NotFound => None,
            Err(error) => {
                let path = self.tier.place.purges();
                log::warn!(
                    "can't read what was purged from {}: {error}",
                    path.display()
                );
                Some(Vec::new())
            }
        }
    }

    /// Saves this in the place of what was saved before; whether it is sure to be there after a crash.
    pub async fn save_purges(&self, bytes: Vec<u8>) -> bool {
        let (told, saved) = oneshot::channel();
        let tier = self.tier.clone();
        // One for each purge, each with somebody who waits for it.
        self.tier.writers.push_always(move || {
            let saved = tier.write_purges(&bytes);
            if let Err(error) = &saved {
                tier.failed(DiskOperation::Write, error);
            }
            let _ = told.send(saved.unwrap_or(false));
        });
        saved.await.unwrap_or(false)
    }
}

impl Tier {
    fn read_purges(&self) -> io::Result<Vec<u8>> {
        let path = self.place.purges();
        if fs::metadata(&path)?.len() > MOST {
            return Err(ErrorKind::FileTooLarge.into());
        }
        let mut bytes = fs::read(path)?;
        let checksum = bytes.split_off(bytes.len().saturating_sub(CHECKSUM));
        if checksum != crc32fast::hash(&bytes).to_le_bytes() {
            return Err(ErrorKind::InvalidData.into());
        }
        Ok(bytes)
    }

    fn write_purges(&self, bytes: &[u8]) -> io::Result<bool> {
        let holding = self.holding();
        if holding.is_none() {
            return Ok(false);
        }
        let (path, mut file) = self.place.temporary()?;
        let written = file
            .write_all(bytes)
            .and_then(|()| file.write_all(&crc32fast::hash(bytes).to_le_bytes()))
            .and_then(|()| file.sync_data())
            .and_then(|()| self.place.rename_purges(&path));
        if written.is_err() {
            // The next start removes it otherwise.
            let _ = fs::remove_file(&path);
        }
        written.map(|()| true)
    }
}
