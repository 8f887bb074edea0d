//! Where is a page run, so that its ports and paths can be the written ones and nothing of the machine's is touched?

use std::collections::HashMap;
use std::net::SocketAddr;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::Path;
use std::process::{Command as Blocking, Stdio};
use std::time::Duration;

use origin::{Origin, TlsSettings};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::runtime::Runtime;

use crate::support::{Authority, Identity, skipped};

/// Whom the scripts are run as. Where it may make files root writes and reads none: any other process of nobody's could
/// have put a link there.
const NOBODY: u32 = 65534;

/// How long a block of a page may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// What the certificate is for, with which pages and endpoints are served.
const NAMES: [&str; 8] = [
    "localhost",
    "127.0.0.1",
    "example.com",
    "*.example.com",
    "example.net",
    "*.example.net",
    "app.internal",
    "*.internal",
];

/// Namespaces in which scripts run, and the endpoints that are there. Dropping it ends everything in them.
pub struct Stage {
    shell: Child,
    orders: ChildStdin,
    answers: Lines<BufReader<ChildStdout>>,
    directory: TempDir,
    identity: Identity,
    authority: Authority,
    near: Network,
    far: Network,
    scripts: usize,
    hosts: String,
}

/// A network of the stage.
struct Network {
    runtime: Option<Runtime>,
    /// Where they are, and whether they speak TLS.
    origins: HashMap<SocketAddr, (bool, Origin)>,
}

/// What a script said, and how it ended.
pub struct Said {
    pub code: i32,
    pub text: String,
}

impl Stage {
    /// One of its own; `None`, and a message, where there can be none.
    pub async fn open() -> Option<Self> {
        let able = Blocking::new("unshare")
            .args(["--mount", "setpriv", "--reuid", "65534", "--clear-groups"])
            .args([
                "unshare",
                "--map-root-user",
                "--net",
                "--mount",
                "--pid",
                "--fork",
            ])
            .args(["--mount-proc", "ip", "link", "add", "type", "veth"])
            .stderr(Stdio::null())
            .status();
        if !able.is_ok_and(|status| status.success()) {
            skipped(
                "no namespaces for the manual's commands (as root, with user namespaces allowed; \
                 Debian: apt-get install util-linux iproute2)",
            );
            return None;
        }
        Some(Self::set_up().await)
    }

    async fn set_up() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let stage = directory.path();
        for name in ["tools", "scripts", "etc", "tmp", "work"] {
            std::fs::create_dir(stage.join(name)).expect("a directory");
        }
        let authority = Authority::new();
        let identity = authority.issue(&NAMES);
        for (name, text) in [
            ("stage.sh", include_str!("stage.sh")),
            ("tools/portcullis", include_str!("portcullis.sh")),
            ("ca.pem", authority.pem()),
            ("portcullis", ""),
            ("hosts", "127.0.0.1 localhost\n"),
            ("said", ""),
            ("stdout", ""),
        ] {
            std::fs::write(stage.join(name), text).expect("a file");
        }
        let executable = std::fs::Permissions::from_mode(0o755);
        for name in ["", "tools/portcullis"] {
            std::fs::set_permissions(stage.join(name), executable.clone()).expect("ours");
        }
        for name in ["tmp", "work", "said", "stdout"] {
            chown(stage.join(name), Some(NOBODY), Some(NOBODY)).expect("as root");
        }
        let mut shell = Command::new("unshare")
            .args(["--mount", "bash"])
            .arg(stage.join("stage.sh"))
            .arg(stage)
            .arg(env!("CARGO_BIN_EXE_portcullis"))
            .env_remove("RUST_LOG")
            .env_remove("NOTIFY_SOCKET")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("unshare");
        // The first it says is where it is: when all is set up.
        let orders = shell.stdin.take().expect("piped");
        let mut answers = BufReader::new(shell.stdout.take().expect("piped")).lines();
        let first = tokio::time::timeout(PATIENCE, answers.next_line()).await;
        let first = first.expect("in time").expect("a pipe").expect("a stage");
        let (here, there) = first.split_once(' ').expect("two networks");
        Self {
            near: Network::of(here),
            far: Network::of(there),
            shell,
            orders,
            answers,
            directory,
            identity,
            authority,
            scripts: 0,
            hosts: "127.0.0.1 localhost\n".to_owned(),
        }
    }

    /// Runs a script to its end.
    pub async fn run(&mut self, script: &str) -> Said {
        self.scripts += 1;
        let path = self.directory.path().join("scripts");
        let path = path.join(format!("{}.sh", self.scripts));
        std::fs::write(&path, script).expect("a file");
        let output = path.with_extension("sh.said");
        std::fs::write(&output, "").expect("a file");
        chown(&output, Some(NOBODY), Some(NOBODY)).expect("as root");
        let order = format!("{}\n", path.display());
        self.orders
            .write_all(order.as_bytes())
            .await
            .expect("a stage");
        let code = tokio::time::timeout(PATIENCE, self.answers.next_line()).await;
        let text = std::fs::read(output).expect("a file");
        let text = String::from_utf8_lossy(&text).into_owned();
        let code = code.unwrap_or_else(|_| panic!("no end of:\n{script}\nIt said:\n{text}"));
        let code = code.expect("a pipe").expect("a stage");
        Said {
            code: code.parse().expect("a number"),
            text,
        }
    }

    /// The same where it must succeed.
    pub async fn must(&mut self, script: &str) -> String {
        let said = self.run(script).await;
        assert_eq!(said.code, 0, "{script}\n{}", said.text);
        said.text
    }

    /// Writes a file; a path that is not absolute is one in the working directory.
    pub async fn write(&mut self, path: &str, text: &str) {
        let given = self.directory.path().join("given");
        std::fs::write(&given, text).expect("a file");
        let given = given.display();
        self.must(&format!("install -m 644 -D '{given}' '{path}'"))
            .await;
    }

    /// Makes names known.
    pub fn name(&mut self, name: &str, address: &str) {
        let line = format!("{address} {name}\n");
        if !self.hosts.contains(&line) {
            self.hosts.push_str(&line);
            std::fs::write(self.directory.path().join("hosts"), &self.hosts).expect("a file");
        }
    }

    /// Puts an endpoint there, in the place of another one.
    pub async fn endpoint(&mut self, name: &str, address: SocketAddr, tls: bool) {
        let identity = tls.then(|| TlsSettings {
            cert_pem: self.identity.certificate.clone(),
            key_pem: self.identity.key.clone(),
            client_ca_pem: None,
        });
        let network = if address.ip().is_loopback() {
            &mut self.near
        } else {
            &mut self.far
        };
        network.endpoint(name, address, identity).await;
    }

    /// Writes certificate, key and authority where a configuration or a page of another program wants them.
    pub async fn pem(&mut self, path: &str) {
        let name = Path::new(path).file_name().expect("a name");
        let name = name.to_string_lossy();
        let text = if name.contains("key") {
            self.identity.key.clone()
        } else if name.contains("ca.") {
            self.authority.pem().to_owned()
        } else if name.contains("chain") || name.contains("cert") || name.contains("crt") {
            self.identity.certificate.clone()
        } else {
            format!("{}{}", self.identity.certificate, self.identity.key)
        };
        self.write(path, &text).await;
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        // With it ends the first process inside, and with that all others.
        let _ = self.shell.start_kill();
        for network in [&mut self.near, &mut self.far] {
            network.origins.clear();
            if let Some(runtime) = network.runtime.take() {
                runtime.shutdown_background();
            }
        }
    }
}

impl Network {
    /// The one with this name, as the kernel writes it. Its threads live there, and nowhere else of the stage.
    fn of(name: &str) -> Self {
        let processes = std::fs::read_dir("/proc").expect("processes").flatten();
        let mut places = processes.map(|process| process.path().join("ns/net"));
        let place = places.find(|place| {
            std::fs::read_link(place).is_ok_and(|is| is.as_os_str().to_str() == Some(name))
        });
        let place = std::fs::File::open(place.expect("a process in it")).expect("as root");
        let runtime = std::thread::spawn(move || {
            use std::os::fd::AsFd as _;
            move_into_link_name_space(place.as_fd(), Some(LinkNameSpaceType::Network))
                .expect("as root");
            tokio::runtime::Builder::new_multi_thread()
                .worker_threads(1)
                .enable_all()
                .build()
                .expect("a runtime")
        });
        Self {
            runtime: Some(runtime.join().expect("a thread")),
            origins: HashMap::new(),
        }
    }

    async fn endpoint(&mut self, name: &str, address: SocketAddr, tls: Option<TlsSettings>) {
        let speaks = tls.is_some();
        if let Some((spoke, former)) = self.origins.remove(&address) {
            if spoke == speaks && former.name() == name {
                self.origins.insert(address, (spoke, former));
                return;
            }
            former.stop().await;
        }
        let mut builder = Origin::builder().name(name).listen(address.to_string());
        if let Some(identity) = tls {
            builder = builder.tls(identity);
        }
        let runtime = self.runtime.as_ref().expect("a runtime");
        let started = runtime.spawn(builder.start()).await.expect("no panic");
        let started = started.unwrap_or_else(|error| panic!("{address}: {error}"));
        self.origins.insert(address, (speaks, started));
    }
}
