//! Does whoever follows a fetch get all of its body, however fast each of them reads?

use std::future::Future;
use std::time::{Duration, SystemTime};

use http::{HeaderMap, StatusCode};
use tempfile::TempDir;
use tokio::task::{JoinHandle, yield_now};
use tokio::time::timeout;

use super::pieces::WINDOW;
use super::*;
use crate::cache::Head;
use crate::cache::disk::{Disk, Writing};
use crate::cache::purge::Marks;
use crate::cache::rules::{Terms, Validators};
use crate::telemetry::Metrics;

const PIECE: usize = 100_000;

/// More than what is held of a body that can't be written, several times.
const LENGTH: usize = 6_000_000;

fn body(length: usize) -> Bytes {
    let mut bytes = vec![0; length];
    fastrand::Rng::with_seed(1).fill(&mut bytes);
    bytes.into()
}

/// What hangs fails.
async fn in_time<T>(what: impl Future<Output = T>) -> T {
    timeout(Duration::from_secs(60), what)
        .await
        .expect("in time")
}

/// A disk on which there is no room for the whole body.
fn small() -> (TempDir, Arc<Disk>) {
    let dir = TempDir::new().expect("a directory");
    let metrics = Metrics::new().expect("metrics").disk;
    let disk = Disk::open(dir.path(), 1 << 20, metrics).expect("a disk");
    (dir, disk)
}

fn begin(disk: &Disk) -> Writing {
    let fields = HeaderMap::new();
    let head = Head {
        status: StatusCode::OK,
        terms: Terms::for_test(SystemTime::now()),
        validators: Validators::of(&fields),
        marks: Marks {
            since: Seq::default(),
            url: "/1".into(),
            tags: Box::default(),
        },
        fields,
    };
    disk.begin(1, &head, b"/1", None).expect("may be written")
}

/// Writes and hands on a piece as a fetch does; whether there is any use in going on.
async fn step(flight: &Flight, writing: &mut Writing, piece: Bytes) -> bool {
    let goes_on = writing.write(piece.clone()).await;
    if !writing.is_written() {
        flight.lose_file();
    }
    if !goes_on {
        flight.pass();
    }
    flight.push(piece).await
}

/// Brings pieces until they can't be written any more; those that are left.
async fn until_lost(
    flight: &Flight,
    writing: &mut Writing,
    all: &Bytes,
    from: usize,
) -> Vec<Bytes> {
    let pieces = &all[from..];
    let mut pieces = pieces.chunks(PIECE).map(Bytes::copy_from_slice);
    while writing.is_written() {
        let piece = pieces.next().expect("it finds no room");
        assert!(step(flight, writing, piece).await);
    }
    pieces.collect()
}

/// Reads on to the end.
fn read(mut reader: Reader) -> JoinHandle<Result<Vec<u8>, ProxyError>> {
    tokio::spawn(async move {
        let mut all = Vec::new();
        while let Some(piece) = reader.piece().await? {
            all.extend_from_slice(&piece);
        }
        Ok(all)
    })
}

async fn assert_reads(reading: JoinHandle<Result<Vec<u8>, ProxyError>>, all: &Bytes) {
    let read = in_time(reading).await.expect("ends").expect("whole");
    assert!(read == *all, "{} bytes, and not the same", read.len());
}

#[tokio::test]
async fn all_get_all_when_the_disk_fails_in_mid_body_whenever_they_begin() {
    let ((_dir, disk), all) = (small(), body(LENGTH));
    let flight = Flight::alone();
    let (leader, early) = (flight.lead(), flight.follow().expect("follows"));
    let mut begun = flight.follow().expect("follows");
    // Two pieces are here, of which one reader has had one, when it goes to the file.
    for piece in all.chunks(PIECE).take(2) {
        assert!(flight.push(Bytes::copy_from_slice(piece)).await);
    }
    assert_eq!(
        begun.piece().await.expect("a piece"),
        Some(all.slice(..PIECE))
    );
    let mut writing = begin(&disk);
    for piece in flight.pieces() {
        assert!(writing.write(piece).await && writing.is_written());
    }
    flight.to_file(&writing.follow());
    let (idle, late) = (flight.follow().expect("follows"), flight.follow());
    let late = late.expect("follows");
    let leader = read(leader);
    let left = until_lost(&flight, &mut writing, &all, 2 * PIECE).await;
    assert!(!left.is_empty());
    assert!(flight.follow().is_none(), "nobody begins now");
    // Whoever had not begun by then, or had begun before it went to the file, has missed nothing.
    drop(idle);
    let (early, begun, late) = (read(early), read(begun), read(late));
    for piece in left {
        assert!(in_time(step(&flight, &mut writing, piece)).await);
        yield_now().await;
    }
    assert!(writing.finish().await.is_none());
    flight.end(Ok(()));
    for reading in [leader, early, late] {
        assert_reads(reading, &all).await;
    }
    assert_reads(begun, &all.slice(PIECE..)).await;
}

#[tokio::test]
async fn who_reads_from_a_file_may_have_to_wait_until_all_of_it_is_there() {
    let ((_dir, disk), all) = (small(), body(PIECE));
    let flight = Flight::alone();
    let mut reader = flight.lead();
    let mut writing = begin(&disk);
    flight.to_file(&writing.follow());
    assert!(reader.must_wait());
    assert!(step(&flight, &mut writing, all.clone()).await);
    let piece = in_time(reader.piece()).await.expect("whole");
    assert!(piece.is_some() && reader.must_wait());
    assert!(writing.finish().await.is_some());
    flight.end(Ok(()));
    assert!(!reader.must_wait());
}

#[tokio::test]
async fn who_follows_gets_all_when_the_disk_fails_and_who_started_it_has_left() {
    let ((_dir, disk), all) = (small(), body(LENGTH));
    let flight = Flight::alone();
    let leader = flight.lead();
    let mut writing = begin(&disk);
    flight.to_file(&writing.follow());
    let follower = read(flight.follow().expect("follows"));
    drop(leader);
    let left = until_lost(&flight, &mut writing, &all, 0).await;
    for piece in left {
        assert!(in_time(step(&flight, &mut writing, piece)).await);
    }
    assert!(writing.finish().await.is_none());
    flight.end(Ok(()));
    assert_reads(follower, &all).await;
}

#[tokio::test]
async fn a_fetch_ends_when_the_disk_fails_and_nobody_reads() {
    let ((_dir, disk), all) = (small(), body(LENGTH));
    let flight = Flight::alone();
    let leader = flight.lead();
    let mut writing = begin(&disk);
    flight.to_file(&writing.follow());
    let left = until_lost(&flight, &mut writing, &all, 0).await;
    // It has not begun to read: that is no reason to end yet, but it is when it goes.
    let mut left = left.into_iter();
    assert!(step(&flight, &mut writing, left.next().expect("more")).await);
    drop(leader);
    // Long before anybody's patience ends.
    let last = step(&flight, &mut writing, left.next().expect("more"));
    let last = timeout(Duration::from_secs(5), last).await;
    assert!(!last.expect("at once"));
}

#[tokio::test]
async fn who_reads_what_passes_by_may_be_a_little_behind_and_is_cut_off_if_it_is_far() {
    let all = body(LENGTH);
    let flight = Flight::alone();
    let (mut leader, mut near) = (flight.lead(), flight.follow().expect("follows"));
    let (mut far, mut out, mut behind) = (flight.follow().expect("follows"), Vec::new(), 0);
    assert!(flight.push(all.slice(..PIECE)).await);
    flight.pass();
    assert!(flight.follow().is_none());
    for at in (PIECE..LENGTH).step_by(PIECE) {
        let piece = all.slice(at..(at + PIECE).min(LENGTH));
        assert!(in_time(flight.push(piece)).await, "one piece has room");
        let piece = in_time(leader.piece()).await.expect("whole").expect("more");
        out.extend_from_slice(&piece);
        // Two pieces behind.
        if at > 2 * PIECE {
            let piece = in_time(near.piece()).await.expect("whole").expect("more");
            assert_eq!(piece, all.slice(behind..behind + piece.len()));
            behind += piece.len();
        }
        let held: usize = flight.pieces().iter().map(Bytes::len).sum();
        assert!(held < WINDOW as usize + 3 * PIECE, "{held}");
    }
    // There is no hole, and what is there is not as if it were all.
    assert!(!far.must_wait());
    assert!(in_time(far.piece()).await.is_err());
    flight.end(Ok(()));
    assert!(in_time(far.piece()).await.is_err());
    out.extend(in_time(read(leader)).await.expect("ends").expect("whole"));
    assert!(out == all);
    assert_reads(read(near), &all.slice(behind..)).await;
}

#[tokio::test]
async fn what_passes_by_goes_on_for_who_follows_when_who_started_it_has_left() {
    let all = body(LENGTH);
    let flight = Flight::alone();
    let (leader, follower) = (flight.lead(), flight.follow().expect("follows"));
    flight.pass();
    let follower = read(follower);
    drop(leader);
    for piece in all.chunks(PIECE) {
        assert!(in_time(flight.push(Bytes::copy_from_slice(piece))).await);
    }
    flight.end(Ok(()));
    assert_reads(follower, &all).await;
    assert!(!flight.push(all).await, "for nobody");
}

#[tokio::test]
async fn what_passes_by_waits_for_who_started_it_and_ends_when_he_leaves() {
    let flight = Flight::alone();
    let mut leader = flight.lead();
    flight.pass();
    let all = body(2 * WINDOW as usize);
    let push = tokio::spawn({
        let (flight, all) = (Arc::clone(&flight), all.clone());
        async move { flight.push(all).await }
    });
    assert_eq!(
        in_time(leader.piece()).await.expect("whole"),
        Some(all.clone())
    );
    assert!(in_time(push).await.expect("ends"), "there is room");
    let push = tokio::spawn({
        let flight = Arc::clone(&flight);
        async move { flight.push(all).await }
    });
    yield_now().await;
    assert!(!push.is_finished());
    drop(leader);
    assert!(!in_time(push).await.expect("ends"));
}
