//! How does the process's own user give orders? Over a Unix socket in a directory of mode 0700.

use std::io;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::answer::View;
use super::serve::{connection, places};
use crate::server::directory::{Directory, own_user};
use crate::server::door::socket_file::{self, SocketError, SocketFile};
use crate::server::upgrade::Link;

/// The user who may do everything anyway.
const ROOT: u32 = 0;

/// An open control socket. Dropping it removes its file, unless a successor has put its own there.
#[derive(Debug)]
pub struct ControlSocket {
    listener: Option<UnixListener>,
    file: SocketFile,
    /// Where it belongs.
    place: PathBuf,
}

/// Why there is no control socket.
#[derive(Debug, thiserror::Error)]
#[error("{path}: {source}")]
pub struct ControlError {
    path: String,
    source: SocketError,
}

impl ControlError {
    fn at(path: &Path, source: SocketError) -> Self {
        let path = path.display().to_string();
        Self { path, source }
    }
}

impl ControlSocket {
    /// Opens it.
    ///
    /// # Errors
    ///
    /// Another process listens there, or it can't be made.
    pub fn open(directory: &Directory) -> Result<Self, ControlError> {
        let path = directory.control();
        let opened = socket_file::bind(&path);
        let (listener, file) = opened.map_err(|source| ControlError::at(&path, source))?;
        Ok(Self {
            listener: Some(listener),
            file,
            place: path,
        })
    }

    /// Opens it beside that of the process with this number, which is to be succeeded.
    ///
    /// # Errors
    ///
    /// Yet another process listens there, or it can't be made.
    pub fn beside(directory: &Directory, predecessor: u32) -> Result<Self, ControlError> {
        let path = directory.control();
        let opened = || {
            let there = Link::connect(&path).and_then(|there| there.peer());
            if there.is_ok_and(|there| there.pid != predecessor) {
                return Err(SocketError::InUse);
            }
            socket_file::bind(&path.with_extension("new"))
        };
        let (listener, file) = opened().map_err(|source| ControlError::at(&path, source))?;
        Ok(Self {
            listener: Some(listener),
            file,
            place: path,
        })
    }

    /// Puts it in the place of the other one: whoever asks meets either process, and never none.
    ///
    /// # Errors
    ///
    /// The system's.
    pub fn take_place(mut self) -> Result<Self, ControlError> {
        let moved = self.file.rename(&self.place);
        moved.map_err(|error| ControlError::at(&self.place, error.into()))?;
        Ok(self)
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

async fn accept(listener: tokio::net::UnixListener, view: Arc<View>) {
    let places = places();
    // The semaphore is never closed.
    while let Ok(place) = Arc::clone(&places).acquire_owned().await {
        match listener.accept().await {
            Ok((stream, _)) => match stream.peer_cred() {
                // The directory keeps others out; this holds should it be opened by mistake.
                Ok(peer) if peer.uid() == own_user() || peer.uid() == ROOT => {
                    let alive = view.process.askers.one_more();
                    tokio::spawn(connection(stream, Arc::clone(&view), place, alive));
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
