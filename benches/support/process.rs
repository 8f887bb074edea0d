//! How does a bench start the built binary, and where does that listen?

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// The built binary, with a listener `http` and an admin listener. Dropping it kills it.
pub struct Process {
    pub child: Child,
    pub http: SocketAddr,
    pub admin: SocketAddr,
}

impl Process {
    /// Starts it in this directory with this configuration, and waits until it is ready.
    pub async fn start(directory: &Path, config: &Path) -> Self {
        let log = directory.join("log");
        let child = Command::new(env!("CARGO_BIN_EXE_portcullis"))
            .args(["run", "-c"])
            .arg(config)
            .env("RUNTIME_DIRECTORY", directory.join("run"))
            .stdout(Stdio::null())
            .stderr(fs::File::create(&log).expect("a file"))
            .spawn()
            .expect("the binary");
        let started = Instant::now();
        let said = loop {
            let said = fs::read_to_string(&log).expect("a file");
            if said.contains(": ready") {
                break said;
            }
            let waited = started.elapsed();
            assert!(waited < Duration::from_secs(30), "not ready:\n{said}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        };
        let address = |name: &str| {
            let mut lines = said.lines();
            let line = lines.find_map(|line| line.split_once(&format!("{name} is listening on ")));
            line.expect("it says where").1.parse().expect("an address")
        };
        Self {
            http: address("http"),
            admin: address("admin"),
            child,
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It has ended by itself if this fails.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
