//! How much memory does the process have, and how much may it have? What the kernel says in its files (Linux only).

use std::fs;
use std::path::{Path, PathBuf};

/// The resident memory of this process, in bytes; `None` where the kernel does not tell it.
pub fn resident() -> Option<u64> {
    kib(&fs::read_to_string("/proc/self/status").ok()?, "VmRSS:")
}

/// What the process may use: the limit of its cgroup or of one above it, else the machine's memory; `None` where the kernel
/// does not tell it.
pub fn available() -> Option<u64> {
    available_in(Path::new("/"))
}

/// Whether that is less than the machine has, because of a cgroup.
pub fn is_limited() -> bool {
    available() < machine(Path::new("/"))
}

fn available_in(root: &Path) -> Option<u64> {
    let machine = machine(root)?;
    let cgroup = fs::read_to_string(root.join("proc/self/cgroup")).unwrap_or_default();
    let limits = cgroup.lines().filter_map(|line| group(root, line));
    let limits = limits.filter_map(|group| group.limit());
    // One that is higher than what the machine has is none; version 1 writes a very large number for none.
    Some(limits.fold(machine, u64::min))
}

fn machine(root: &Path) -> Option<u64> {
    kib(
        &fs::read_to_string(root.join("proc/meminfo")).ok()?,
        "MemTotal:",
    )
}

/// The number of bytes that a line which begins so gives in kilobytes of 1024.
fn kib(told: &str, start: &str) -> Option<u64> {
    let line = told.lines().find_map(|line| line.strip_prefix(start))?;
    let kib: u64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
    kib.checked_mul(1024)
}

/// A cgroup that may limit the memory of the process.
struct Group {
    /// Where the groups are.
    mount: PathBuf,
    /// Which of them it is.
    path: PathBuf,
    /// The file with the limit.
    file: &'static str,
}

/// What a line of `/proc/self/cgroup` says (cgroups(7)): number, controllers, path. Version 2 has one line without
/// controllers.
fn group(root: &Path, line: &str) -> Option<Group> {
    let mut parts = line.splitn(3, ':').skip(1);
    let (controllers, path) = (parts.next()?, parts.next()?);
    let (mount, file) = if controllers.is_empty() {
        ("sys/fs/cgroup", "memory.max")
    } else if controllers.split(',').any(|one| one == "memory") {
        ("sys/fs/cgroup/memory", "memory.limit_in_bytes")
    } else {
        return None;
    };
    Some(Group {
        mount: root.join(mount),
        path: PathBuf::from(path.trim_start_matches('/')),
        file,
    })
}

impl Group {
    /// The least of the limits of the group and of all above it. A container sees its own group at the mount and may be told a path
    /// that only its host has.
    fn limit(&self) -> Option<u64> {
        let read = |group: &Path| {
            let told = fs::read_to_string(self.mount.join(group).join(self.file)).ok()?;
            // `max` for none.
            told.trim().parse::<u64>().ok()
        };
        self.path.ancestors().filter_map(read).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MEMINFO: &str = "MemTotal:        8000000 kB\nMemFree:          100000 kB\n";

    /// What may be used where the kernel's files are these.
    fn told(files: &[(&str, &str)]) -> Option<u64> {
        let root = tempfile::tempdir().expect("a directory");
        for (path, contents) in files {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().expect("a directory")).expect("a directory");
            fs::write(path, contents).expect("a file");
        }
        available_in(root.path())
    }

    #[test]
    fn without_a_limit_it_is_the_machine_s() {
        let machine = Some(8_000_000 * 1024);
        assert_eq!(told(&[("proc/meminfo", MEMINFO)]), machine);
        let unlimited = [
            ("proc/meminfo", MEMINFO),
            ("proc/self/cgroup", "0::/a.slice\n"),
            ("sys/fs/cgroup/a.slice/memory.max", "max\n"),
        ];
        assert_eq!(told(&unlimited), machine);
        let unlimited_v1 = [
            ("proc/meminfo", MEMINFO),
            ("proc/self/cgroup", "4:memory:/a\n"),
            (
                "sys/fs/cgroup/memory/a/memory.limit_in_bytes",
                "9223372036854771712\n",
            ),
        ];
        assert_eq!(told(&unlimited_v1), machine);
        assert_eq!(told(&[]), None);
    }

    #[test]
    fn of_the_limits_of_a_cgroup_and_those_above_it_the_least_counts() {
        let files = [
            ("proc/meminfo", MEMINFO),
            ("proc/self/cgroup", "0::/a.slice/b.service\n"),
            ("sys/fs/cgroup/a.slice/memory.max", "1000000\n"),
            ("sys/fs/cgroup/a.slice/b.service/memory.max", "2000000\n"),
        ];
        assert_eq!(told(&files), Some(1_000_000));
    }

    #[test]
    fn a_container_finds_its_limit_at_the_mount() {
        let v2 = [
            ("proc/meminfo", MEMINFO),
            ("proc/self/cgroup", "0::/\n"),
            ("sys/fs/cgroup/memory.max", "3000000\n"),
        ];
        assert_eq!(told(&v2), Some(3_000_000));
        let v1 = [
            ("proc/meminfo", MEMINFO),
            (
                "proc/self/cgroup",
                "5:cpu,cpuacct:/docker/1\n4:memory:/docker/1\n",
            ),
            ("sys/fs/cgroup/memory/memory.limit_in_bytes", "4000000\n"),
        ];
        assert_eq!(told(&v1), Some(4_000_000));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn this_process_has_some_memory_and_less_than_there_is() {
        let (is, may) = (resident().expect("status"), available().expect("meminfo"));
        assert!(is > 1 << 20 && is < may, "{is} of {may}");
    }
}
