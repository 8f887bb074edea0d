//! Have files of the configuration changed?
//!
//! Found by looking at intervals, not by notices of the kernel: those don't come from network file systems and end at
//! the symlinks with which Kubernetes swaps a mounted ConfigMap. Looking is a system call for each file and may wait for
//! a disk, so it belongs on a thread that may block.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::config::load::PATTERNS;
use crate::server::process::Process;
use crate::server::reload::Reloads;

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

/// What was seen of a set of files at one moment; equal to another if nothing has changed in between.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seen(BTreeMap<PathBuf, Found>);

/// What a path leads to, through symlinks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Found {
    File {
        device: u64,
        inode: u64,
        length: u64,
        /// When the content changed, in nanoseconds since 1970.
        modified: i128,
        /// When content, owner or rights changed, or the file got its name. Programs that unpack or copy put the time
        /// above back to that of their source, and the number of a removed file is given to the next one; this time
        /// nobody sets.
        changed: i128,
    },
    /// Only that it is there: its times change with every file that is written into it. What matters of its content is
    /// what a pattern finds.
    Folder,
    /// Nothing that can be read, and why.
    Nothing(io::ErrorKind),
    /// What cannot be told: it was changed while it was read.
    Doubtful,
}

impl Seen {
    /// Looks at `files`, and at all that match `patterns`, which are expanded anew each time and in the way of the
    /// configuration's `include`. Patterns are whole ones, with their folder.
    pub fn of(files: &[PathBuf], patterns: &[String]) -> Self {
        let mut seen: BTreeMap<_, _> = files.iter().map(|file| look_at(file.clone())).collect();
        for pattern in patterns {
            // One that is not valid has been refused with the configuration it stands in.
            let Ok(paths) = glob::glob_with(pattern, PATTERNS) else {
                continue;
            };
            seen.extend(paths.map(|path| match path {
                Ok(path) => look_at(path),
                Err(error) => {
                    let why = Found::Nothing(error.error().kind());
                    (error.path().to_path_buf(), why)
                }
            }));
        }
        Self(seen)
    }

    /// Doubts what was changed since this time, in nanoseconds since 1970, and those of `read` that are gone.
    fn doubt_since(&mut self, time: i128, read: &[PathBuf]) {
        for (path, found) in &mut self.0 {
            let doubtful = match found {
                Found::File {
                    modified, changed, ..
                } => *modified.max(changed) >= time,
                Found::Nothing(_) => read.contains(path),
                Found::Folder | Found::Doubtful => false,
            };
            if doubtful {
                *found = Found::Doubtful;
            }
        }
    }
}

fn look_at(path: PathBuf) -> (PathBuf, Found) {
    let found = found(&path);
    (path, found)
}

fn found(path: &Path) -> Found {
    match fs::metadata(path) {
        Ok(metadata) if metadata.is_dir() => Found::Folder,
        Ok(metadata) => Found::File {
            device: metadata.dev(),
            inode: metadata.ino(),
            length: metadata.len(),
            modified: nanoseconds(metadata.mtime(), metadata.mtime_nsec()),
            changed: nanoseconds(metadata.ctime(), metadata.ctime_nsec()),
        },
        Err(error) => Found::Nothing(error.kind()),
    }
}

fn nanoseconds(seconds: i64, rest: i64) -> i128 {
    i128::from(seconds) * 1_000_000_000 + i128::from(rest)
}

/// When is a change complete? When two looks in a row see the same: a file that is being written, or the second of two
/// that belong together, is waited for.
#[derive(Clone, Debug)]
pub struct Settle {
    /// What was told last, or what it began with.
    told: Seen,
    /// The look before.
    last: Seen,
}

impl Settle {
    /// Waits for a change of what was `loaded`: seen before the files were read, so that what changes while they are
    /// read counts. A reload, whatever caused it, may bring other files; then it begins anew.
    pub fn new(loaded: Seen) -> Self {
        Self {
            told: loaded.clone(),
            last: loaded,
        }
    }

    /// Whether there is a complete change. Each is told once, also if what is in the files is then refused.
    pub fn look(&mut self, seen: Seen) -> bool {
        let calm = seen == self.last;
        self.last = seen;
        if !calm || self.last == self.told {
            return false;
        }
        self.told.clone_from(&self.last);
        true
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
    use std::fs::File;
    use std::os::unix::fs::{PermissionsExt, symlink};
    use std::time::{Duration, Instant, SystemTime};

    use super::*;

    /// A folder to look at.
    struct Folder(tempfile::TempDir);

    impl Folder {
        fn new() -> Self {
            Self(tempfile::tempdir().expect("a folder"))
        }

        fn path(&self, name: &str) -> PathBuf {
            self.0.path().join(name)
        }

        fn write(&self, name: &str, text: &str) {
            fs::write(self.path(name), text).expect("written");
        }

        fn see(&self, names: &[&str], patterns: &[&str]) -> Seen {
            let files: Vec<PathBuf> = names.iter().map(|name| self.path(name)).collect();
            let patterns: Vec<String> = patterns
                .iter()
                .map(|pattern| self.path(pattern).to_string_lossy().into_owned())
                .collect();
            Seen::of(&files, &patterns)
        }
    }

    /// Does it until it is seen: the clock of a file system stands still for some milliseconds.
    fn seen_in_the_end(before: &Seen, mut look: impl FnMut() -> Seen) -> bool {
        let end = Instant::now() + Duration::from_secs(5);
        while Instant::now() < end {
            if look() != *before {
                return true;
            }
        }
        false
    }

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

    #[test]
    fn what_is_not_touched_is_the_same() {
        let folder = Folder::new();
        folder.write("a.yaml", "a");
        let look = || folder.see(&["a.yaml", "missing"], &["*.yaml"]);
        assert_eq!(look(), look());
    }

    #[test]
    fn a_file_that_gets_longer_has_changed() {
        let folder = Folder::new();
        folder.write("a", "a");
        let before = folder.see(&["a"], &[]);
        folder.write("a", "ab");
        assert_ne!(folder.see(&["a"], &[]), before);
    }

    #[test]
    fn a_file_replaced_by_one_of_the_same_size_and_time_has_changed() {
        let folder = Folder::new();
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
        let write = |name: &str, text: &str| {
            folder.write(name, text);
            let file = File::options().write(true).open(folder.path(name));
            file.and_then(|file| file.set_modified(time)).expect("set");
        };
        write("a", "1234");
        let before = folder.see(&["a"], &[]);
        write("new", "4321");
        fs::rename(folder.path("new"), folder.path("a")).expect("renamed");
        assert_ne!(folder.see(&["a"], &[]), before);
    }

    #[test]
    fn a_file_written_in_place_with_its_old_time_put_back_has_changed() {
        let folder = Folder::new();
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
        let look = || {
            folder.write("a", "1234");
            let file = File::options().write(true).open(folder.path("a"));
            file.and_then(|file| file.set_modified(time)).expect("set");
            folder.see(&["a"], &[])
        };
        let before = look();
        assert!(seen_in_the_end(&before, look));
    }

    #[test]
    fn rights_that_change_are_a_change() {
        let folder = Folder::new();
        folder.write("key", "k");
        let before = folder.see(&["key"], &[]);
        assert!(seen_in_the_end(&before, || {
            fs::set_permissions(folder.path("key"), PermissionsExt::from_mode(0o600)).expect("set");
            folder.see(&["key"], &[])
        }));
    }

    #[test]
    fn a_swapped_symlink_changes_what_is_behind_it() {
        // As Kubernetes mounts a ConfigMap: a.yaml → ..data/a.yaml, ..data → ..1, and ..data is renamed over.
        let folder = Folder::new();
        for version in ["..1", "..2"] {
            fs::create_dir(folder.path(version)).expect("a folder");
            folder.write(&format!("{version}/a.yaml"), "same");
        }
        symlink("..1", folder.path("..data")).expect("a symlink");
        symlink("..data/a.yaml", folder.path("a.yaml")).expect("a symlink");
        let one = folder.see(&["a.yaml"], &[]);
        let all = folder.see(&[], &["*.yaml"]);
        symlink("..2", folder.path("..tmp")).expect("a symlink");
        fs::rename(folder.path("..tmp"), folder.path("..data")).expect("renamed");
        assert_ne!(folder.see(&["a.yaml"], &[]), one);
        assert_ne!(folder.see(&[], &["*.yaml"]), all);
    }

    #[test]
    fn a_missing_file_that_appears_and_one_that_goes_are_changes() {
        let folder = Folder::new();
        let missing = folder.see(&["a"], &[]);
        folder.write("a", "");
        let there = folder.see(&["a"], &[]);
        assert_ne!(there, missing);
        fs::remove_file(folder.path("a")).expect("removed");
        assert_eq!(folder.see(&["a"], &[]), missing);
        symlink("nowhere", folder.path("a")).expect("a symlink");
        assert_eq!(folder.see(&["a"], &[]), missing, "it leads nowhere");
    }

    #[test]
    fn only_a_new_file_that_matches_a_pattern_is_a_change() {
        let folder = Folder::new();
        folder.write("a.yaml", "a");
        let before = folder.see(&[""], &["*.yaml"]);
        folder.write("access.log", "a line");
        folder.write(".b.yaml", "hidden, as editors do");
        assert_eq!(folder.see(&[""], &["*.yaml"]), before);
        folder.write("b.yaml", "");
        assert_ne!(folder.see(&[""], &["*.yaml"]), before);
    }

    #[test]
    fn a_pattern_that_is_not_valid_finds_nothing() {
        assert_eq!(Folder::new().see(&[], &["***"]), Seen::default());
    }

    /// A look that is equal to others with the same number.
    fn version(number: u64) -> Seen {
        let file = Found::File {
            device: 1,
            inode: 1,
            length: number,
            modified: 0,
            changed: 0,
        };
        Seen(BTreeMap::from([(PathBuf::from("a"), file)]))
    }

    /// What each look answers, after version 0 was loaded.
    fn answers(looks: &[u64]) -> Vec<bool> {
        let mut settle = Settle::new(version(0));
        looks
            .iter()
            .map(|number| settle.look(version(*number)))
            .collect()
    }

    #[test]
    fn a_change_is_told_when_two_looks_agree_and_only_once() {
        assert_eq!(answers(&[0, 0]), [false, false]);
        assert_eq!(answers(&[1, 1, 1, 1]), [false, true, false, false]);
        let two = [false, true, false, true];
        assert_eq!(answers(&[1, 1, 2, 2]), two);
        assert_eq!(answers(&[1, 1, 0, 0]), two, "back again is a change");
    }

    #[test]
    fn a_file_that_is_still_being_written_is_waited_for() {
        let looks = [1, 2, 3, 3, 3];
        assert_eq!(answers(&looks), [false, false, false, true, false]);
    }

    #[test]
    fn a_change_that_is_taken_back_before_it_settles_is_none() {
        assert_eq!(answers(&[1, 0, 0, 0]), [false; 4]);
        assert_eq!(answers(&[1, 1, 2, 1, 1])[2..], [false; 3]);
    }
}
