//! Does what is written to the disk come back as it was, from objects of any size and in any order of events?

mod damage;
mod following;
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
use proptest::prelude::*;
use tempfile::TempDir;

use super::*;
use crate::cache::purge::{Seq, url_hash};
use crate::cache::rules::{Terms, Validators};
use crate::cache::{Chunks, Varies};
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
            received: SystemTime::now(),
            initial_age: Duration::from_millis(1500),
            lifetime: Duration::from_secs(60),
            while_revalidate: Duration::from_secs(1),
            if_error: Duration::from_secs(2),
            strict: true,
            validate: false,
            immutable: true,
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

#[tokio::test]
async fn a_small_object_comes_back_as_it_was() {
    let (_dir, disk) = fresh();
    for (key, length) in [(1, 0), (2, 1), (3, 70_000), (4, 256 * 1024)] {
        let body = body(length, key as u64);
        put(&disk, key, &body);
        let found = got(&disk, key).await.expect("there");
        assert_eq!(&found.key[..], format!("/{key}").as_bytes());
        let Body::Memory(chunks) = &found.body else {
            panic!("{length} bytes are small");
        };
        assert_eq!(whole(chunks), body);
        let wrote = head(&format!("/{key}"));
        let received = found.head.terms.received;
        let terms = Terms {
            received,
            ..wrote.terms
        };
        assert_same_head(&found.head, &Head { terms, ..wrote });
    }
    assert!(got(&disk, 5).await.is_none());
}

#[tokio::test]
async fn a_large_object_is_written_and_read_piece_by_piece() {
    let (_dir, disk) = fresh();
    for (key, length, said) in [
        (1, 3_000_001, None),
        (2, 3_000_001, Some(3_000_001)),
        (3, 1000, Some(1000)),
        (4, 0, None),
        (5, 4 * 65_532, None),
    ] {
        let body = body(length, 9);
        let mut writing = disk
            .begin(key, &head("/x"), b"/x", said)
            .expect("may be written");
        for piece in body.chunks(10_007) {
            assert!(writing.write(Bytes::copy_from_slice(piece)).await);
        }
        let written = writing.finish().await.expect("written");
        assert_eq!(written.len(), length as u64);
        assert!(read_all(&Body::Disk(written)).await.expect("reads") == body);
        let found = got(&disk, key).await.expect("there");
        assert_eq!(
            matches!(found.body, Body::Memory(_)),
            said == Some(1000),
            "{length}"
        );
        assert!(read_all(&found.body).await.expect("reads") == body);
    }
}

#[tokio::test]
async fn what_responses_vary_by_comes_back_as_it_was() {
    let (_dir, disk) = fresh();
    let varies = Varies {
        key: b"/a"[..].into(),
        names: Box::new([HeaderName::from_static("accept")]),
        generation: 77,
        marks: head("/a").marks,
    };
    disk.put(1, Stored::Varies(Arc::new(varies)));
    eventually("it is written", || disk.len() == 1);
    let Some(Found::Varies(varies)) = disk.get(1).await else {
        panic!("not what was put");
    };
    assert_eq!((&varies.key[..], varies.generation), (&b"/a"[..], 77));
    assert_eq!(varies.names[..], ["accept"]);
    assert_eq!(varies.marks, head("/a").marks);
}

#[tokio::test]
async fn any_part_of_a_large_object_can_be_read() {
    let (_dir, disk) = fresh();
    let body = body(700_000, 1);
    let written = stream(&disk, 1, "/1", &body).await.expect("written");
    for (offset, at_most) in [
        (0, 1),
        (65_531, 2),
        (65_532, 65_532),
        (1, 65_532 * 4),
        (699_999, 100),
        (300_000, usize::MAX),
    ] {
        let part = written.read(offset, at_most).await.expect("reads");
        let begin = usize::try_from(offset).expect("small");
        assert!(!part.is_empty() && part.len() <= at_most);
        assert!(
            part == body[begin..begin + part.len()],
            "{offset} {at_most}"
        );
    }
    for offset in [700_000, 700_001, u64::MAX] {
        assert!(written.read(offset, 10).await.expect("reads").is_empty());
    }
}

#[tokio::test]
async fn an_object_that_was_removed_can_be_read_to_its_end() {
    let (_dir, disk) = fresh();
    let body = body(700_000, 1);
    let written = stream(&disk, 1, "/1", &body).await.expect("written");
    disk.remove(1);
    settle(&disk);
    assert!(!file(&disk, 1).exists() && disk.get(1).await.is_none());
    assert!(read_all(&Body::Disk(written)).await.expect("reads") == body);
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

#[tokio::test]
async fn a_full_line_is_a_miss_and_nothing_is_written() {
    let (_dir, disk) = fresh();
    eventually("it was read", || disk.is_complete());
    put(&disk, 1, &body(10, 1));
    put(&disk, 2, &body(10, 1));
    let (readers, writers) = (&disk.tier.readers, &disk.tier.writers);
    let busy = (busy(readers, READERS), busy(writers, WRITERS));
    let mut waiting = Vec::new();
    for _ in 0..MOST_READS {
        let mut get = Box::pin(disk.get(1));
        assert!(futures_util::poll!(&mut get).is_pending());
        waiting.push(get);
    }
    assert!(disk.get(1).await.is_none(), "at once");
    assert_eq!(disk.tier.metrics.reads(DiskRead::Full), 1);

    let large = object("/large", &body(1 << 20, 1));
    let fit = (MOST_WRITE_BYTES >> 20) - 1;
    for key in 0..fit as u128 + 5 {
        disk.put(10 + key, Stored::Object(large.clone()));
    }
    disk.put(2, Stored::Object(large.clone()));
    assert!(!disk.might_have(2), "what was there is older");
    let full = disk.tier.metrics.writes(DiskWrite::Full);
    assert!((4..=6).contains(&full), "{full}");
    drop(busy);
    for get in waiting {
        assert!(get.await.is_some());
    }
    eventually("they are written", || {
        disk.len() as u64 == 1 + fit as u64 + 6 - full
    });
    settle(&disk);
    assert_books_are_right(&disk);
}

#[tokio::test]
async fn what_was_removed_while_it_was_written_is_not_there_afterwards() {
    let (_dir, disk) = fresh();
    let busy = busy(&disk.tier.writers, WRITERS);
    disk.put(1, Stored::Object(object("/1", &body(10, 1))));
    disk.remove(1);
    disk.put(2, Stored::Object(object("/old", &body(10, 1))));
    disk.put(2, Stored::Object(object("/new", &body(10, 1))));
    let mut writing = disk
        .begin(3, &head("/3"), b"/3", None)
        .expect("may be written");
    disk.remove(3);
    drop(busy);
    writing.write(body(10, 3)).await;
    assert!(writing.finish().await.is_none());
    settle(&disk);
    assert!(disk.get(1).await.is_none() && disk.get(3).await.is_none());
    let found = got(&disk, 2).await.expect("there");
    assert_eq!(&found.key[..], b"/new");
    assert_eq!(disk.tier.metrics.writes(DiskWrite::Left), 3);
    assert_eq!(files(disk.path()).len(), 1);
    assert!(disk.tier.books().has_no_writes());
}

#[tokio::test]
async fn a_directory_is_read_while_objects_come_and_go() {
    let (dir, disk) = fresh();
    for key in 0..600 {
        put(&disk, key << 110 | key, &body(100, 1));
    }
    for _ in 0..3 {
        // As another process would find it: the index is forgotten, and the directory is read again meanwhile.
        disk.tier.hand_over();
        disk.tier.orders.end_rest();
        eventually("it has it again", || disk.is_holding());
        for key in 0..600 {
            match key % 4 {
                0 => disk.put(
                    key << 110 | key,
                    Stored::Object(object("/new", &body(9000, 1))),
                ),
                1 => disk.remove(key << 110 | key),
                2 => disk.put(
                    10_000 + key,
                    Stored::Object(object("/other", &body(100, 1))),
                ),
                _ => {
                    disk.get(key << 110 | key).await;
                }
            }
        }
        eventually("it was read", || disk.is_complete());
        settle(&disk);
        eventually("all is written", || disk.tier.books().has_no_writes());
        assert_books_are_right(&disk);
    }
    assert!(files(dir.path()).len() >= 450);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]
    #[test]
    fn never_more_is_taken_than_may_be(
        sizes in prop::collection::vec(prop_oneof![3 => 0..20_000_usize, 1 => 0..300_000_usize], 1..60),
        limit in 200_000..1_000_000_u64,
        less in 100_000..200_000_u64,
    ) {
        let dir = TempDir::new().expect("a directory");
        let disk = open(dir.path(), limit);
        eventually("it was read", || disk.is_complete());
        let taken = || files(dir.path()).values().sum::<u64>();
        for (key, size) in (0..).zip(&sizes) {
            disk.put(key, Stored::Object(object("/", &body(*size, 1))));
            if key % 8 == 0 {
                settle(&disk);
                prop_assert!(disk.used() <= limit && taken() <= limit);
            }
        }
        settle(&disk);
        eventually("all is written", || disk.tier.books().has_no_writes());
        prop_assert!(disk.used() <= limit && taken() <= limit);
        assert_books_are_right(&disk);
        disk.resize(less);
        settle(&disk);
        prop_assert!(taken() <= less);
        assert_books_are_right(&disk);
    }
}

#[tokio::test]
async fn a_large_object_is_freshened_without_its_body() {
    let (_dir, disk) = fresh();
    let all = body(1_000_000, 1);
    stream(&disk, 1, "/1", &all).await.expect("written");
    let freshened = |object: Object, value: &str| {
        let Object {
            key,
            mut head,
            body,
        } = object;
        let value = HeaderValue::from_str(value).expect("a value");
        head.fields.insert("x-new", value);
        head.marks.tags = Box::new([9]);
        Arc::new(Object { key, head, body })
    };
    for value in ["one", "another", "a third"] {
        let found = got(&disk, 1).await.expect("there");
        disk.freshened(1, &freshened(found, value));
        settle(&disk);
        let found = got(&disk, 1).await.expect("there");
        assert_eq!(found.head.fields["x-new"], value);
        assert_eq!(found.head.marks.tags[..], [9]);
        assert!(read_all(&found.body).await.expect("reads") == all);
    }
    // Of another object under the same key, nothing is touched.
    let before = got(&disk, 1).await.expect("there");
    stream(&disk, 1, "/other", &body(400_000, 2))
        .await
        .expect("written");
    disk.freshened(1, &freshened(before, "late"));
    settle(&disk);
    let found = got(&disk, 1).await.expect("there");
    assert_eq!(
        (&found.key[..], found.body.len()),
        (&b"/other"[..], 400_000)
    );
    assert!(!found.head.fields.contains_key("x-new"));
    // A head that has outgrown its place is the end of the object.
    disk.freshened(1, &freshened(found, &"x".repeat(9_000)));
    settle(&disk);
    assert!(got(&disk, 1).await.is_none() && !file(&disk, 1).exists());
}

#[tokio::test]
async fn a_disk_that_fails_is_off_until_it_can_be_used_again() {
    let (dir, disk) = fresh();
    eventually("it was read", || disk.is_complete());
    put(&disk, 1, &body(10, 1));
    // Whoever is root may write everywhere, but not into a file as if it were a directory.
    let new = dir.path().join("new");
    fs::remove_dir_all(&new).expect("removes");
    fs::write(&new, "").expect("writes");
    disk.put(2, Stored::Object(object("/2", &body(10, 2))));
    eventually("it is off", || !disk.is_on());
    assert!(disk.error().is_some_and(|error| error.contains("write")));
    assert!(
        !disk.might_have(1) && disk.get(1).await.is_none(),
        "nothing is asked of it"
    );
    assert!(disk.begin(3, &head("/3"), b"/3", None).is_none());
    let try_now = || {
        let before = Instant::now()
            .checked_sub(Duration::from_secs(31))
            .expect("a time");
        disk.tier.health.turn_off(before, "write".into());
        disk.keeper.unpark();
    };
    try_now();
    eventually("it was tried", || {
        !disk.tier.health.wants_probe(Instant::now())
    });
    assert!(!disk.is_on(), "it still fails");
    fs::remove_file(&new).expect("removes");
    try_now();
    eventually("it is on again", || disk.is_on());
    assert!(got(&disk, 1).await.is_some() && disk.error().is_none());
    put(&disk, 2, &body(10, 2));
}

#[test]
fn a_directory_that_can_not_be_used_is_told_at_once() {
    let dir = TempDir::new().expect("a directory");
    let file = dir.path().join("file");
    fs::write(&file, "").expect("writes");
    assert!(Disk::check(&file.join("below")).is_err());
    assert!(Disk::check(&dir.path().join("a/b/c")).is_ok());
    let metrics = Metrics::new().expect("metrics").disk;
    assert!(Disk::open(&file, SIZE, metrics).is_err());
}
