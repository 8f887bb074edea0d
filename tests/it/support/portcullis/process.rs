//! Which processes belong to a test, and how do they end?
//!
//! An upgrade starts a process of which the test is not the parent. When its own parent ends, it becomes a child of the
//! test's process, which says at the first upgrade that it takes such orphans; so its exit code can be known.

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus};
use std::time::Duration;

use rustix::io::Errno;
use rustix::process::{Pid, Signal, WaitOptions, kill_process, set_child_subreaper, waitpid};

use super::thread;

const BINARY: &str = env!("CARGO_BIN_EXE_portcullis");

/// A process of a test.
#[derive(Debug)]
pub enum Process {
    /// One that the test has started.
    Child(Child),
    /// One that has followed such a one.
    Heir(Heir),
}

/// A process that another one has started in its place.
#[derive(Debug)]
pub struct Heir {
    pid: u32,
    ended: Option<ExitStatus>,
}

impl Process {
    /// One that the test has started. Those it starts itself, and leaves behind, are the test's to ask from now on.
    pub fn child(child: Child) -> Self {
        set_child_subreaper(Some(rustix::process::getpid())).expect("to take orphans");
        Self::Child(child)
    }

    /// One that a process of the test has started.
    pub fn heir(pid: u32) -> Self {
        Self::Heir(Heir { pid, ended: None })
    }

    /// Its number.
    pub fn id(&self) -> u32 {
        match self {
            Self::Child(child) => child.id(),
            Self::Heir(heir) => heir.pid,
        }
    }

    /// How it ended, if it has. Panics for one whose parent was told and not the test.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        match self {
            Self::Child(child) => child.try_wait().expect("a child"),
            Self::Heir(heir) => heir.ended(),
        }
    }

    /// Whether it has ended, in whatever way, or is about to be asked how by its parent.
    pub fn is_gone(&mut self) -> bool {
        match self {
            Self::Child(_) => self.ended().is_some(),
            Self::Heir(heir) => {
                heir.ended.is_some() || state(heir.pid).is_none_or(|state| state == 'Z')
            }
        }
    }

    /// Ends it, if it has not ended.
    pub fn kill(&mut self) {
        // One that has ended already is no concern here; heirs are found by their directory.
        if let Self::Child(child) = self {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

impl Heir {
    fn ended(&mut self) -> Option<ExitStatus> {
        if self.ended.is_none() {
            match waitpid(Some(pid(self.pid)), WaitOptions::NOHANG) {
                Ok(Some((_, status))) => self.ended = Some(ExitStatus::from_raw(status.as_raw())),
                Ok(None) => {}
                Err(Errno::CHILD) => {
                    // Its parent lives, and is told.
                    let there = state(self.pid).is_some();
                    assert!(there, "process {} ended before its parent", self.pid);
                }
                Err(error) => panic!("process {}: {error}", self.pid),
            }
        }
        self.ended
    }
}

/// What the process does; `None` if there is none.
fn state(number: u32) -> Option<char> {
    thread::state(Path::new(&format!("/proc/{number}")))
}

/// The processes that came from this directory's Portcullis and still run: they work in the directory, and run the
/// binary or were called with a path in the directory.
pub fn all_in(directory: &Path) -> Vec<u32> {
    let directory = directory.canonicalize().expect("a directory");
    let name = directory.to_string_lossy().into_owned();
    let is_ours = |place: &Path| {
        let works_here = fs::read_link(place.join("cwd")).is_ok_and(|at| at == directory);
        let binary = fs::read_link(place.join("exe")).unwrap_or_default();
        let words = fs::read(place.join("cmdline")).unwrap_or_default();
        works_here
            && (binary == Path::new(BINARY) || String::from_utf8_lossy(&words).contains(&name))
    };
    let all = fs::read_dir("/proc").expect("processes").flatten();
    let numbered = all.filter_map(|entry| {
        let number = entry.file_name().to_str()?.parse().ok()?;
        is_ours(&entry.path()).then_some(number)
    });
    numbered.collect()
}

/// Ends all of these, and whoever they start meanwhile.
pub fn end_all_in(directory: &Path) {
    for _ in 0..500 {
        let left = all_in(directory);
        if left.is_empty() {
            return;
        }
        for number in left {
            // It may have ended since.
            let _ = kill_process(pid(number), Signal::KILL);
            let _ = waitpid(Some(pid(number)), WaitOptions::NOHANG);
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    eprintln!("processes in {} live on", directory.display());
}

/// Sends a signal, such as `TERM`.
pub fn signal(number: u32, name: &str) {
    let sent = Command::new("kill")
        .arg(format!("-{name}"))
        .arg(number.to_string())
        .status();
    assert!(sent.expect("kill").success());
}

fn pid(number: u32) -> Pid {
    Pid::from_raw(i32::try_from(number).expect("a number")).expect("not 0")
}
