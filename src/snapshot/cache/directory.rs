//! Can objects be written to a directory?

use std::io::ErrorKind;
use std::path::Path;

/// Why they can't.
pub(super) struct Problem {
    pub(super) message: String,
    pub(super) hint: String,
}

impl Problem {
    fn new(message: String, hint: impl Into<String>) -> Self {
        Self {
            message,
            hint: hint.into(),
        }
    }
}

/// Finds out whether this process could use the directory, or make it, and leaves nothing behind. Told is how many bytes the
/// whole file system has, where that is known.
///
/// # Errors
///
/// It could not, and why.
pub(super) fn check(path: &Path) -> Result<Option<u64>, Problem> {
    let shown = path.display();
    if !path.is_absolute() {
        let message = format!(
            "`{}` is not an absolute path",
            shown.to_string().escape_debug()
        );
        return Err(Problem::new(
            message,
            "write `/var/cache/portcullis`, for instance",
        ));
    }
    match std::fs::metadata(path) {
        Ok(found) if found.is_dir() => probe(path),
        Ok(_) => {
            let message = format!("{shown} is not a directory");
            Err(Problem::new(message, "name one, or what is to become one"))
        }
        Err(error) if error.kind() == ErrorKind::NotFound => missing(path),
        Err(error) => Err(refused(path, &error)),
    }
}

/// One that is to be made: its parent must be there.
fn missing(path: &Path) -> Result<Option<u64>, Problem> {
    if path.is_symlink() {
        let message = format!("{} points to what is not there", path.display());
        return Err(Problem::new(message, "make the directory it points to"));
    }
    // Only the root has none, and that is there.
    let parent = path.parent().unwrap_or(path);
    match std::fs::metadata(parent) {
        Ok(found) if found.is_dir() => probe(parent),
        Ok(_) => {
            let message = format!("{} is not a directory", parent.display());
            Err(Problem::new(message, "name a path in a directory"))
        }
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let message = format!("the directory {} does not exist", parent.display());
            let hint = "make it; only the last part of the path is made when it is missing";
            Err(Problem::new(message, hint))
        }
        Err(error) => Err(refused(parent, &error)),
    }
}

/// Writes a file without a name, or one that loses it at once: what permissions, a read-only file system or a file system
/// without files say, only trying tells.
fn probe(directory: &Path) -> Result<Option<u64>, Problem> {
    tempfile::tempfile_in(directory).map_err(|error| refused(directory, &error))?;
    let whole = rustix::fs::statvfs(directory)
        .ok()
        .and_then(|system| system.f_blocks.checked_mul(system.f_frsize));
    Ok(whole.filter(|bytes| *bytes > 0))
}

fn refused(directory: &Path, error: &std::io::Error) -> Problem {
    let why = error.kind();
    let message = format!("can't write to {}: {why}", directory.display());
    let hint = "make a directory that belongs to the user who runs Portcullis";
    Problem::new(message, hint)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn message(path: &Path) -> String {
        check(path)
            .err()
            .map(|problem| problem.message)
            .unwrap_or_default()
    }

    #[test]
    fn a_directory_that_is_there_or_can_be_made_will_do_and_nothing_is_left_in_it() {
        let directory = tempfile::tempdir().expect("a directory");
        for path in [directory.path().to_owned(), directory.path().join("new")] {
            assert!(matches!(check(&path), Ok(Some(_))), "{path:?}");
        }
        let left = std::fs::read_dir(directory.path())
            .expect("readable")
            .count();
        assert_eq!(left, 0);
    }

    #[test]
    fn what_is_no_directory_or_can_be_none_is_told() {
        let directory = tempfile::tempdir().expect("a directory");
        let file = directory.path().join("file");
        std::fs::write(&file, "x").expect("writable");
        let link = directory.path().join("link");
        symlink(directory.path().join("gone"), &link).expect("writable");
        for (path, why) in [
            (file.clone(), "is not a directory"),
            (file.join("new"), "can't write to"),
            (directory.path().join("a/b"), "a does not exist"),
            (link, "points to what is not there"),
            // Not even root can make files there.
            ("/proc/portcullis".into(), "can't write to /proc"),
            ("/proc/self".into(), "can't write to /proc/self"),
            ("relative".into(), "`relative` is not an absolute path"),
            ("".into(), "`` is not an absolute path"),
        ] {
            assert!(message(&path).contains(why), "{path:?}: {}", message(&path));
        }
    }
}
