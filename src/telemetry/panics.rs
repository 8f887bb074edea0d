//! Where is the message of a panic told? In the process log, as one line like everything else.

use std::backtrace::{Backtrace, BacktraceStatus};
use std::fmt;
use std::panic::{self, PanicHookInfo};
use std::thread;

/// From now on a panic is one record of the log, on the level of errors: the thread, the place, the message, and the
/// backtrace if `RUST_BACKTRACE` asks for it.
pub(super) fn tell_in_log() {
    panic::set_hook(Box::new(|info| log::error!("{}", Told(info))));
}

struct Told<'i>(&'i PanicHookInfo<'i>);

impl fmt::Display for Told<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let thread = thread::current();
        write!(f, "panic in thread {}", thread.name().unwrap_or("unnamed"))?;
        if let Some(place) = self.0.location() {
            write!(f, " at {place}")?;
        }
        // Whatever was thrown, other than by the macro, need not be text.
        let message = self.0.payload_as_str().unwrap_or("(not a text)");
        write!(f, ": {message}")?;
        let backtrace = Backtrace::capture();
        if backtrace.status() == BacktraceStatus::Captured {
            write!(f, "\n{backtrace}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    const THREAD: &str = "one-that-panics";

    /// What is told of a thread that panics.
    fn told(work: fn()) -> String {
        let (tell, heard) = mpsc::channel();
        let before = panic::take_hook();
        // The other tests of this process keep theirs.
        panic::set_hook(Box::new(move |info| match thread::current().name() {
            Some(THREAD) => drop(tell.send(Told(info).to_string())),
            _ => before(info),
        }));
        let ended = thread::Builder::new().name(THREAD.to_owned()).spawn(work);
        assert!(ended.expect("a thread").join().is_err());
        heard.recv().expect("it was told")
    }

    #[test]
    fn the_thread_the_place_and_the_message_are_told() {
        let text = told(|| panic!("{} of two", 1));
        let start = "panic in thread one-that-panics at src/telemetry/panics.rs:";
        assert!(text.starts_with(start), "{text}");
        assert!(
            text.lines().any(|line| line.ends_with(": 1 of two")),
            "{text}"
        );
        let thrown = told(|| panic::panic_any(1));
        assert!(thrown.contains(": (not a text)"), "{thrown}");
    }
}
