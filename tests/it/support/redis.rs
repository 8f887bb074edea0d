//! How does a test have a Redis of its own?

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::portcullis::signal;
use super::{eventually, free_port, in_time, skipped};

/// A redis-server that keeps nothing on disk. Dropping it kills it.
pub struct Redis {
    process: Option<Child>,
    directory: TempDir,
    settings: Vec<String>,
    port: u16,
}

impl Redis {
    /// One with these settings in its command line, such as `&["--requirepass", "a"]`; `None`, and a message, where there
    /// is no redis-server.
    pub async fn start(settings: &[&str]) -> Option<Self> {
        let installed = Command::new("redis-server").arg("--version").output();
        if installed.is_err() {
            skipped("there is no redis-server (Debian: apt-get install redis-server)");
            return None;
        }
        let mut redis = Self {
            process: None,
            directory: tempfile::tempdir().expect("a directory"),
            settings: settings.iter().map(|word| (*word).to_owned()).collect(),
            port: free_port(),
        };
        redis.resume().await;
        Some(redis)
    }

    /// Where it is.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Starts it where it was, with nothing in it.
    pub async fn resume(&mut self) {
        let log = self.directory.path().join("log");
        let log = std::fs::File::create(log).expect("a file");
        let mut command = Command::new("redis-server");
        command
            .args(["--port", &self.port.to_string(), "--bind", "127.0.0.1"])
            .args(["--save", "", "--appendonly", "no", "--daemonize", "no"])
            .args(&self.settings)
            .current_dir(self.directory.path())
            .stdin(Stdio::null())
            .stdout(log)
            .stderr(Stdio::null());
        self.process = Some(command.spawn().expect("redis-server"));
        eventually("Redis answers", async || {
            // With a password it is an error, and an answer as well.
            let answer = timeout(Duration::from_secs(1), self.says("PING")).await;
            answer.is_ok_and(|said| said.starts_with("+PONG") || said.starts_with("-NOAUTH"))
        })
        .await;
    }

    /// Kills it.
    pub fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill().expect("a child");
            process.wait().expect("a child");
        }
    }

    /// Stops its clock: it holds its connections and says nothing.
    pub fn freeze(&self) {
        self.signal("STOP");
    }

    /// Lets it go on.
    pub fn thaw(&self) {
        self.signal("CONT");
    }

    fn signal(&self, name: &str) {
        let process = self.process.as_ref().expect("it runs");
        signal(process.id(), name);
    }

    /// What it answers to a command; as far as it comes in one piece.
    pub async fn ask(&self, command: &str) -> String {
        in_time("an answer of Redis", self.says(command)).await
    }

    async fn says(&self, command: &str) -> String {
        let Ok(mut stream) = TcpStream::connect(("127.0.0.1", self.port)).await else {
            return String::new();
        };
        let question = format!("{command}\r\nQUIT\r\n");
        let mut said = Vec::new();
        if stream.write_all(question.as_bytes()).await.is_ok() {
            let _ = stream.read_to_end(&mut said).await;
        }
        String::from_utf8_lossy(&said).into_owned()
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        self.kill();
    }
}
