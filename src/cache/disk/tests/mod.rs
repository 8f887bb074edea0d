//! Does what is written to the disk come back as it was, from objects of any size and in any order of events?

mod crowding;
mod damage;
mod failing;
mod following;
mod freshening;
mod reading;
mod restart;
mod sweeping;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::PathBuf;
use std::pin::pin;
use std::sync::Barrier;
use std::sync::atomic::AtomicUsize;
use std::task::Poll;
use std::time::{Instant, SystemTime};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use tempfile::TempDir;

use super::*;
use crate::cache::Chunks;
use crate::cache::purge::{Seq, url_hash};
use crate::cache::rules::{Terms, Validators};
use crate::telemetry::Metrics;

const SIZE: u64 = 1 << 30;

fn open(path: &Path, size: u64) -> Arc<Disk> {
    let metrics = Metrics::new().expect("metrics").disk;
    Disk::open(path, size, metrics).expect("a disk")
}

fn fresh() -> (TempDir, Arc<Disk>) {
    let dir = TempDir::new().expect("a directory");
    let disk = open(dir.path(), SIZE);
    (dir, disk)
}

/// Waits for a fact that comes by itself.
fn eventually(what: &str, mut is: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !is() {
        assert!(begun.elapsed() < Duration::from_secs(20), "{what}");
        thread::sleep(Duration::from_millis(2));
    }
}

fn head(url: &str) -> Head {
    let mut fields = HeaderMap::new();
    for (name, value) in [
        ("content-type", "text/plain"),
        ("x-a", "1"),
        ("x-a", "2"),
        ("etag", "\"one\""),
    ] {
        fields.append(
            HeaderName::from_static(name),
            HeaderValue::from_static(value),
        );
    }
    Head {
        status: StatusCode::OK,
        terms: Terms {
            initial_age: Duration::from_millis(1500),
            while_revalidate: Duration::from_secs(1),
            if_error: Duration::from_secs(2),
            strict: true,
            immutable: true,
            ..Terms::for_test(SystemTime::now())
        },
        validators: Validators::of(&fields),
        fields,
        marks: Marks {
            since: Seq(7),
            url: url.into(),
            tags: Box::new([1, 2]),
        },
    }
}

fn body(length: usize, seed: u64) -> Bytes {
    let mut random = fastrand::Rng::with_seed(seed);
    let mut bytes = vec![0; length];
    random.fill(&mut bytes);
    bytes.into()
}

fn object(url: &str, body: &Bytes) -> Arc<Object> {
    Arc::new(Object {
        key: url.as_bytes().into(),
        head: head(url),
        body: Body::Memory(Chunks::new(vec![body.clone()])),
    })
}

fn put(disk: &Disk, key: u128, body: &Bytes) {
    disk.put(key, Stored::Object(object(&format!("/{key}"), body)));
    eventually("it is written", || disk.tier.books().index.contains(key));
}

/// Puts it into a file that this process may not have written.
fn plant(disk: &Disk, key: u128, bytes: &[u8]) {
    let path = disk.tier.place.file(key);
    fs::create_dir_all(path.parent().expect("a parent")).expect("a directory");
    fs::write(path, bytes).expect("a file");
    let mut books = disk.tier.books();
    books.index.insert(key, 4096, None, index::Age::Newest);
}

fn file(disk: &Disk, key: u128) -> PathBuf {
    disk.tier.place.file(key)
}

/// Writes a large object.
async fn stream(disk: &Disk, key: u128, url: &str, body: &Bytes) -> Option<DiskBody> {
    let mut writing = disk.begin(key, &head(url), url.as_bytes(), None)?;
    for piece in body.chunks(50_000) {
        writing.write(Bytes::copy_from_slice(piece)).await;
    }
    writing.finish().await
}

/// Every object file, by its key, with what it takes.
fn files(dir: &Path) -> BTreeMap<u128, u64> {
    let mut files = BTreeMap::new();
    for directory in fs::read_dir(dir).expect("readable") {
        let directory = directory.expect("an entry").path();
        if !directory.is_dir() || directory.ends_with("new") {
            continue;
        }
        for file in fs::read_dir(directory).expect("readable") {
            let file = file.expect("an entry");
            let name = file.file_name().into_string().expect("a name");
            let key = u128::from_str_radix(&name, 16).expect("a key");
            let about = file.metadata().expect("there");
            files.insert(
                key,
                (about.blocks() * 512).max(about.len().next_multiple_of(512)),
            );
        }
    }
    files
}

/// Waits until nothing is being read, written or removed.
fn settle(disk: &Disk) {
    for (line, threads) in [(&disk.tier.writers, WRITERS), (&disk.tier.readers, READERS)] {
        // When all threads have met, they have done whatever they had before.
        let barrier = Arc::new(Barrier::new(threads + 1));
        for _ in 0..threads {
            let barrier = barrier.clone();
            line.push_always(move || {
                barrier.wait();
            });
        }
        barrier.wait();
    }
}

/// The books say what there is.
fn assert_books_are_right(disk: &Disk) {
    let files = files(disk.path());
    let mut books = BTreeMap::new();
    let (mut place, tier) = (Some(0), &disk.tier);
    while let Some(from) = place {
        place = tier.books().index.walk(from, 100, |key, _| {
            books.insert(key, ());
        });
    }
    assert_eq!(
        files.keys().collect::<Vec<_>>(),
        books.keys().collect::<Vec<_>>()
    );
    assert_eq!(files.values().sum::<u64>(), disk.used());
    assert_eq!(tier.books().reserved, 0);
}

fn whole(chunks: &Chunks) -> Bytes {
    chunks.pieces().concat().into()
}

async fn got(disk: &Disk, key: u128) -> Option<Object> {
    match disk.get(key).await? {
        Found::Object(object) => Some(*object),
        Found::Varies(_) => panic!("not an object"),
    }
}

async fn read_all(body: &Body) -> std::io::Result<Bytes> {
    let body = match body {
        Body::Memory(chunks) => return Ok(whole(chunks)),
        Body::Disk(body) => body,
        Body::Parts(_) => panic!("it is whole"),
    };
    let mut out = Vec::new();
    while (out.len() as u64) < body.len() {
        let bytes = body.read(out.len() as u64, 1 << 20).await?;
        assert!(!bytes.is_empty());
        out.extend_from_slice(&bytes);
    }
    Ok(out.into())
}

fn assert_same_head(one: &Head, other: &Head) {
    assert_eq!(one.status, other.status);
    assert_eq!(one.fields, other.fields);
    assert_eq!(one.terms, other.terms);
    assert_eq!(one.validators, other.validators);
    assert_eq!(one.marks.since, other.marks.since);
    assert_eq!(one.marks.url, other.marks.url);
    assert_eq!(one.marks.tags, other.marks.tags);
}

/// Keeps the threads of a line busy until what comes back is dropped.
fn busy(line: &Line, threads: usize) -> Vec<std::sync::mpsc::Sender<()>> {
    (0..threads)
        .map(|_| {
            let (let_go, wait) = std::sync::mpsc::channel();
            let (told, begun) = std::sync::mpsc::channel();
            line.push_always(move || {
                let _ = told.send(());
                let _ = wait.recv();
            });
            begun.recv_timeout(Duration::from_secs(20)).expect("begins");
            let_go
        })
        .collect()
}
