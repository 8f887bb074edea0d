use std::fs;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use tempfile::TempDir;

use super::*;
use crate::cache::purge::Seq;
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

fn whole(chunks: &Chunks) -> Bytes {
    chunks.pieces().concat().into()
}

async fn got(disk: &Disk, key: u128) -> Option<Object> {
    match disk.get(key).await? {
        Found::Object(object) => Some(object),
        Found::Varies(_) => panic!("not an object"),
    }
}

async fn read_all(body: &Body) -> std::io::Result<Bytes> {
    let body = match body {
        Body::Memory(chunks) => return Ok(whole(chunks)),
        Body::Disk(body) => body,
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
