//! Have files of the configuration changed?
//!
//! Found by looking at intervals, not by notices of the kernel: those don't come from network file systems and end at
//! the symlinks with which Kubernetes swaps a mounted ConfigMap. Looking is a system call for each file and may wait for
//! a disk, so it belongs on a thread that may block.

mod seen;
mod settle;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::server::process::Process;
use crate::server::reload::Reloads;
pub use seen::Seen;
pub use settle::Settle;

/// Files that a configuration is read from.
#[derive(Clone, Debug, Default)]
pub struct Watched {
    /// Files of the configuration, certificates and keys.
    pub files: Vec<PathBuf>,
    /// Patterns by which files are looked for.
    pub patterns: Vec<String>,
    /// What they looked like.
    pub seen: Seen,
}

/// How much the clock by which the system dates files may be behind.
const CLOCK: Duration = Duration::from_millis(20);

impl Watched {
    /// Looks at them. What may have changed since `begun`, when somebody began to read them, will look changed the next
    /// time.
    pub fn look(&mut self, begun: SystemTime) {
        let mut seen = Seen::of(&self.files, &self.patterns);
        let begun = begun.checked_sub(CLOCK).unwrap_or(UNIX_EPOCH);
        let begun = begun.duration_since(UNIX_EPOCH).unwrap_or_default();
        seen.doubt_since(
            i128::try_from(begun.as_nanos()).unwrap_or(i128::MAX),
            &self.files,
        );
        self.seen = seen;
    }

    /// These, and those of `former` that are not among them.
    #[must_use]
    pub fn with(mut self, former: &Self) -> Self {
        self.files.extend(former.files.iter().cloned());
        self.files.sort();
        self.files.dedup();
        self.patterns.extend(former.patterns.iter().cloned());
        self.patterns.sort();
        self.patterns.dedup();
        for (path, found) in &former.seen.0 {
            self.seen.0.entry(path.clone()).or_insert(*found);
        }
        self
    }
}

/// How often it is looked whether the interval is another one.
const LOOK: Duration = Duration::from_secs(1);

/// Resolves when it is time to look at the files; a reload may change when that is.
async fn due(process: &Process) {
    let begun = Instant::now();
    loop {
        let every = process.config.load().runtime.watch.as_duration();
        let left = every.saturating_sub(begun.elapsed());
        match every.is_zero() {
            false if left.is_zero() => return,
            false => tokio::time::sleep(left.min(LOOK)).await,
            true => tokio::time::sleep(LOOK).await,
        }
    }
}

/// Asks for a reload when files have changed, for as long as the process runs.
pub async fn watch(process: Arc<Process>, reloads: Reloads) {
    let mut settle = None::<(Arc<Watched>, Settle)>;
    loop {
        due(&process).await;
        let watched = process.watched.load_full();
        let of_these = |(known, _): &(Arc<Watched>, Settle)| Arc::ptr_eq(known, &watched);
        if !settle.as_ref().is_some_and(of_these) {
            settle = Some((Arc::clone(&watched), Settle::new(watched.seen.clone())));
        }
        let look = move || Seen::of(&watched.files, &watched.patterns);
        let Ok(seen) = tokio::task::spawn_blocking(look).await else {
            continue;
        };
        if let Some((_, settle)) = &mut settle
            && settle.look(seen)
        {
            reloads.request("a changed file");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::seen::Found;
    use super::seen::tests::Folder;
    use super::*;

    #[test]
    fn what_changed_while_it_was_read_looks_changed_the_next_time() {
        let folder = Folder::new();
        folder.write("there", "1");
        let mut watched = Watched {
            files: vec![folder.path("there"), folder.path("gone")],
            ..Watched::default()
        };
        watched.look(UNIX_EPOCH);
        assert_eq!(watched.seen.0[&folder.path("there")], Found::Doubtful);
        assert_eq!(watched.seen.0[&folder.path("gone")], Found::Doubtful);
        watched.files.pop();
        watched.look(SystemTime::now() + Duration::from_secs(60));
        assert_eq!(watched.seen, Seen::of(&watched.files, &watched.patterns));
    }

    #[test]
    fn what_a_refused_configuration_does_not_name_is_watched_on() {
        let folder = Folder::new();
        let of = |names: &[&str]| {
            let mut watched = Watched::default();
            for name in names {
                folder.write(name, "1");
                watched.files.push(folder.path(name));
            }
            watched.look(SystemTime::now() + Duration::from_secs(60));
            watched
        };
        let former = of(&["main", "certificate"]);
        let both = of(&["main"]).with(&former);
        assert_eq!(
            both.files,
            [folder.path("certificate"), folder.path("main")]
        );
        assert_eq!(both.seen, Seen::of(&both.files, &both.patterns));
    }
}
