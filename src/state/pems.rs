//! Which PEM files are held in memory instead of on a disk?

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use crate::tls::{Pem, TlsError};

/// PEM texts by path; what is not here is read from the disk. The demo's certificate is here.
#[derive(Debug, Default)]
pub struct Pems {
    held: Mutex<HashMap<PathBuf, String>>,
}

impl Pems {
    /// Holds `text` as the file at `path`.
    pub fn insert(&self, path: PathBuf, text: String) {
        self.held
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(path, text);
    }

    /// The file at `path`.
    ///
    /// # Errors
    ///
    /// It can't be read.
    pub fn read(&self, path: &Path) -> Result<Pem, TlsError> {
        match self
            .held
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(path)
        {
            Some(text) => Ok(Pem::inline(path.display().to_string(), text.clone())),
            None => Pem::read(path),
        }
    }
}
