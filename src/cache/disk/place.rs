//! Where are the files, and which process may write them?
//!
//! ```text
//! lock          locked by the process that writes and removes
//! purges        what was purged
//! new/          files that are being written; whatever a former process left there is removed
//! 000/ … fff/   objects, each under the hash of its key, by its first three digits
//! ```

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// How many directories objects are in: some hundred files each where there are a million.
pub(super) const DIRECTORIES: u32 = 0x1000;

/// The directory of a disk tier.
pub(super) struct Place {
    path: PathBuf,
    /// The number of the next temporary file.
    next: AtomicU64,
}

impl Place {
    /// Makes the directory, if it is not there, and sees whether it can be written.
    pub(super) fn new(path: &Path) -> io::Result<Self> {
        let place = Self {
            path: path.into(),
            // What other processes have left there is in nobody's way: not even in a container, where all have one number.
            next: AtomicU64::new(fastrand::u64(..)),
        };
        place.make(&place.path.join("new"))?;
        place.probe()?;
        Ok(place)
    }

    /// Writes something, and reads it again.
    pub(super) fn probe(&self) -> io::Result<()> {
        let (path, mut file) = self.temporary()?;
        let written = file
            .write_all(b"probe")
            .and_then(|()| fs::read(&path))
            .and_then(|read| {
                if read == b"probe" {
                    Ok(())
                } else {
                    Err(ErrorKind::InvalidData.into())
                }
            });
        written.and(fs::remove_file(path))
    }

    /// The lock, unless another process has it.
    pub(super) fn lock(&self) -> io::Result<Option<File>> {
        let file = OpenOptions::new()
            .create(true)
            .write(true)
            .truncate(false)
            .mode(0o600)
            .open(self.path.join("lock"))?;
        match file.try_lock() {
            Ok(()) => Ok(Some(file)),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    /// A new file, which gets its name later.
    pub(super) fn temporary(&self) -> io::Result<(PathBuf, File)> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let path = self.path.join("new").join(format!("{number:016x}"));
        let mut options = OpenOptions::new();
        options.create_new(true).read(true).write(true).mode(0o600);
        let file = options.open(&path).or_else(|error| {
            if error.kind() == ErrorKind::NotFound {
                // Somebody has removed the directory.
                self.make(&self.path.join("new"))?;
                return options.open(&path);
            }
            Err(error)
        })?;
        Ok((path, file))
    }

    /// Removes what a former process did not get ready. The lock must be held.
    pub(super) fn clean(&self) -> io::Result<()> {
        for entry in fs::read_dir(self.path.join("new"))? {
            // Another one may have been quicker.
            let _ = fs::remove_file(entry?.path());
        }
        Ok(())
    }

    /// The file of an object.
    pub(super) fn file(&self, key: u128) -> PathBuf {
        let name = format!("{key:032x}");
        self.path.join(&name[..3]).join(name)
    }

    /// Gives a file its name, in place of another one that has it.
    pub(super) fn rename(&self, from: &Path, key: u128) -> io::Result<()> {
        let to = self.file(key);
        fs::rename(from, &to).or_else(|error| match to.parent() {
            Some(parent) if error.kind() == ErrorKind::NotFound => {
                self.make(parent)?;
                fs::rename(from, &to)
            }
            _ => Err(error),
        })
    }

    /// The directory of this number.
    pub(super) fn directory(&self, number: u32) -> PathBuf {
        self.path.join(format!("{number:03x}"))
    }

    /// The file that says what was purged.
    pub(super) fn purges(&self) -> PathBuf {
        self.path.join("purges")
    }

    /// Gives the file of purges its name, and sees to it that it keeps it.
    pub(super) fn rename_purges(&self, from: &Path) -> io::Result<()> {
        fs::rename(from, self.purges())?;
        File::open(&self.path)?.sync_all()
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    fn make(&self, path: &Path) -> io::Result<()> {
        DirBuilder::new().recursive(true).mode(0o700).create(path)
    }
}
