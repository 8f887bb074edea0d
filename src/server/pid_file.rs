//! Where do scripts find the process? In a file with its pid, there as long as the process is the one to talk to.
//!
//! The file appears whole, by a rename, so nobody reads half a number; and after an upgrade it belongs to the successor,
//! so the old process leaves it alone.

use std::fs::{self, File, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process;

use tempfile::NamedTempFile;

/// Everyone may read it.
const MODE: u32 = 0o644;
/// More bytes than any pid of ours has; what is longer was not written by us.
const MOST_READ: u64 = 32;

/// The file with the pid of this process; removed when dropped, unless another process has taken it over.
#[derive(Debug)]
pub struct PidFile {
    /// Absolute, because the working directory may change.
    path: PathBuf,
}

impl PidFile {
    /// Writes the pid of this process and a line's end to `path`, in place of what is there.
    ///
    /// # Errors
    ///
    /// The file can't be written beside `path` or renamed to it; then what was at `path` is as it was.
    pub fn write(path: &Path) -> io::Result<Self> {
        let path = std::path::absolute(path)?;
        let mut file = beside(&path)?;
        writeln!(file, "{}", process::id())?;
        // Set here, because a mode given at creation would be cut by the umask.
        file.as_file()
            .set_permissions(Permissions::from_mode(MODE))?;
        file.persist(&path).map_err(|error| error.error)?;
        Ok(Self { path })
    }

    /// Finds out whether a file could be written to `path`, and leaves what is there.
    ///
    /// # Errors
    ///
    /// It could not.
    pub fn try_out(path: &Path) -> io::Result<()> {
        if path.is_dir() {
            return Err(io::ErrorKind::IsADirectory.into());
        }
        beside(&std::path::absolute(path)?).map(drop)
    }

    /// Another process that takes it over between the look and the removal loses it; the system has no removal with a
    /// condition, and who takes over does so long before its predecessor leaves.
    fn take_away(&self) -> io::Result<()> {
        let removed = match is_ours(&self.path) {
            Ok(true) => fs::remove_file(&self.path),
            Ok(false) => Ok(()),
            Err(error) => Err(error),
        };
        match removed {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            removed => removed,
        }
    }
}

impl Drop for PidFile {
    fn drop(&mut self) {
        if let Err(error) = self.take_away() {
            log::warn!("the pid file can't be removed: {error}");
        }
    }
}

/// A new file in the folder of `path`.
fn beside(path: &Path) -> io::Result<NamedTempFile> {
    let folder = path.parent().ok_or(io::ErrorKind::InvalidFilename)?;
    tempfile::Builder::new()
        .prefix(".portcullis-pid-")
        .tempfile_in(folder)
}

fn is_ours(path: &Path) -> io::Result<bool> {
    let mut text = Vec::new();
    File::open(path)?.take(MOST_READ).read_to_end(&mut text)?;
    Ok(text.trim_ascii() == process::id().to_string().as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).expect("a folder");
        entries
            .map(|entry| entry.expect("an entry").file_name())
            .map(|name| name.to_string_lossy().into_owned())
            .collect()
    }

    #[test]
    fn the_file_has_the_pid_in_a_line_and_everyone_may_read_it() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("pid");
        let _file = PidFile::write(&path).expect("a file");
        let text = fs::read_to_string(&path).expect("text");
        assert_eq!(text, format!("{}\n", process::id()));
        let mode = fs::metadata(&path).expect("metadata").permissions().mode();
        assert_eq!(mode & 0o777, MODE);
        assert_eq!(names(folder.path()), ["pid"], "nothing is left beside it");
    }

    #[test]
    fn a_file_that_was_left_behind_is_replaced() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("pid");
        fs::write(&path, "1234567890\n").expect("written");
        let _file = PidFile::write(&path).expect("a file");
        assert!(is_ours(&path).expect("a file"));
    }

    #[test]
    fn the_file_goes_when_it_is_dropped() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("pid");
        drop(PidFile::write(&path).expect("a file"));
        assert!(!path.exists());
    }

    #[test]
    fn a_file_that_a_successor_has_taken_over_stays() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("pid");
        // Numbers that begin with ours, or that ours begins with, are not ours.
        for successor in ["1\n".to_owned(), format!("{}0\n", process::id())] {
            let file = PidFile::write(&path).expect("a file");
            fs::write(&path, &successor).expect("written");
            drop(file);
            assert_eq!(fs::read_to_string(&path).expect("text"), successor);
        }
    }

    #[test]
    fn a_file_that_is_gone_already_is_no_error() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("pid");
        let file = PidFile::write(&path).expect("a file");
        fs::remove_file(&path).expect("removed");
        file.take_away().expect("nothing to do");
    }

    #[test]
    fn a_place_that_can_not_be_written_is_an_error_and_leaves_nothing() {
        let folder = tempfile::tempdir().expect("a folder");
        let missing = folder.path().join("missing").join("pid");
        let error = PidFile::write(&missing).expect_err("no folder");
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
        let taken = folder.path().join("taken");
        fs::create_dir(&taken).expect("a folder");
        PidFile::write(&taken).expect_err("a folder is there");
        assert_eq!(names(folder.path()), ["taken"]);
        PidFile::write(Path::new("/")).expect_err("no file's name");
        for path in [&missing, &taken] {
            PidFile::try_out(path).expect_err("as little as writing it");
        }
        PidFile::try_out(&folder.path().join("pid")).expect("it could be written");
        assert_eq!(names(folder.path()), ["taken"]);
    }
}
