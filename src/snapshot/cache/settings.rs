//! Can the process's cache work with what is written?

use std::path::{Path, PathBuf};

use super::directory;
use crate::admission::memory::available;
use crate::cache::{CacheSettings, DiskSettings};
use crate::config::cache::{Cache as Written, CacheDisk};
use crate::config::units::rounded;
use crate::config::{ByteSize, Config, Diagnostic, Diagnostics, Spanned};

/// Less memory than this holds hardly more than a page.
const LITTLE_MEMORY: ByteSize = ByteSize::mib(1);
/// A disk of less than this would do nothing but write and remove.
const LEAST_DISK: ByteSize = ByteSize::mib(1);

/// The settings of the process's cache; what is wrong with them is reported.
pub(in crate::snapshot) fn compile(
    written: &Written,
    diagnostics: &mut Diagnostics,
) -> CacheSettings {
    let mut section = Section(diagnostics);
    section.memory(&written.memory);
    if let Some(disk) = &written.disk {
        section.disk(disk, written.memory.value);
    }
    CacheSettings {
        memory: written.memory.as_u64(),
        disk: written.disk.as_ref().map(|disk| DiskSettings {
            path: PathBuf::from(&disk.path.value),
            size: disk.size.as_u64(),
        }),
    }
}

/// Warns if something is written and no route has a cache. `unread` says whether there are routes that could not be read.
pub(in crate::snapshot) fn check_used(
    config: &Config,
    unread: bool,
    diagnostics: &mut Diagnostics,
) {
    let written = &config.cache;
    let is_used = config.routes.iter().any(|route| route.cache.is_some());
    if is_used || unread || *written == Written::default() {
        return;
    }
    let disk = written.disk.as_ref().and_then(|disk| disk.position.clone());
    let at = written.memory.position.clone().or(disk);
    diagnostics.push(
        Diagnostic::warning("cache", "no route stores anything in it")
            .at(at)
            .hint("give a route `cache: {}`, or remove the section".to_owned()),
    );
}

/// The section that is compiled.
struct Section<'d>(&'d mut Diagnostics);

impl Section<'_> {
    fn push<T>(&mut self, problem: Diagnostic, at: &Spanned<T>, hint: &str) {
        let hint = (!hint.is_empty()).then(|| hint.to_owned());
        self.0.push(problem.at(at.position.clone()).hint(hint));
    }

    fn error<T>(&mut self, key: &str, at: &Spanned<T>, message: &str, hint: &str) {
        let problem = Diagnostic::error(format!("cache.{key}"), message);
        self.push(problem, at, hint);
    }

    fn warning<T>(&mut self, key: &str, at: &Spanned<T>, message: &str, hint: &str) {
        let problem = Diagnostic::warning(format!("cache.{key}"), message);
        self.push(problem, at, hint);
    }

    fn memory(&mut self, written: &Spanned<ByteSize>) {
        if written.as_u64() == 0 {
            let hint = "write a size as `64MiB`; what routes without `cache` do needs none of it";
            self.error("memory", written, "nothing fits into no memory", hint);
        } else if written.value < LITTLE_MEMORY {
            let message = "is so little that hardly anything stays in it";
            self.warning("memory", written, message, "give 1MiB at least");
        } else if available().is_some_and(|all| written.as_u64() > all) {
            let message = "is more memory than the process may use";
            self.warning(
                "memory",
                written,
                message,
                "give it a `disk` for what is more",
            );
        }
    }

    fn disk(&mut self, disk: &CacheDisk, memory: ByteSize) {
        let size = &disk.size;
        if size.as_u64() == 0 {
            let hint = "write a size as `10GiB`, or leave `disk` out";
            self.error("disk.size", size, "nothing fits into no room", hint);
        } else if size.value < LEAST_DISK {
            let message = "is too little for a disk";
            self.error(
                "disk.size",
                size,
                message,
                "give 1MiB at least, better 1GiB",
            );
        } else if size.value < memory {
            let message = "the disk is smaller than the memory in front of it, and adds little";
            self.warning("disk.size", size, message, "make it several times as large");
        }
        match directory::check(Path::new(&disk.path.value)) {
            Err(problem) => self.error("disk.path", &disk.path, &problem.message, &problem.hint),
            Ok(whole) if whole.is_some_and(|whole| size.as_u64() > whole) => {
                let whole = whole.map(rounded).unwrap_or_default();
                let message = format!("the file system has {whole} in all");
                self.warning("disk.size", size, &message, "leave room on it");
            }
            Ok(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(cache: &Written) -> Vec<String> {
        let mut diagnostics = Diagnostics::default();
        compile(cache, &mut diagnostics);
        diagnostics.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn more_than_the_machine_has_is_told() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().to_str().expect("UTF-8").to_owned();
        let disk = CacheDisk {
            path: path.into(),
            size: ByteSize::from(u64::MAX).into(),
        };
        let whole = Written {
            disk: Some(disk.into()),
            ..Written::default()
        };
        let said = told(&whole);
        assert!(said.len() == 1 && said[0].contains("in all"), "{said:?}");
        let memory = Written {
            memory: ByteSize::from(u64::MAX).into(),
            disk: None,
        };
        let said = told(&memory);
        assert!(
            said.len() == 1 && said[0].contains("than the process may use"),
            "{said:?}"
        );
        assert!(told(&Written::default()).is_empty());
    }
}
