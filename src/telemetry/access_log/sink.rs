//! How do lines reach their destination, and what happens if it fails?
//!
//! A failure costs the lines that were about to be written, never the thread: the next batch tries again. The process log
//! hears of it when it starts and when it is over, not once for each batch.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::OpenOptionsExt;
use std::thread;
use std::time::{Duration, Instant};

use super::Destination;

/// How long to wait before asking a full pipe again.
const PIPE_PAUSE: Duration = Duration::from_millis(5);
/// How long a closed log waits for a pipe that nobody reads.
const CLOSING_PATIENCE: Duration = Duration::from_secs(5);

/// An open destination.
pub(super) struct Sink {
    destination: Destination,
    out: Box<dyn Write + Send>,
    /// The last write ended inside a line.
    torn: bool,
    /// Lines lost since writes began to fail; none if the last write succeeded.
    lost: u64,
}

impl Sink {
    /// Opens `destination`.
    pub(super) fn open(destination: Destination) -> io::Result<Self> {
        let out = Box::new(open(&destination)?);
        Ok(Self::new(destination, out))
    }

    /// A sink that says it is `destination` and writes to `out`.
    pub(super) fn new(destination: Destination, out: Box<dyn Write + Send>) -> Self {
        Self {
            destination,
            out,
            torn: false,
            lost: 0,
        }
    }

    /// Opens the file of this name anew, or keeps the open one if that fails.
    pub(super) fn reopen(&mut self) {
        if !matches!(self.destination, Destination::File(_)) {
            return;
        }
        match open(&self.destination) {
            Ok(file) => {
                self.out = Box::new(file);
                self.torn = false;
            }
            Err(error) => log::error!("access log {}: can't reopen: {error}", self.destination),
        }
    }

    /// Writes whole `lines`. Returns how many of them were lost because of an error.
    ///
    /// A pipe that is full is no error: it is asked again, until the log `is_closed` and its patience has ended.
    pub(super) fn write(&mut self, lines: &[u8], is_closed: impl Fn() -> bool) -> u64 {
        match self.try_write(lines, is_closed) {
            Ok(()) => {
                if self.lost > 0 && !lines.is_empty() {
                    log::warn!(
                        "access log {}: writes succeed again, {} lines are lost",
                        self.destination,
                        self.lost
                    );
                    self.lost = 0;
                }
                0
            }
            Err(Unwritten { error, lines }) => {
                if self.lost == 0 {
                    log::error!("access log {}: lines are lost: {error}", self.destination);
                }
                self.lost += lines;
                lines
            }
        }
    }

    fn try_write(&mut self, lines: &[u8], is_closed: impl Fn() -> bool) -> Result<(), Unwritten> {
        let mut rest = lines;
        let mut blocked_since = None;
        while !rest.is_empty() {
            // What follows half a line starts on a line of its own.
            let wanted = if self.torn { b"\n" } else { rest };
            let error = match self.out.write(wanted) {
                Ok(0) => io::ErrorKind::WriteZero.into(),
                Ok(_) if self.torn => {
                    self.torn = false;
                    continue;
                }
                Ok(written) => {
                    rest = &rest[written..];
                    blocked_since = None;
                    continue;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => error,
            };
            if error.kind() == io::ErrorKind::WouldBlock {
                let since = *blocked_since.get_or_insert_with(Instant::now);
                if since.elapsed() < CLOSING_PATIENCE || !is_closed() {
                    thread::sleep(PIPE_PAUSE);
                    continue;
                }
            }
            self.torn |= lines[..lines.len() - rest.len()]
                .last()
                .is_some_and(|last| *last != b'\n');
            let lines = rest.iter().filter(|byte| **byte == b'\n').count() as u64;
            return Err(Unwritten { error, lines });
        }
        Ok(())
    }
}

/// A write that failed.
struct Unwritten {
    error: io::Error,
    /// How many lines were not, or not wholly, written.
    lines: u64,
}

fn open(destination: &Destination) -> io::Result<File> {
    match destination {
        // A regular file ignores O_NONBLOCK; opening a FIFO that nobody reads fails with it instead of waiting for ever.
        Destination::File(path) => OpenOptions::new()
            .append(true)
            .create(true)
            .mode(0o640)
            .custom_flags(libc::O_NONBLOCK)
            .open(path),
        // A copy of the descriptor goes round the buffer and the lock of the standard library's stream.
        Destination::Stdout => Ok(io::stdout().as_fd().try_clone_to_owned()?.into()),
        Destination::Stderr => Ok(io::stderr().as_fd().try_clone_to_owned()?.into()),
    }
}

impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Destination::File(path) => path.display().fmt(f),
            Destination::Stdout => f.write_str("stdout"),
            Destination::Stderr => f.write_str("stderr"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::VecDeque;
    use std::sync::{Arc, Mutex};

    /// What each write does: take so many bytes, or fail.
    type Script = VecDeque<Result<usize, io::ErrorKind>>;

    struct Scripted(Script, Arc<Mutex<Vec<u8>>>);

    impl Write for Scripted {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let taken = self.0.pop_front().unwrap_or(Ok(bytes.len()))?;
            let taken = taken.min(bytes.len());
            self.1.lock().expect("a lock").extend(&bytes[..taken]);
            Ok(taken)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn scripted(script: impl Into<Script>) -> (Sink, impl Fn() -> String) {
        let bytes = Arc::new(Mutex::new(Vec::new()));
        let out = Box::new(Scripted(script.into(), Arc::clone(&bytes)));
        let text = move || String::from_utf8_lossy(&bytes.lock().expect("a lock")).into_owned();
        (Sink::new(Destination::Stdout, out), text)
    }

    #[test]
    fn a_write_in_parts_is_continued() {
        let (mut sink, text) = scripted([
            Ok(2),
            Err(io::ErrorKind::Interrupted),
            Err(io::ErrorKind::WouldBlock),
            Ok(1),
        ]);
        assert_eq!(sink.write(b"one\ntwo\n", || false), 0);
        assert_eq!(text(), "one\ntwo\n");
    }

    #[test]
    fn a_failed_write_loses_its_lines_and_the_next_one_starts_on_its_own_line() {
        let (mut sink, text) = scripted([
            Ok(6),
            Err(io::ErrorKind::StorageFull),
            Err(io::ErrorKind::StorageFull),
        ]);
        assert_eq!(sink.write(b"one\ntwo\nthree\n", || false), 2);
        assert_eq!(sink.write(b"four\n", || false), 1);
        assert_eq!(sink.lost, 3);
        assert_eq!(sink.write(b"five\n", || false), 0);
        assert_eq!(text(), "one\ntw\nfive\n");
        assert_eq!(sink.lost, 0, "the process log heard that it is over");
    }

    #[test]
    fn a_destination_that_takes_nothing_is_an_error() {
        let (mut sink, _) = scripted([Ok(0)]);
        assert_eq!(sink.write(b"one\n", || false), 1);
    }
}
