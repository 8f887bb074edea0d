//! How does the process's own user give orders? Over a Unix socket in a directory of mode 0700.

use std::io;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::answer::View;
use super::serve::{connection, places};
use crate::server::directory::{Directory, own_user};
use crate::server::socket_file::SocketFile;

/// The user who may do everything anyway.
const ROOT: u32 = 0;

/// An open control socket. Dropping it removes its file, unless a successor has put its own there.
#[derive(Debug)]
pub struct ControlSocket {
    listener: Option<UnixListener>,
    file: Option<SocketFile>,
}

/// Why there is no control socket.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// Another process listens on it.
    #[error("{0}: another process listens there; does it run with the same configuration?")]
    InUse(String),
    /// Something else.
    #[error("{0}: {1}")]
    Other(String, #[source] io::Error),
}

impl ControlSocket {
    /// Opens it. With `succeed`, the process that listens there is one whose place is taken.
    ///
    /// # Errors
    ///
    /// Another process listens there, or it can't be made.
    pub fn open(directory: &Directory, succeed: bool) -> Result<Self, ControlError> {
        let path = directory.control();
        let other = |error| ControlError::Other(path.display().to_string(), error);
        if !succeed && UnixStream::connect(&path).is_ok() {
            return Err(ControlError::InUse(path.display().to_string()));
        }
        // Under another name first: whoever asks meets either process, and never none.
        let temporary = path.with_extension(format!("{}", std::process::id()));
        remove_if_there(&temporary).map_err(other)?;
        let listener = UnixListener::bind(&temporary).map_err(other)?;
        listener.set_nonblocking(true).map_err(other)?;
        std::fs::rename(&temporary, &path).map_err(other)?;
        Ok(Self {
            listener: Some(listener),
            file: SocketFile::at(&path),
        })
    }

    /// Serves in a task of its own, for as long as the process runs. To be called in a runtime.
    ///
    /// # Errors
    ///
    /// The runtime can't watch it.
    pub fn serve(&mut self, view: Arc<View>) -> io::Result<()> {
        if let Some(listener) = self.listener.take() {
            tokio::spawn(accept(tokio::net::UnixListener::from_std(listener)?, view));
        }
        Ok(())
    }
}

impl Drop for ControlSocket {
    fn drop(&mut self) {
        if let Some(file) = &self.file {
            file.remove();
        }
    }
}

async fn accept(listener: tokio::net::UnixListener, view: Arc<View>) {
    let places = places();
    // The semaphore is never closed.
    while let Ok(place) = Arc::clone(&places).acquire_owned().await {
        match listener.accept().await {
            Ok((stream, _)) => match stream.peer_cred() {
                // The directory keeps others out; this holds should it be opened by mistake.
                Ok(peer) if peer.uid() == own_user() || peer.uid() == ROOT => {
                    tokio::spawn(connection(stream, Arc::clone(&view), place));
                }
                Ok(peer) => log::warn!("control: user {} was refused", peer.uid()),
                Err(error) => log::warn!("control: {error}"),
            },
            Err(error) => {
                log::warn!("control: accept: {error}");
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
        }
    }
}

fn remove_if_there(path: &Path) -> io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
