//! Whose is the file of a Unix socket? It stays behind when its process ends, and another may have put its own there.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// The file of an open Unix socket.
#[derive(Debug)]
pub struct SocketFile {
    path: PathBuf,
    /// Device and inode.
    identity: (u64, u64),
}

impl SocketFile {
    /// The file that is at `path` now.
    pub fn at(path: &Path) -> Option<Self> {
        Some(Self {
            path: path.to_owned(),
            identity: Self::identity(path)?,
        })
    }

    /// Removes it, unless another has taken its place.
    pub fn remove(&self) {
        if Self::identity(&self.path) == Some(self.identity)
            && let Err(error) = std::fs::remove_file(&self.path)
        {
            log::warn!("{}: {error}", self.path.display());
        }
    }

    fn identity(path: &Path) -> Option<(u64, u64)> {
        let file = std::fs::symlink_metadata(path).ok()?;
        Some((file.dev(), file.ino()))
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;

    use super::*;

    #[test]
    fn only_the_own_file_is_removed() {
        let place = tempfile::tempdir().expect("a directory");
        let path = place.path().join("socket");
        let _first = UnixListener::bind(&path).expect("a socket");
        let file = SocketFile::at(&path).expect("its file");
        let other = place.path().join("other");
        let _other = UnixListener::bind(&other).expect("a socket");
        std::fs::rename(&other, &path).expect("renamed");
        file.remove();
        assert!(path.exists(), "the file of another socket");
        SocketFile::at(&path).expect("its file").remove();
        assert!(!path.exists());
    }
}
