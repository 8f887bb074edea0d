//! What do files look like, and does one look like it did before?

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::config::load::PATTERNS;

/// What was seen of a set of files at one moment; equal to another if nothing has changed in between.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seen(pub(super) BTreeMap<PathBuf, Found>);

/// What a path leads to, through symlinks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
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
    pub(super) fn doubt_since(&mut self, time: i128, read: &[PathBuf]) {
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

#[cfg(test)]
pub(super) mod tests {
    use std::fs::File;
    use std::os::unix::fs::{PermissionsExt, symlink};
    use std::time::{Duration, Instant, SystemTime};

    use super::*;

    /// A folder to look at.
    pub struct Folder(tempfile::TempDir);

    impl Folder {
        pub fn new() -> Self {
            Self(tempfile::tempdir().expect("a folder"))
        }

        pub fn path(&self, name: &str) -> PathBuf {
            self.0.path().join(name)
        }

        pub fn write(&self, name: &str, text: &str) {
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
}
