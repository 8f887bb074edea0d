//! What do the threads of a process do?

use std::fs;
use std::path::{Path, PathBuf};

/// A thread of a process.
#[derive(Debug)]
pub struct Thread {
    /// Its name.
    pub name: String,
    place: PathBuf,
}

impl Thread {
    /// Those of this process that have not ended meanwhile.
    pub fn all(process: u32) -> Vec<Self> {
        let threads = fs::read_dir(format!("/proc/{process}/task")).expect("a process");
        let named = threads.flatten().filter_map(|thread| {
            let place = thread.path();
            let name = fs::read_to_string(place.join("comm")).ok()?;
            let name = name.trim_end().to_owned();
            Some(Self { name, place })
        });
        named.collect()
    }

    /// Its number.
    pub fn number(&self) -> i32 {
        let number = self.place.file_name().and_then(|name| name.to_str());
        number
            .and_then(|number| number.parse().ok())
            .expect("a number")
    }

    /// Whether it waits for something to happen; one that others keep from running does not.
    pub fn sleeps(&self) -> bool {
        self.state() == Some('S')
    }

    /// What it does; `None` if it has ended.
    pub fn state(&self) -> Option<char> {
        state(&self.place)
    }
}

/// What the process or thread does that is told of in this directory: `R`, `S`, `Z`… (proc_pid_stat(5)); `None` if there is
/// none.
pub fn state(place: &Path) -> Option<char> {
    let about = fs::read_to_string(place.join("stat")).ok()?;
    about.rsplit_once(") ")?.1.chars().next()
}
