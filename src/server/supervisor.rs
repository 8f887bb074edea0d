//! What is systemd told?
//!
//! That the process serves, works, reloads or stops, and which process it is, over the socket that `$NOTIFY_SOCKET` names
//! (sd_notify(3)). Whoever else started the process sets no such variable, and then nothing is told. The variables stay
//! set: the successor of an upgrade speaks over the same socket.

use std::env;
use std::ffi::OsStr;
use std::io;
#[cfg(target_os = "linux")]
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

const VARIABLE: &str = "NOTIFY_SOCKET";
/// How long a message may wait until systemd has read others. It is seldom sent and its loss costs more than the wait:
/// without a READY the start fails.
const PATIENCE: Duration = Duration::from_secs(5);

/// Who started the process and wants to know how it is.
///
/// A message that can't be sent is logged at debug and otherwise of no consequence.
#[derive(Debug)]
pub struct Supervisor {
    /// Where it listens; nothing is sent without.
    address: Option<SocketAddr>,
    /// How long it waits for a word that the process works.
    watchdog: Option<Duration>,
    /// Whether it was told that another process is the service.
    handed_over: AtomicBool,
}

impl Supervisor {
    /// The one that `$NOTIFY_SOCKET` names. Read once: threads that change the environment don't concern it. A process that
    /// `succeeds` another one is not the one that was started, but the one that is listened to.
    pub fn from_environment(succeeds: bool) -> Self {
        let mut supervisor = Self::at(env::var_os(VARIABLE).as_deref());
        let pid = env::var("WATCHDOG_PID").ok();
        let meant = succeeds || pid.is_none_or(|pid| pid == std::process::id().to_string());
        if supervisor.address.is_some() && meant {
            let written = env::var("WATCHDOG_USEC").unwrap_or_default();
            supervisor.watchdog = interval(&written);
        }
        supervisor
    }

    /// The one that listens at a path, or at an abstract name after `@`.
    fn at(name: Option<&OsStr>) -> Self {
        let address = name.filter(|name| !name.is_empty()).and_then(|name| {
            address(name)
                .inspect_err(|error| log::debug!("{VARIABLE}={}: {error}", name.display()))
                .ok()
        });
        Self {
            address,
            watchdog: None,
            handed_over: AtomicBool::new(false),
        }
    }

    /// How long it waits for [`Supervisor::works`] before it restarts the service; `None` if it does not.
    pub fn watchdog(&self) -> Option<Duration> {
        self.watchdog
    }

    /// Whether what this process says counts: it was not said that another one is the service.
    pub fn hears_this_process(&self) -> bool {
        !self.handed_over.load(Ordering::Relaxed)
    }

    /// Working: to be said often within [`Supervisor::watchdog`].
    pub fn works(&self) {
        // The next one is soon.
        self.send("WATCHDOG=1", None);
    }

    /// Serving, after the start and after every reload, also one that was rejected. `status` is what `systemctl status`
    /// shows.
    pub fn ready(&self, status: &str) {
        // A line is a message of its own.
        let status = status.replace(['\n', '\r'], " ");
        self.send(&format!("READY=1\nSTATUS={status}"), Some(PATIENCE));
    }

    /// Reloading; [`Supervisor::ready`] must follow. With `Type=notify-reload`, systemd waits for both.
    pub fn reloading(&self) {
        // The time tells this reload from one that began before systemd asked.
        let message = format!(
            "RELOADING=1\nMONOTONIC_USEC={}\nSTATUS=reloading",
            monotonic()
        );
        self.send(&message, Some(PATIENCE));
    }

    /// Stopping: the service, not only this process. A process that has handed over to its successor does not say it.
    pub fn stopping(&self) {
        let more = more_time("open connections may end");
        self.send(&format!("STOPPING=1\n{more}"), Some(PATIENCE));
    }

    /// Still stopping. To be said every [`STOPPING_EVERY`]: `TimeoutStopSec=` then does not cut the grace short, and still
    /// ends a process that hangs.
    pub fn still_stopping(&self, connections: usize) {
        let message = more_time(&format!("{connections} connections may end"));
        self.send(&message, None);
    }

    /// Another process is the service from now on. Said by the one that was until now: with `NotifyAccess=main`, its
    /// word is the only one that counts, and that of its successor from then on.
    pub fn main_process(&self, pid: u32) {
        self.handed_over.store(true, Ordering::Relaxed);
        self.send(&format!("MAINPID={pid}"), Some(PATIENCE));
    }

    /// Sends a message, and waits so long at most until there is room for it.
    fn send(&self, message: &str, patience: Option<Duration>) {
        let Some(address) = &self.address else {
            return;
        };
        // A socket for each message: systemd's own may have been opened anew since the last one.
        let sent = UnixDatagram::unbound().and_then(|socket| {
            match patience {
                Some(patience) => socket.set_write_timeout(Some(patience))?,
                None => socket.set_nonblocking(true)?,
            }
            socket.send_to_addr(message.as_bytes(), address)
        });
        if let Err(error) = sent {
            log::debug!("the supervisor could not be told {message:?}: {error}");
        }
    }
}

fn address(name: &OsStr) -> io::Result<SocketAddr> {
    match name.as_bytes() {
        #[cfg(target_os = "linux")]
        [b'@', name @ ..] => SocketAddr::from_abstract_name(name),
        [b'/', ..] => SocketAddr::from_pathname(name),
        // systemd also writes `vsock:` and a number, for virtual machines.
        _ => Err(io::ErrorKind::Unsupported.into()),
    }
}

/// How often a process that stops says that it still does.
pub const STOPPING_EVERY: Duration = Duration::from_secs(5);

/// Until when it has to have said it again.
const STOPPING_FOR: Duration = Duration::from_secs(20);

fn more_time(status: &str) -> String {
    let time = STOPPING_FOR.as_micros();
    format!("EXTEND_TIMEOUT_USEC={time}\nSTATUS=stopping: {status}")
}

/// What `$WATCHDOG_USEC` says; `None` if that is no time.
fn interval(written: &str) -> Option<Duration> {
    let microseconds = written.parse().ok().filter(|number| *number > 0)?;
    Some(Duration::from_micros(microseconds))
}

/// The time since the system's start, in microseconds. The standard library's clock is the same but does not tell it.
fn monotonic() -> i128 {
    let now = clock_gettime(ClockId::Monotonic);
    i128::from(now.tv_sec) * 1_000_000 + i128::from(now.tv_nsec) / 1000
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A supervisor that listens, and what the process knows of it.
    struct Heard {
        socket: UnixDatagram,
        supervisor: Supervisor,
        _folder: tempfile::TempDir,
    }

    impl Heard {
        fn new() -> Self {
            let folder = tempfile::tempdir().expect("a folder");
            let path = folder.path().join("notify");
            let socket = UnixDatagram::bind(&path).expect("a socket");
            Self {
                socket,
                supervisor: Supervisor::at(Some(path.as_os_str())),
                _folder: folder,
            }
        }

        fn next(&self) -> String {
            next(&self.socket)
        }
    }

    fn next(socket: &UnixDatagram) -> String {
        let mut bytes = [0; 1024];
        // A message that was not sent is a failure, not a wait.
        socket
            .set_read_timeout(Some(Duration::from_secs(5)))
            .expect("a timeout");
        let length = socket.recv(&mut bytes).expect("a message");
        String::from_utf8(bytes[..length].to_vec()).expect("text")
    }

    #[test]
    fn it_is_told_that_the_process_serves_stops_or_is_another_one() {
        let heard = Heard::new();
        heard.supervisor.ready("2 listeners, 3 routes");
        assert_eq!(heard.next(), "READY=1\nSTATUS=2 listeners, 3 routes");
        heard.supervisor.stopping();
        assert!(heard.next().starts_with("STOPPING=1\nEXTEND_TIMEOUT_USEC="));
        heard.supervisor.still_stopping(12);
        let message = "EXTEND_TIMEOUT_USEC=20000000\nSTATUS=stopping: 12 connections may end";
        assert_eq!(heard.next(), message);
        heard.supervisor.works();
        assert_eq!(heard.next(), "WATCHDOG=1");
        assert!(heard.supervisor.hears_this_process());
        heard.supervisor.main_process(4321);
        assert_eq!(heard.next(), "MAINPID=4321");
        assert!(!heard.supervisor.hears_this_process());
    }

    #[test]
    fn a_watchdog_that_waits_for_no_time_is_none() {
        assert_eq!(interval("30000000"), Some(Duration::from_secs(30)));
        for written in ["", "0", "-1", "soon", "99999999999999999999999"] {
            assert_eq!(interval(written), None, "{written}");
        }
        assert!(interval(&u64::MAX.to_string()).is_some());
    }

    #[test]
    fn one_that_reads_nothing_holds_no_watchdog_up() {
        let heard = Heard::new();
        let began = std::time::Instant::now();
        // More than the kernel lets wait.
        for _ in 0..10_000 {
            heard.supervisor.works();
        }
        assert!(began.elapsed() < PATIENCE);
    }

    #[test]
    fn a_reload_has_the_time_at_which_it_began() {
        let heard = Heard::new();
        let before = monotonic();
        heard.supervisor.reloading();
        let message = heard.next();
        let lines: Vec<&str> = message.lines().collect();
        assert_eq!(lines[0], "RELOADING=1");
        let time = lines[1].strip_prefix("MONOTONIC_USEC=").expect("a time");
        let time: i128 = time.parse().expect("a number");
        assert!((before..=monotonic()).contains(&time), "{time}");
    }

    #[test]
    fn a_status_of_several_lines_does_not_say_anything_else() {
        let heard = Heard::new();
        heard.supervisor.ready("a\nSTOPPING=1\r\nb");
        assert_eq!(heard.next(), "READY=1\nSTATUS=a STOPPING=1  b");
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_name_after_an_at_sign_is_abstract() {
        let name = format!("portcullis-test-{}", std::process::id());
        let address = SocketAddr::from_abstract_name(&name).expect("an address");
        let socket = UnixDatagram::bind_addr(&address).expect("a socket");
        Supervisor::at(Some(OsStr::new(&format!("@{name}")))).ready("x");
        assert_eq!(next(&socket), "READY=1\nSTATUS=x");
    }

    #[test]
    fn without_a_name_or_with_one_of_another_kind_nothing_is_told() {
        for name in [
            None,
            Some(""),
            Some("relative"),
            Some("vsock:2:1234"),
            Some(&"/long".repeat(40)),
        ] {
            let supervisor = Supervisor::at(name.map(OsStr::new));
            assert!(supervisor.address.is_none(), "{name:?}");
            supervisor.stopping();
        }
    }

    #[test]
    fn one_that_does_not_listen_any_more_is_no_harm() {
        let heard = Heard::new();
        let Heard {
            socket, supervisor, ..
        } = heard;
        drop(socket);
        supervisor.ready("nobody hears it");
    }
}
