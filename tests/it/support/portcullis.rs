//! How does a test run the built binary, watch it and end it?

use std::collections::HashMap;
use std::ffi::OsString;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::{Arc, Mutex};

use serde_json::Value;
use tempfile::TempDir;

use super::{Carrier, PATIENCE, Raw, eventually, eventually_some};

const CONFIG: &str = "portcullis.yaml";
const ACCESS_LOG: &str = "access.log";

/// A Portcullis to be started. Its working directory is a temporary one, in which the configuration and its files lie;
/// `@dir@` in the configuration stands for that directory. What the configuration does not say itself about `admin`,
/// `access_log` and `runtime` is added: an admin port of the kernel's choice, JSON lines into a file.
pub struct Builder {
    yaml: String,
    directory: TempDir,
    environment: Vec<(OsString, OsString)>,
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

    /// The working directory.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// Starts it and waits until it is ready; panics with what it said when it ends instead.
    pub async fn start(self) -> Portcullis {
        let mut child = self
            .command(&["run"])
            .stdout(Stdio::null())
            .spawn()
            .expect("the binary");
        let said = Arc::new(Mutex::new(Vec::new()));
        let stderr = child.stderr.take().expect("piped");
        let heard = Arc::clone(&said);
        std::thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                heard.lock().expect("no panic inside").push(line);
            }
        });
        let mut portcullis = Portcullis {
            child,
            said,
            directory: self.directory,
            addresses: HashMap::new(),
        };
        eventually("Portcullis is ready", async || {
            let ended = portcullis.child.try_wait().expect("a child");
            assert!(
                ended.is_none(),
                "ended with {ended:?}:\n{}",
                portcullis.stderr()
            );
            portcullis
                .stderr()
                .lines()
                .any(|line| line.ends_with(": ready"))
        })
        .await;
        portcullis.addresses = addresses(&portcullis.stderr());
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
        let mut yaml = self
            .yaml
            .replace("@dir@", &self.directory.path().display().to_string());
        if !says(&yaml, "admin") {
            yaml.push_str("\nadmin: {address: \"127.0.0.1:0\"}\n");
        }
        if !says(&yaml, "access_log") {
            yaml.push_str(&format!(
                "\naccess_log: {{format: json, path: {ACCESS_LOG}}}\n"
            ));
        }
        std::fs::write(self.directory.path().join(CONFIG), yaml).expect("a file");
        let mut command = Command::new(env!("CARGO_BIN_EXE_portcullis"));
        command
            .args(words)
            .args(["-c", CONFIG])
            .current_dir(self.directory.path())
            .env_remove("RUST_LOG")
            .env_remove("NOTIFY_SOCKET")
            .env("RUNTIME_DIRECTORY", self.directory.path().join("run"))
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }
}

/// Whether the configuration has this section.
fn says(yaml: &str, section: &str) -> bool {
    yaml.lines().any(|line| {
        line.strip_prefix(section)
            .is_some_and(|rest| rest.starts_with(':'))
    })
}

/// What the process says about where it listens, by the listener's name; the admin listener is called `admin`.
fn addresses(said: &str) -> HashMap<String, String> {
    let places = said.lines().filter_map(|line| {
        let (before, address) = line.split_once(" is listening on ")?;
        let name = before.rsplit_once(' ').map_or(before, |(_, name)| name);
        Some((name.to_owned(), address.to_owned()))
    });
    places.collect()
}

/// A running Portcullis. Dropping it kills it.
pub struct Portcullis {
    child: Child,
    said: Arc<Mutex<Vec<String>>>,
    directory: TempDir,
    addresses: HashMap<String, String>,
}

impl Portcullis {
    /// One with this configuration, to be changed.
    pub fn builder(yaml: &str) -> Builder {
        let directory = tempfile::tempdir().expect("a directory");
        Builder {
            yaml: yaml.to_owned(),
            directory,
            environment: Vec::new(),
        }
    }

    /// Starts one with this configuration.
    pub async fn start(yaml: &str) -> Self {
        Self::builder(yaml).start().await
    }

    /// Where a TCP listener is.
    pub fn listener(&self, name: &str) -> SocketAddr {
        let address = self.addresses.get(name);
        let address = address.unwrap_or_else(|| panic!("no listener {name}:\n{}", self.stderr()));
        address.parse().expect("a TCP address")
    }

    /// Where the admin listener is.
    pub fn admin(&self) -> SocketAddr {
        self.listener("admin")
    }

    /// The directory it runs in.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// What it said on standard error so far.
    pub fn stderr(&self) -> String {
        self.said.lock().expect("no panic inside").join("\n")
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
        self.child.id()
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

    /// Sends it a signal, such as `TERM`.
    pub fn signal(&self, name: &str) {
        let sent = Command::new("kill")
            .arg(format!("-{name}"))
            .arg(self.pid().to_string())
            .status();
        assert!(sent.expect("kill").success());
    }

    /// How it ended, if it has.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("a child")
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
        // One that has ended already is no concern here.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("Portcullis said:\n{}", self.stderr());
        }
    }
}
