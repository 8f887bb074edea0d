//! Where do the sockets lie over which a process is controlled and upgraded? In a directory that only its own user can
//! enter.

use std::env;
use std::fmt::Write;
use std::fs;
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use crate::snapshot::fingerprint;

/// What [`crate::config::runtime::Runtime::directory`] says for a directory that goes by the configuration's path.
pub const AUTO: &str = "auto";

/// Where a process is asked for things.
const CONTROL: &str = "control.sock";
/// Where the sockets of an upgrade are handed over.
const HAND_OVER: &str = "upgrade.sock";

/// How many digits of a hash stand for a configuration's path.
const DIGITS: usize = 16;

/// A directory of mode 0700.
#[derive(Clone, Debug)]
pub struct Directory(PathBuf);

/// Why a directory can't be used.
#[derive(Debug, thiserror::Error)]
pub enum DirectoryError {
    /// Somebody else could be in it.
    #[error(
        "{}: belongs to user {user} with mode {mode:o}; it has to be this process's own, with mode 0700", path.display()
    )]
    Open {
        /// Which.
        path: PathBuf,
        /// Whose it is.
        user: u32,
        /// Its mode.
        mode: u32,
    },
    /// It can't be made or looked at.
    #[error("{}: {source}", path.display())]
    Other {
        /// Which.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// None of the places can be used.
    #[error("no directory can be made for it: {0}")]
    Nowhere(String),
}

impl Directory {
    /// The directory of a process that starts, made if it is missing. `configured` is an absolute path or [`AUTO`].
    ///
    /// # Errors
    ///
    /// It can't be made, or others could enter it.
    pub fn create(configured: &str, config: &Path) -> Result<Self, DirectoryError> {
        if configured != AUTO {
            return Self::private(Path::new(configured));
        }
        let mut problems = String::new();
        for (base, directory) in candidates(config) {
            match own(&base).and_then(|()| Self::private(&directory)) {
                Ok(directory) => return Ok(directory),
                Err(error) => {
                    let comma = if problems.is_empty() { "" } else { "; " };
                    // A string takes everything.
                    let _ = write!(problems, "{comma}{error}");
                }
            }
        }
        Err(DirectoryError::Nowhere(problems))
    }

    /// Where a running process may have its control socket, the likeliest first.
    pub fn candidates(configured: &str, config: &Path) -> Vec<Self> {
        if configured != AUTO {
            return vec![Self(PathBuf::from(configured))];
        }
        let all = candidates(config).into_iter();
        // In a directory that everyone may write to, another user could have made one of that name.
        let trusted = |base: &Path| {
            let parent = base.parent().and_then(|parent| fs::metadata(parent).ok());
            let open = parent.is_some_and(|parent| parent.permissions().mode() & 0o002 != 0);
            !open || fs::symlink_metadata(base).is_ok_and(|base| base.uid() == own_user())
        };
        let all = all.filter(|(base, _)| trusted(base));
        all.map(|(_, directory)| Self(directory)).collect()
    }

    /// The control socket in it.
    pub fn control(&self) -> PathBuf {
        self.0.join(CONTROL)
    }

    /// The hand-over socket in it.
    pub fn hand_over(&self) -> PathBuf {
        self.0.join(HAND_OVER)
    }

    fn private(path: &Path) -> Result<Self, DirectoryError> {
        let other = |source| other(path, source);
        make(path)?;
        let found = fs::symlink_metadata(path).map_err(other)?;
        let mode = found.permissions().mode() & 0o7777;
        if !found.is_dir() || found.uid() != own_user() || mode & 0o077 != 0 {
            return Err(DirectoryError::Open {
                path: path.to_owned(),
                user: found.uid(),
                mode,
            });
        }
        Ok(Self(path.to_owned()))
    }
}

fn other(path: &Path, source: io::Error) -> DirectoryError {
    let path = path.to_owned();
    DirectoryError::Other { path, source }
}

/// Makes a directory for the own user alone, if there is none.
fn make(path: &Path) -> Result<(), DirectoryError> {
    match fs::DirBuilder::new().mode(0o700).create(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(other(path, error)),
        _ => Ok(()),
    }
}

/// The directory that holds those of all configurations: it may be looked into (systemd makes it with mode 0755), but nobody
/// else may put anything there.
fn own(path: &Path) -> Result<(), DirectoryError> {
    make(path)?;
    let found = fs::symlink_metadata(path);
    let found = found.map_err(|error| other(path, error))?;
    let mode = found.permissions().mode() & 0o7777;
    if !found.is_dir() || found.uid() != own_user() || mode & 0o022 != 0 {
        return Err(DirectoryError::Open {
            path: path.to_owned(),
            user: found.uid(),
            mode,
        });
    }
    Ok(())
}

/// The user this process acts as.
pub fn own_user() -> u32 {
    rustix::process::geteuid().as_raw()
}

/// Places for `auto`, each with the directory that holds those of all configurations.
fn candidates(config: &Path) -> Vec<(PathBuf, PathBuf)> {
    let name = name(config);
    let variable = |name| env::var_os(name).map(PathBuf::from);
    // systemd gives several with a colon between them.
    let of_service = env::var("RUNTIME_DIRECTORY").ok();
    let of_service = of_service
        .as_deref()
        .and_then(|all| all.split(':').next())
        .map(PathBuf::from);
    let bases = [
        of_service,
        Some(PathBuf::from("/run/portcullis")),
        variable("XDG_RUNTIME_DIR").map(|base| base.join("portcullis")),
        Some(env::temp_dir().join(format!("portcullis-{}", own_user()))),
    ];
    let absolute = bases
        .into_iter()
        .flatten()
        .filter(|base| base.is_absolute());
    absolute
        .map(|base| (base.clone(), base.join(&name)))
        .collect()
}

/// A short name that goes by the configuration's path: two processes of one user don't meet.
fn name(config: &Path) -> String {
    // As it is written: where a link leads to may change while the process runs.
    let path = std::path::absolute(config).unwrap_or_else(|_| config.to_owned());
    let mut name = String::with_capacity(DIGITS);
    for byte in &fingerprint(path.as_os_str().as_encoded_bytes())[..DIGITS / 2] {
        // A string takes everything.
        let _ = write!(name, "{byte:02x}");
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_is_made_for_its_owner_alone() {
        let place = tempfile::tempdir().expect("a directory");
        let path = place.path().join("run");
        let path = path.to_str().expect("a name");
        for _ in 0..2 {
            let made =
                Directory::create(path, Path::new("a.yaml")).expect("made, or there already");
            assert!(made.control().starts_with(path));
        }
        let mode = std::fs::metadata(path).expect("it is there").permissions();
        assert_eq!(mode.mode() & 0o7777, 0o700);
    }

    #[test]
    fn a_directory_that_others_can_enter_is_not_used() {
        let place = tempfile::tempdir().expect("a directory");
        std::fs::set_permissions(place.path(), std::fs::Permissions::from_mode(0o755))
            .expect("its mode");
        let path = place.path().to_str().expect("a name");
        let error = Directory::create(path, Path::new("a.yaml")).expect_err("not private");
        assert!(error.to_string().contains("mode 755"), "{error}");
    }

    #[test]
    fn a_link_to_a_directory_is_not_used() {
        let place = tempfile::tempdir().expect("a directory");
        let link = place.path().join("link");
        std::os::unix::fs::symlink(place.path(), &link).expect("a link");
        let link = link.to_str().expect("a name");
        assert!(Directory::create(link, Path::new("a.yaml")).is_err());
    }

    #[test]
    fn configurations_have_different_names() {
        assert_ne!(name(Path::new("a.yaml")), name(Path::new("b.yaml")));
        assert_eq!(name(Path::new("a.yaml")).len(), DIGITS);
    }
}
