//! Does every line come whole, and does nobody wait for one?

use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use super::*;
use crate::telemetry::Metrics;
use crate::telemetry::record::tests::full;

const PATIENCE: Duration = Duration::from_secs(10);

fn metrics() -> AccessLogMetrics {
    Metrics::new().expect("metrics").access_log
}

fn settings(destination: Destination) -> Settings {
    Settings {
        destination,
        format: Format::Json(Layout::default()),
        sample: Sample::ALL,
        mask: Mask::default(),
        queue_bytes: Settings::QUEUE_BYTES,
    }
}

fn open(path: &Path, metrics: &AccessLogMetrics) -> AccessLog {
    let settings = settings(Destination::File(path.to_owned()));
    AccessLog::open(&settings, metrics.clone()).expect("the log opens")
}

fn write(log: &AccessLog, record: &Record<'_>) {
    log.write(record, sample::MILLION);
}

/// Takes nothing until its sender is dropped.
struct Blocked(mpsc::Receiver<()>);

impl Write for Blocked {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let _ = self.0.recv();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn wait_for(condition: impl Fn() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < PATIENCE, "it did not come in time");
        thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn lines_of_many_threads_are_whole_and_complete() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("access.log");
    let metrics = metrics();
    let log = open(&path, &metrics);
    thread::scope(|scope| {
        for thread in 0..4u32 {
            let log = &log;
            scope.spawn(move || {
                for request in 0..1_000u64 {
                    write(
                        log,
                        &Record {
                            attempts: thread,
                            bytes_sent: request,
                            ..full()
                        },
                    );
                }
            });
        }
    });
    assert!(log.flush(PATIENCE));

    let text = fs::read_to_string(&path).expect("the log");
    let mut next = [0; 4];
    for line in text.lines() {
        let value: serde_json::Value = serde_json::from_str(line).expect("a whole line");
        let thread = value["attempts"].as_u64().expect("a number") as usize;
        assert_eq!(
            value["bytes_sent"], next[thread],
            "a thread's lines keep their order"
        );
        next[thread] += 1;
    }
    assert_eq!(next, [1_000; 4]);
    assert_eq!(metrics.dropped.get(), 0);
    assert_eq!(metrics.written.get(), 4_000);
}

#[test]
fn a_file_is_created_for_owner_and_group_only_and_appended_to() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("access.log");
    for lines in 1..=2 {
        let log = open(&path, &metrics());
        write(&log, &full());
        assert!(log.flush(PATIENCE));
        let text = fs::read_to_string(&path).expect("the log");
        assert_eq!(text.lines().count(), lines);
    }
    let mode = fs::metadata(&path).expect("the log").permissions().mode();
    assert_eq!(mode & 0o777 & !0o640, 0);
}

#[test]
fn a_single_line_shows_soon_without_a_flush() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("access.log");
    let log = open(&path, &metrics());
    for lines in 1..=3 {
        write(&log, &full());
        wait_for(|| fs::read_to_string(&path).is_ok_and(|text| text.lines().count() == lines));
    }
}

#[test]
fn a_blocked_destination_drops_and_counts_lines_and_blocks_nobody() {
    let metrics = metrics();
    let (unblock, blocked) = mpsc::channel();
    let settings = Settings {
        queue_bytes: 64 * 1024,
        ..settings(Destination::Stdout)
    };
    let sink = Sink::new(Destination::Stdout, Box::new(Blocked(blocked)));
    let log = AccessLog::start(sink, &settings, metrics.clone()).expect("the log starts");

    let start = Instant::now();
    for _ in 0..10_000 {
        write(&log, &full());
    }
    assert!(!log.flush(Duration::from_millis(50)));
    assert!(start.elapsed() < PATIENCE);
    let dropped = metrics.dropped.get();
    assert!(dropped > 9_000, "{dropped} lines were dropped");
    assert_eq!(metrics.written.get(), 0);

    drop(unblock);
    assert!(log.flush(PATIENCE));
    assert_eq!(metrics.written.get() + dropped, 10_000);
    write(&log, &full());
    assert!(log.flush(PATIENCE), "the thread is still there");
}

#[test]
fn a_fifo_that_is_full_is_waited_for_without_an_error() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("fifo");
    let made = Command::new("mkfifo").arg(&path).status();
    assert!(made.expect("mkfifo runs").success());
    let metrics = metrics();
    let destination = settings(Destination::File(path.clone()));
    assert!(
        AccessLog::open(&destination, metrics.clone()).is_err(),
        "nobody reads it"
    );

    let reader = thread::spawn(move || fs::File::open(path));
    let log = loop {
        if let Ok(log) = AccessLog::open(&destination, metrics.clone()) {
            break log;
        }
        thread::yield_now();
    };
    let mut reader = reader.join().expect("a reader").expect("a FIFO");
    for _ in 0..1_000 {
        write(&log, &full());
    }
    assert!(!log.flush(Duration::from_millis(50)));
    drop(log);
    let mut text = String::new();
    reader.read_to_string(&mut text).expect("whole lines");
    assert_eq!(text.lines().count(), 1_000, "a dropped log drains itself");
    assert_eq!(metrics.dropped.get(), 0);
}

#[test]
fn a_full_disk_is_counted_and_fails_nobody() {
    let metrics = metrics();
    let log = open(Path::new("/dev/full"), &metrics);
    for failures in 1..=3 {
        write(&log, &full());
        assert!(log.flush(PATIENCE));
        assert_eq!(metrics.write_errors.get(), failures);
    }
    assert_eq!(metrics.dropped.get(), 3);
    assert_eq!(metrics.written.get(), 0);
}

#[test]
fn a_file_that_was_moved_away_is_opened_anew() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("access.log");
    let moved = directory.path().join("access.log.1");
    let log = open(&path, &metrics());
    write(&log, &full());
    assert!(log.flush(PATIENCE));
    fs::rename(&path, &moved).expect("a rename");
    log.queue.ask_to_reopen();
    wait_for(|| path.exists());
    write(&log, &full());
    assert!(log.flush(PATIENCE));
    for file in [path, moved] {
        assert_eq!(fs::read_to_string(file).expect("a log").lines().count(), 1);
    }
}

#[test]
fn a_reopen_that_fails_keeps_the_open_file() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("access.log");
    let moved = directory.path().join("access.log.1");
    let log = open(&path, &metrics());
    fs::rename(&path, &moved).expect("a rename");
    fs::create_dir(&path).expect("a directory can't be opened for writing");
    log.queue.ask_to_reopen();
    write(&log, &full());
    assert!(log.flush(PATIENCE));
    assert_eq!(fs::read_to_string(moved).expect("a log").lines().count(), 1);
}

#[test]
fn a_file_that_cannot_be_opened_is_an_error_of_open() {
    let settings = settings(Destination::File("/nonexistent/access.log".into()));
    assert!(AccessLog::open(&settings, metrics()).is_err());
}

#[test]
fn a_log_that_was_closed_is_known_until_its_last_line_is_written() {
    let directory = tempfile::tempdir().expect("a directory");
    let (old, new) = (directory.path().join("old"), directory.path().join("new"));
    let logs = OpenLogs::default();
    assert!(!logs.reopen(), "there is none");
    let metrics = metrics();
    let former = open(&old, &metrics);
    logs.add(&former);
    let present = open(&new, &metrics);
    logs.add(&present);
    write(&former, &full());
    write(&present, &full());
    drop(former);
    assert!(logs.flush(PATIENCE));
    for path in [&old, &new] {
        let text = fs::read_to_string(path).expect("a file");
        assert_eq!(text.lines().count(), 1, "{}", path.display());
    }
    wait_for(|| logs.open().len() == 1);
    drop(present);
    wait_for(|| !logs.reopen());
}
