//! How does a test replace the process, and follow the one that was?

use std::path::{Path, PathBuf};
use std::process::ExitStatus;

use super::process::{Process, all_in, signal};
use super::{Portcullis, Said, call, said_ready, spawn};
use crate::support::{eventually, eventually_some};

/// A process that another one has followed.
#[must_use]
pub struct Former(Process);

impl Former {
    /// Its number.
    pub fn pid(&self) -> u32 {
        self.0.id()
    }

    /// Sends it a signal, such as `TERM`.
    pub fn signal(&self, name: &str) {
        signal(self.pid(), name);
    }

    /// How it ended, if it has. Panics for one that ended before the process that started it: that one was told.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.0.ended()
    }

    /// Whether it has ended, where who started it may live on.
    pub fn is_gone(&mut self) -> bool {
        self.0.is_gone()
    }

    /// Waits until [`Former::is_gone`].
    pub async fn gone(&mut self) {
        eventually("the former process is gone", async || self.is_gone()).await;
    }

    /// Waits for its end; see [`Former::ended`].
    pub async fn end(&mut self) -> ExitStatus {
        eventually_some("the former process ends", async || self.ended()).await
    }
}

impl Drop for Former {
    fn drop(&mut self) {
        self.0.kill();
    }
}

impl Portcullis {
    /// Runs `portcullis upgrade` with these words; panics unless another process serves then. From here on everything is
    /// about that one.
    pub async fn upgrade(&mut self, words: &[&str]) -> Former {
        let before = said_ready(&self.stderr());
        let pid = self.replaced(words).await;
        self.succeed(pid, before).await
    }

    /// Upgrades, and runs another command as soon as the one that upgrades has ended.
    pub async fn upgrade_and(&mut self, next: &[&str]) -> (Former, Said) {
        let before = said_ready(&self.stderr());
        let pid = self.replaced(&[]).await;
        let said = self.run(next).await;
        (self.succeed(pid, before).await, said)
    }

    /// Runs the command, and gives the number of the new process.
    async fn replaced(&self, words: &[&str]) -> u32 {
        let said = self.run(&[&["upgrade"], words].concat()).await;
        assert_eq!(said.code, 0, "not upgraded: {said:?}\n{}", self.stderr());
        let pid = said
            .text
            .strip_prefix("upgraded: process ")
            .and_then(|rest| rest.trim().strip_suffix(" serves")?.parse().ok());
        pid.unwrap_or_else(|| panic!("no number: {said:?}"))
    }

    /// As [`Portcullis::upgrade`], by SIGUSR2.
    pub async fn upgrade_by_signal(&mut self) -> Former {
        const WHO: &str = "upgrade by SIGUSR2";
        let before = said_ready(&self.stderr());
        let done = self.stderr().matches(WHO).count();
        self.signal("USR2");
        let outcome = eventually_some("an upgrade's outcome", async || {
            let said = self.stderr();
            let mut lines = said.lines().filter_map(|line| line.split_once(WHO));
            lines.nth(done + 1).map(|(_, outcome)| outcome.to_owned())
        })
        .await;
        let pid = outcome
            .strip_prefix(": process ")
            .and_then(|rest| rest.strip_suffix(" serves")?.parse().ok());
        let pid = pid.unwrap_or_else(|| panic!("not upgraded{outcome}"));
        self.succeed(pid, before).await
    }

    async fn succeed(&mut self, pid: u32, before: usize) -> Former {
        let former = std::mem::replace(&mut self.process, Process::heir(pid));
        self.becomes_ready(before).await;
        Former(former)
    }

    /// Runs `portcullis upgrade` with these words where it should fail, and gives why; panics unless the old process goes
    /// on alone, and nothing of the attempt is left.
    pub async fn not_upgraded(&mut self, words: &[&str]) -> String {
        let said = self.run(&[&["upgrade"], words].concat()).await;
        assert_eq!(said.code, 1, "{said:?}\n{}", self.stderr());
        let reason = said
            .text
            .trim_end()
            .strip_prefix("not upgraded, the old process serves on: ");
        let reason = reason.unwrap_or_else(|| panic!("no reason: {said:?}"));
        self.is_alone().await;
        reason.to_owned()
    }

    /// Panics unless it runs and nothing of an upgrade is left: no other process, no socket.
    pub async fn is_alone(&mut self) {
        assert_eq!(self.ended(), None, "{}", self.stderr());
        let (directory, pid) = (self.directory().to_owned(), self.pid());
        eventually("it is the only process", async || {
            all_in(&directory) == [pid]
        })
        .await;
        assert!(!self.hand_over_socket().exists());
    }

    /// Every process that came from the one the test has started, that one included, and still runs.
    pub fn processes(&self) -> Vec<u32> {
        all_in(self.directory())
    }

    /// Writes another configuration beside the one it runs with, with the same additions; `@dir@` stands for the
    /// directory.
    pub fn configure_as(&self, name: &str, yaml: &str) {
        call::configure_as(name, yaml, self.directory());
    }

    /// The directory of its sockets, if the configuration says nothing about it or `@dir@/sockets`.
    pub fn sockets(&self) -> PathBuf {
        let said = self.directory().join("sockets");
        if said.exists() {
            return said;
        }
        let run = self.directory().join("run");
        let mut all = std::fs::read_dir(run).expect("a directory");
        let one = all.next().expect("a directory of sockets");
        one.expect("a directory").path()
    }

    /// Where it waits for a new process.
    pub fn hand_over_socket(&self) -> PathBuf {
        self.sockets().join("upgrade.sock")
    }

    /// Starts it anew, after it has ended.
    pub async fn start_again(&mut self) {
        let before = said_ready(&self.stderr());
        let command = call::command(&["run"], self.directory(), &self.environment);
        self.process = spawn(command, &self.said);
        self.becomes_ready(before).await;
    }

    /// Writes a program into its directory, for it to start. The first line says what runs it.
    pub fn program(&self, name: &str, text: &str) -> PathBuf {
        use std::os::unix::fs::PermissionsExt;
        let path: &Path = &self.directory().join(name);
        std::fs::write(path, text).expect("a file");
        std::fs::set_permissions(path, PermissionsExt::from_mode(0o700)).expect("its mode");
        path.to_owned()
    }
}
