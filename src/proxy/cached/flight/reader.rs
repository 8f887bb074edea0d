//! How does one who follows a fetch get its body?

use std::io;
use std::sync::Arc;

use bytes::Bytes;

use super::pieces::{Inner, Place};
use super::{Flight, Found, internal};
use crate::cache::disk::Following;
use crate::error::ProxyError;

/// Reads the body of a flight.
pub struct Reader {
    flight: Arc<Flight>,
    /// Its number among those who read.
    number: u64,
    /// How many bytes were read.
    offset: u64,
    /// Where it reads on, once the body is in a file.
    file: Option<Following>,
}

impl Reader {
    pub(super) fn new(flight: &Arc<Flight>, inner: &mut Inner, leads: bool) -> Self {
        let number = inner.next_reader;
        inner.next_reader += 1;
        let place = Place {
            offset: 0,
            file: inner.file.as_ref().map(|file| file.from(0)),
            leads,
        };
        inner.readers.insert(number, place);
        Self {
            flight: Arc::clone(flight),
            number,
            offset: 0,
            file: None,
        }
    }

    /// Whether the next piece may still be to come. What is read from a file may come sooner than that: how much of it is
    /// there only the file knows.
    pub fn must_wait(&self) -> bool {
        let inner = self.flight.inner();
        let place = inner.readers.get(&self.number);
        let in_file = self.file.is_some() || place.is_some_and(|place| place.file.is_some());
        inner.end.is_none() && (in_file || self.offset >= inner.total)
    }

    /// The next piece; `None` after the last one.
    ///
    /// # Errors
    ///
    /// The body is not whole.
    pub async fn piece(&mut self) -> Result<Option<Bytes>, ProxyError> {
        if let Some(file) = &mut self.file {
            let piece = file.next(self.offset).await;
            return self.took(piece);
        }
        loop {
            let flight = Arc::clone(&self.flight);
            let changed = flight.changed.notified();
            let mut changed = std::pin::pin!(changed);
            changed.as_mut().enable();
            match flight.read(self.number, self.offset) {
                Found::Piece(piece) => {
                    self.offset += piece.len() as u64;
                    return Ok(Some(piece));
                }
                Found::InFile(file) => {
                    let piece = self.file.insert(file).next(self.offset).await;
                    return self.took(piece);
                }
                Found::End => return Ok(None),
                Found::Broken(error) => return Err(error),
                Found::NotYet => {}
            }
            changed.await;
        }
    }

    fn took(&mut self, piece: io::Result<Option<Bytes>>) -> Result<Option<Bytes>, ProxyError> {
        let piece = piece.map_err(|_| self.broken())?;
        self.offset += piece.as_ref().map_or(0, |piece| piece.len() as u64);
        Ok(piece)
    }

    /// What is told when a body that was read from its file has no end.
    fn broken(&self) -> ProxyError {
        match self.flight.inner().end {
            Some(Err(error)) => error,
            _ => internal(),
        }
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        let mut inner = self.flight.inner();
        let place = inner.readers.remove(&self.number);
        inner.unread |= place.as_ref().is_some_and(|place| place.leads);
        inner.trim();
        drop(inner);
        self.flight.room.notify_one();
    }
}
