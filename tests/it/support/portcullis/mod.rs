//! How does a test run the built binary, watch it and end it?

mod call;
mod process;
mod thread;
mod upgrade;

use std::collections::{BTreeMap, HashMap};
use std::ffi::OsString;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::{Command, ExitStatus, Output, Stdio};
use std::sync::{Arc, Mutex};

use serde_json::Value;
use tempfile::TempDir;

use super::{Carrier, PATIENCE, Raw, eventually, eventually_some};
use call::{ACCESS_LOG, addresses};
pub(super) use process::signal;
use process::{Process, end_all_in};

pub use call::Said;
pub use thread::Thread;
pub use upgrade::Former;

/// A Portcullis to be started. Its working directory is a temporary one, in which the configuration and its files lie;
/// `@dir@` in the configuration stands for that directory. What the configuration does not say itself about `admin`,
/// `access_log` and `runtime` is added: an admin port of the kernel's choice, JSON lines into a file.
pub struct Builder {
    yaml: String,
    directory: TempDir,
    environment: Vec<(OsString, OsString)>,
    /// What a shell is told before it becomes the process.
    limits: String,
    /// The socket that is passed to it.
    passed: Option<OwnedFd>,
}

impl Builder {
    /// Forces a carrier; the configuration must not have a `runtime` section.
    #[must_use]
    pub fn carrier(mut self, carrier: Carrier) -> Self {
        self.yaml
            .push_str(&format!("\nruntime: {{carrier: {carrier}}}\n"));
        self
    }

    /// Writes a file that the configuration names.
    #[must_use]
    pub fn file(self, name: &str, contents: impl AsRef<[u8]>) -> Self {
        std::fs::write(self.directory.path().join(name), contents).expect("a file");
        self
    }

    /// Writes `NAME.crt` and `NAME.key`.
    #[must_use]
    pub fn identity(self, name: &str, identity: &super::Identity) -> Self {
        self.file(&format!("{name}.crt"), &identity.certificate)
            .file(&format!("{name}.key"), &identity.key)
    }

    /// Sets a variable of the process's environment.
    #[must_use]
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.into(), value.into()));
        self
    }

    /// Lets the process have so many descriptors and no more.
    #[must_use]
    pub fn descriptors(mut self, most: u64) -> Self {
        self.limits.push_str(&format!("ulimit -n {most}; "));
        self
    }

    /// Lets no file that the process writes get larger than so many KiB: it is told then that a file is too large.
    #[must_use]
    pub fn file_size(mut self, kibibytes: u64) -> Self {
        // In blocks of 512 bytes (POSIX). The signal would end it.
        let blocks = 2 * kibibytes;
        self.limits
            .push_str(&format!("trap '' XFSZ; ulimit -f {blocks}; "));
        self
    }

    /// Passes it a listening socket, as systemd does (sd_listen_fds(3)).
    #[must_use]
    pub fn passes(mut self, socket: impl Into<OwnedFd>) -> Self {
        self.passed = Some(socket.into());
        self.limits.push_str(
            "exec 3<&0 </dev/null; export LISTEN_PID=$$ LISTEN_FDS=1 LISTEN_FDNAMES=web; ",
        );
        self
    }

    /// Lets another program start it, such as `systemd-socket-activate -l 80`.
    #[must_use]
    pub fn under(mut self, program: &str) -> Self {
        self.limits
            .push_str(&format!("exec {program} \"$0\" \"$@\"; "));
        self
    }

    /// The working directory.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// Starts it and waits until it is ready; panics with what it said when it ends instead.
    pub async fn start(self) -> Portcullis {
        let said = Arc::new(Mutex::new(Vec::new()));
        let mut portcullis = Portcullis {
            process: spawn(self.command(&["run"]), &said),
            said,
            directory: self.directory,
            environment: self.environment,
            addresses: Mutex::default(),
        };
        portcullis.becomes_ready(0).await;
        portcullis
    }

    /// Runs it where it should refuse to start with this exit code, and gives what it says.
    pub fn refused(&self, code: i32) -> String {
        let mut child = self.command(&["run"]).spawn().expect("the binary");
        let started = std::time::Instant::now();
        while child.try_wait().expect("a child").is_none() {
            if started.elapsed() > PATIENCE {
                child.kill().expect("a child");
                break;
            }
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
        let output = child.wait_with_output().expect("a child");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(code), "not refused:\n{said}");
        said
    }

    /// Runs a command such as `&["check", "--strict"]` on the configuration, to its end.
    pub fn output(&self, command: &[&str]) -> Output {
        self.command(command).output().expect("the binary")
    }

    fn command(&self, words: &[&str]) -> Command {
        let directory = self.directory.path();
        call::configure(&self.yaml, directory);
        let command = call::command(words, directory, &self.environment);
        let mut command = match self.limits.as_str() {
            "" => command,
            limits => call::with_limits(&command, limits),
        };
        if let Some(socket) = &self.passed {
            command.stdin(socket.try_clone().expect("a descriptor"));
        }
        command
    }
}

/// How often somebody has said that it is ready.
fn said_ready(said: &str) -> usize {
    let lines = said.lines();
    lines.filter(|line| line.ends_with(": ready")).count()
}

/// Starts it; what it, and whoever it starts in turn, says on standard error is heard.
fn spawn(mut command: Command, said: &Arc<Mutex<Vec<String>>>) -> Process {
    let started = command.stdout(Stdio::null()).spawn();
    let mut child = started.expect("the binary");
    let stderr = child.stderr.take().expect("piped");
    let heard = Arc::clone(said);
    std::thread::spawn(move || {
        for line in BufReader::new(stderr).lines().map_while(Result::ok) {
            heard.lock().expect("no panic inside").push(line);
        }
    });
    Process::child(child)
}

/// A running Portcullis. Dropping it kills it, and every process that has come from it.
pub struct Portcullis {
    process: Process,
    said: Arc<Mutex<Vec<String>>>,
    directory: TempDir,
    environment: Vec<(OsString, OsString)>,
    addresses: Mutex<HashMap<String, String>>,
}

impl Portcullis {
    /// One with this configuration, to be changed.
    pub fn builder(yaml: &str) -> Builder {
        let directory = tempfile::tempdir().expect("a directory");
        Builder {
            yaml: yaml.to_owned(),
            directory,
            environment: Vec::new(),
            limits: String::new(),
            passed: None,
        }
    }

    /// Starts one with this configuration.
    pub async fn start(yaml: &str) -> Self {
        Self::builder(yaml).start().await
    }

    /// Waits until it has said once more than this often that it is ready; panics when it ends instead.
    async fn becomes_ready(&mut self, before: usize) {
        eventually("Portcullis is ready", async || {
            let ended = self.process.ended();
            let said = self.stderr();
            assert!(ended.is_none(), "ended with {ended:?}:\n{said}");
            said_ready(&said) > before
        })
        .await;
        self.note(&self.stderr());
    }

    /// Where a TCP listener is, by what was said at the start and as the answer to a [`Portcullis::reload`].
    pub fn listener(&self, name: &str) -> SocketAddr {
        let address = self.addresses().get(name).cloned();
        let address = address.unwrap_or_else(|| panic!("no listener {name}:\n{}", self.stderr()));
        address.parse().expect("a TCP address")
    }

    fn addresses(&self) -> std::sync::MutexGuard<'_, HashMap<String, String>> {
        self.addresses.lock().expect("no panic inside")
    }

    fn note(&self, said: &str) {
        self.addresses().extend(addresses(said));
    }

    /// Where the admin listener is.
    pub fn admin(&self) -> SocketAddr {
        self.listener("admin")
    }

    /// The directory it runs in.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// Puts another configuration in the place of the one it runs with, in one step and with the same additions as at the
    /// start. Nothing happens by that, unless it watches its files.
    pub fn configure(&self, yaml: &str) {
        call::configure(yaml, self.directory());
    }

    /// Puts a file in the place of one that the configuration names, in one step.
    pub fn replace(&self, name: &str, contents: impl AsRef<[u8]>) {
        call::replace(&self.directory().join(name), contents);
    }

    /// Runs a command such as `&["reload"]` on its configuration, to the command's end.
    pub async fn run(&self, words: &[&str]) -> Said {
        let command = call::command(words, self.directory(), &self.environment);
        // The origins of the test go on meanwhile: they live in its runtime.
        let output = tokio::process::Command::from(command).output();
        let output = super::in_time("a command's end", output).await;
        output.expect("the binary").into()
    }

    /// Runs `portcullis reload` with another configuration.
    pub async fn reload(&self, yaml: &str) -> Said {
        self.configure(yaml);
        let said = self.run(&["reload"]).await;
        self.note(&said.text);
        said
    }

    /// As [`Portcullis::reload`]; panics unless it is applied.
    pub async fn apply(&self, yaml: &str) -> Said {
        let said = self.reload(yaml).await;
        let applied = said.code == 0 && said.text.contains("applied: generation ");
        assert!(applied, "not applied: {said:?}");
        said
    }

    /// As [`Portcullis::reload`]; panics unless it is rejected.
    pub async fn rejected(&self, yaml: &str) -> Said {
        let said = self.reload(yaml).await;
        let rejected = said.code == 1 && said.text.contains("rejected: generation ");
        assert!(rejected, "not rejected: {said:?}");
        said
    }

    /// What it said on standard error so far.
    pub fn stderr(&self) -> String {
        self.said.lock().expect("no panic inside").join("\n")
    }

    /// Waits until it has said this on standard error.
    pub async fn says(&self, text: &str) {
        eventually(&format!("it says {text:?}"), async || {
            self.stderr().contains(text)
        })
        .await;
    }

    /// The lines of its access log so far.
    pub fn access_log(&self) -> Vec<Value> {
        let text =
            std::fs::read_to_string(self.directory.path().join(ACCESS_LOG)).unwrap_or_default();
        // The last line may be half written.
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        whole
            .lines()
            .map(|line| serde_json::from_str(line).expect("a line of JSON"))
            .collect()
    }

    /// Waits for a line in the access log.
    pub async fn logged(&self, wanted: impl Fn(&Value) -> bool) -> Value {
        let what = format!(
            "a line in the access log of {}",
            self.directory.path().display()
        );
        eventually_some(&what, async || {
            self.access_log().into_iter().find(|line| wanted(line))
        })
        .await
    }

    /// The value of a series as `/metrics` writes it, such as `portcullis_requests_total{listener="http",…}`, or the
    /// sum of all series that begin so. 0 while there is none.
    pub async fn metric(&self, series: &str) -> f64 {
        let metrics = Raw::connect(self.admin()).await.get("/metrics").await;
        assert_eq!(metrics.status, 200);
        let text = metrics.text();
        let lines = text.lines().filter(|line| line.starts_with(series));
        lines
            .filter_map(|line| line.rsplit_once(' ')?.1.parse::<f64>().ok())
            .sum()
    }

    /// Its process number.
    pub fn pid(&self) -> u32 {
        self.process.id()
    }

    /// Its threads whose names begin so.
    pub fn threads(&self, name: &str) -> Vec<Thread> {
        Thread::all(self.pid())
            .into_iter()
            .filter(|thread| thread.name.starts_with(name))
            .collect()
    }

    /// How many bytes of memory it holds now.
    pub fn rss(&self) -> u64 {
        let status =
            std::fs::read_to_string(format!("/proc/{}/status", self.pid())).expect("a process");
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:"))
            .expect("its size");
        let kib = line
            .trim()
            .trim_end_matches(" kB")
            .parse::<u64>()
            .expect("a number");
        kib * 1024
    }

    /// Its open descriptors: what they lead to, and how many of each there are. Sockets and pipes count as one kind.
    pub fn descriptors(&self) -> BTreeMap<String, usize> {
        let mut found = BTreeMap::new();
        let all = std::fs::read_dir(format!("/proc/{}/fd", self.pid())).expect("a process");
        for one in all {
            // Closed since it was listed.
            let Ok(leads_to) = std::fs::read_link(one.expect("a descriptor").path()) else {
                continue;
            };
            let leads_to = leads_to.to_string_lossy().into_owned();
            let kind = leads_to.split(":[").next().expect("a first part");
            *found.entry(kind.to_owned()).or_default() += 1;
        }
        found
    }

    /// Waits until it has as many descriptors of each kind as it once had.
    pub async fn has_descriptors(&self, wanted: &BTreeMap<String, usize>) {
        let started = std::time::Instant::now();
        while self.descriptors() != *wanted {
            let is = self.descriptors();
            assert!(
                started.elapsed() < PATIENCE,
                "{wanted:?} before, {is:?} now"
            );
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    }

    /// Sends it a signal, such as `TERM`.
    pub fn signal(&self, name: &str) {
        signal(self.pid(), name);
    }

    /// How it ended, if it has.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.process.ended()
    }

    /// Waits for its end.
    pub async fn end(&mut self) -> ExitStatus {
        eventually_some("Portcullis ends", async || self.ended()).await
    }

    /// Asks it to stop (SIGTERM), and waits until it has.
    pub async fn stop(&mut self) -> ExitStatus {
        self.signal("TERM");
        self.end().await
    }
}

impl Drop for Portcullis {
    fn drop(&mut self) {
        self.process.kill();
        end_all_in(self.directory());
        if std::thread::panicking() {
            eprintln!("Portcullis said:\n{}", self.stderr());
        }
    }
}
