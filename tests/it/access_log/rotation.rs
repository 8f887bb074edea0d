//! Does logrotate lose or double a line while requests come?

use std::collections::HashMap;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use super::*;

/// Whether there is a logrotate; says so where there is none.
fn is_installed() -> bool {
    let found = Command::new("logrotate").arg("--version").output().is_ok();
    if !found {
        skipped("there is no logrotate (Debian: apt-get install logrotate)");
    }
    found
}

/// Has logrotate rotate the log now, with these directives beside the usual ones.
fn rotate(directory: &Path, directives: &str) {
    let log = directory.join("access.log");
    let settings = directory.join("logrotate.conf");
    let text = format!(
        "{:?} {{\n    rotate 50\n    nocompress\n{directives}\n}}\n",
        log
    );
    std::fs::write(&settings, text).expect("a file");
    // It takes no settings that others could have written.
    let mode = std::fs::Permissions::from_mode(0o600);
    std::fs::set_permissions(&settings, mode).expect("own file");
    let output = Command::new("logrotate")
        .args(["--force", "--state"])
        .args([directory.join("logrotate.state"), settings])
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        .output()
        .expect("logrotate");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
}

/// The log and what it was before, by name.
fn files(directory: &Path) -> HashMap<String, String> {
    let entries = std::fs::read_dir(directory).expect("a directory");
    let names = entries.map(|entry| entry.expect("an entry").file_name());
    let names = names.map(|name| name.into_string().expect("UTF-8"));
    names
        .filter(|name| name.starts_with("access.log"))
        .map(|name| {
            let text = std::fs::read_to_string(directory.join(&name)).expect("UTF-8");
            (name, text)
        })
        .collect()
}

/// Clients that ask for one target after the other, from a number on, each once.
struct Askers {
    stop: Arc<AtomicBool>,
    asked: Arc<AtomicUsize>,
    tasks: tokio::task::JoinSet<()>,
}

impl Askers {
    async fn start(portcullis: &Portcullis, from: usize) -> Self {
        let (stop, asked) = (
            Arc::<AtomicBool>::default(),
            Arc::new(AtomicUsize::new(from)),
        );
        let mut tasks = tokio::task::JoinSet::new();
        for _ in 0..4 {
            let mut client = http1(portcullis.listener("http")).await;
            let (stop, asked) = (Arc::clone(&stop), Arc::clone(&asked));
            tasks.spawn(async move {
                while !stop.load(Ordering::Relaxed) {
                    let number = asked.fetch_add(1, Ordering::Relaxed);
                    let answer = client.get(&format!("/asked/{number}")).await;
                    assert_eq!(answer.status, 200);
                }
            });
        }
        Self { stop, asked, tasks }
    }

    /// Waits until so many more were asked for.
    async fn go_on(&self, more: usize) {
        let before = self.asked.load(Ordering::Relaxed);
        eventually("more requests", async || {
            self.asked.load(Ordering::Relaxed) >= before + more
        })
        .await;
    }

    /// How many they have asked for.
    async fn stop(mut self) -> usize {
        self.stop.store(true, Ordering::Relaxed);
        while let Some(ended) = self.tasks.join_next().await {
            ended.expect("every request was answered");
        }
        self.asked.load(Ordering::Relaxed)
    }
}

/// Sees that each target asked for stands in exactly one whole line.
async fn has_each_once(directory: &Path, asked: usize) {
    let all = || files(directory).into_values().collect::<String>();
    eventually("every line is written", async || {
        all().matches('\n').count() >= asked
    })
    .await;
    let mut seen = vec![0; asked];
    for line in all().lines() {
        let line: serde_json::Value =
            serde_json::from_str(line).unwrap_or_else(|_| panic!("torn: {line}"));
        let target = line["target"].as_str().expect("a target");
        let number = target.trim_start_matches("/asked/");
        seen[number.parse::<usize>().expect("a number")] += 1;
    }
    let wrong: Vec<_> = (0..asked).filter(|number| seen[*number] != 1).collect();
    assert!(wrong.is_empty(), "of {asked} not once: {wrong:?}");
}

#[tokio::test]
async fn logrotate_that_renames_and_signals_loses_and_doubles_no_line_under_load() {
    if !is_installed() {
        return;
    }
    let origin = origin().await;
    let portcullis = Portcullis::start(&logging(&origin, "")).await;
    let log = portcullis.directory().join("access.log");
    let askers = Askers::start(&portcullis, 0).await;
    // It makes the new file itself, or leaves that to us: both are usual.
    for make in ["create 0640", "nocreate"] {
        for _ in 0..4 {
            askers.go_on(100).await;
            let signal = format!(
                "    {make}\n    postrotate\n        kill -USR1 {}\n    endscript",
                portcullis.pid()
            );
            rotate(portcullis.directory(), &signal);
            eventually("the new file is written to", async || {
                std::fs::metadata(&log).is_ok_and(|file| file.len() > 0)
            })
            .await;
        }
    }
    let asked = askers.stop().await;
    has_each_once(portcullis.directory(), asked).await;
    let files = files(portcullis.directory());
    assert_eq!(files.len(), 9, "{:?}", files.keys());
    assert!(files.values().all(|text| !text.is_empty()));
    let mode = std::fs::metadata(&log)
        .expect("a file")
        .permissions()
        .mode();
    assert_eq!(mode & 0o777 & !0o640, 0, "{mode:o}");
}

#[tokio::test]
async fn logrotate_that_copies_and_truncates_leaves_no_hole() {
    if !is_installed() {
        return;
    }
    let origin = origin().await;
    let portcullis = Portcullis::start(&logging(&origin, "")).await;
    let mut asked = 0;
    for _ in 0..3 {
        let askers = Askers::start(&portcullis, asked).await;
        askers.go_on(50).await;
        asked = askers.stop().await;
        // Whatever is written between the copy and the cut is lost by the nature of this way, so nothing is now.
        let written = "portcullis_access_log_lines_total{result=\"written\"}";
        eventually("every line is written", async || {
            portcullis.metric(written).await as usize >= asked
        })
        .await;
        rotate(portcullis.directory(), "    copytruncate");
    }
    let mut client = http1(portcullis.listener("http")).await;
    client.get(&format!("/asked/{asked}")).await;
    has_each_once(portcullis.directory(), asked + 1).await;
    let files = files(portcullis.directory());
    assert_eq!(files["access.log"].lines().count(), 1, "{files:?}");
    assert!(files["access.log"].starts_with('{'), "no hole at its start");
}
