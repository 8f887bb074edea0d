//! Whose is the file of a Unix socket? It stays behind when its process ends, and another may have put its own there.

use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use socket2::{Domain, SockAddr, Socket, Type};

/// The file of an open Unix socket. Dropping it removes the file, if it is this process's and no other has taken its place.
#[derive(Debug)]
pub struct SocketFile {
    path: PathBuf,
    /// Device and inode.
    identity: (u64, u64),
    own: bool,
}

/// Why a Unix socket can't be opened.
#[derive(Debug, thiserror::Error)]
pub enum SocketError {
    /// A process listens there.
    #[error("another process listens there")]
    InUse,
    /// There is a file that is something else.
    #[error("there is a file that is not a socket")]
    NoSocket,
    /// Something else.
    #[error(transparent)]
    Other(#[from] io::Error),
}

/// Opens a socket that listens at `path`. One that a process left behind that is gone is taken over. It does not block.
///
/// # Errors
///
/// A [`SocketError`]; whatever is at `path` is then still there.
pub fn bind(path: &Path) -> Result<(UnixListener, SocketFile), SocketError> {
    let listener = match UnixListener::bind(path) {
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
            check_abandoned(path)?;
            std::fs::remove_file(path)?;
            UnixListener::bind(path)?
        }
        listener => listener?,
    };
    listener.set_nonblocking(true)?;
    let mut file = SocketFile::at(path)?;
    file.own();
    Ok((listener, file))
}

/// Nobody listens at a socket that refuses connections. Anything else, a queue that is full for instance, is a sign of life.
fn check_abandoned(path: &Path) -> Result<(), SocketError> {
    if !std::fs::symlink_metadata(path)?.file_type().is_socket() {
        return Err(SocketError::NoSocket);
    }
    let probe = Socket::new(Domain::UNIX, Type::STREAM.nonblocking(), None)?;
    match probe.connect(&SockAddr::unix(path)?) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => Ok(()),
        _ => Err(SocketError::InUse),
    }
}

impl SocketFile {
    /// The file that is at `path` now. It is another process's until [`own`](Self::own).
    ///
    /// # Errors
    ///
    /// There is none.
    pub fn at(path: &Path) -> io::Result<Self> {
        Ok(Self {
            path: path.to_owned(),
            identity: identity(path)?,
            own: false,
        })
    }

    /// Says that this process removes it.
    pub fn own(&mut self) {
        self.own = true;
    }

    /// Leaves it to another process.
    pub fn leave(mut self) {
        self.own = false;
    }

    /// Moves it, in place of what is there.
    ///
    /// # Errors
    ///
    /// The system's.
    pub fn rename(&mut self, to: &Path) -> io::Result<()> {
        std::fs::rename(&self.path, to)?;
        to.clone_into(&mut self.path);
        Ok(())
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if self.own
            && identity(&self.path).is_ok_and(|now| now == self.identity)
            && let Err(error) = std::fs::remove_file(&self.path)
        {
            log::warn!("{}: {error}", self.path.display());
        }
    }
}

fn identity(path: &Path) -> io::Result<(u64, u64)> {
    let file = std::fs::symlink_metadata(path)?;
    Ok((file.dev(), file.ino()))
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixStream;

    use super::*;

    fn place() -> (tempfile::TempDir, PathBuf) {
        let place = tempfile::tempdir().expect("a directory");
        let path = place.path().join("socket");
        (place, path)
    }

    #[test]
    fn only_the_own_file_is_removed() {
        let (place, path) = place();
        let (_first, file) = bind(&path).expect("a socket");
        let other = place.path().join("other");
        let (_other, mut moved) = bind(&other).expect("a socket");
        moved.rename(&path).expect("renamed");
        drop(file);
        assert!(path.exists(), "the file of another socket");
        drop(SocketFile::at(&path).expect("its file"));
        assert!(path.exists(), "nobody said that it was the own one");
        drop(moved);
        assert!(!path.exists());
    }

    #[test]
    fn what_was_left_behind_is_taken_over() {
        let (_place, path) = place();
        let (listener, file) = bind(&path).expect("a socket");
        file.leave();
        drop(listener);
        assert!(path.exists());
        bind(&path).expect("nobody is there");
    }

    #[test]
    fn a_socket_in_use_stays_also_when_its_queue_is_full() {
        let (_place, path) = place();
        let (_listener, _file) = bind(&path).expect("a socket");
        let mut queued = Vec::new();
        // The kernel lets a non-blocking connect fail when the queue is full.
        loop {
            assert!(matches!(bind(&path), Err(SocketError::InUse)));
            let client = Socket::new(Domain::UNIX, Type::STREAM.nonblocking(), None);
            let client = client.expect("a socket");
            if client
                .connect(&SockAddr::unix(&path).expect("a path"))
                .is_err()
            {
                break;
            }
            queued.push(UnixStream::from(client));
            if queued.len() == 500 {
                break;
            }
        }
        assert!(matches!(bind(&path), Err(SocketError::InUse)));
        assert!(path.exists());
    }

    #[test]
    fn a_file_that_is_no_socket_stays() {
        let (_place, path) = place();
        std::fs::write(&path, "precious").expect("a file");
        assert!(matches!(bind(&path), Err(SocketError::NoSocket)));
        assert_eq!(std::fs::read(&path).expect("a file"), b"precious");
    }
}
