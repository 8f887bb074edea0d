//! Is what is on disk there after a restart, whole, and does no request suffer from the disk?

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::BodyExt;
use origin::{Origin, Scripted};

use crate::support::*;

const MIB: usize = 1 << 20;

/// A site with one route that has a cache of so much memory, and a disk.
fn yaml(origin: &Origin, memory: &str, size: &str) -> String {
    let endpoint = origin.address().expect("TCP");
    format!(
        "listeners: [{{name: http, address: \"127.0.0.1:0\"}}]\n\
         cache: {{memory: {memory}, disk: {{path: '@dir@/cache', size: {size}}}}}\n\
         routes: [{{name: all, pool: origin, cache: {{}}}}]\n\
         pools: [{{name: origin, endpoints: [\"{endpoint}\"]}}]\n"
    )
}

/// What is at a path: made from its name, so that every byte can be told from those of another object.
fn expected(path: &str, length: usize) -> Bytes {
    let seed = path
        .bytes()
        .fold(7_u64, |seed, byte| seed * 31 + u64::from(byte));
    let mut bytes = vec![0; length];
    fastrand::Rng::with_seed(seed).fill(&mut bytes);
    bytes.into()
}

/// `/N` is as long as its name says.
fn length(path: &str) -> usize {
    path[1..].parse().expect("a number")
}

/// An origin at which each path is a number of bytes, fresh for an hour.
async fn sized() -> Origin {
    let origin = origin().await;
    origin.script_by("*", |asked, _| {
        Scripted::new(200)
            .field("cache-control", "max-age=3600")
            .field("etag", "\"one\"")
            .body(expected(&asked.target, length(&asked.target)))
    });
    origin
}

/// A request for a path of a name that is the same after a restart.
fn asking(path: &str) -> http::Request<Body> {
    let asked = request("GET", path).header("host", "a.test");
    asked.body(full("")).expect("a request")
}

/// Asks for a path and checks what comes; whether it was a hit. `None` if the answer was cut off, or none came.
async fn try_get(client: &mut Client, path: &str) -> Option<bool> {
    let answer = Answer::read(client.send(asking(path)).await.ok()?)
        .await
        .ok()?;
    assert_eq!(answer.status, 200, "{path}");
    assert!(answer.body == expected(path, length(path)), "{path}");
    Some(
        answer
            .header("cache-status")
            .unwrap_or("")
            .contains("; hit"),
    )
}

async fn get(client: &mut Client, path: &str) -> bool {
    try_get(client, path).await.expect("an answer")
}

/// Waits until so many objects were written to disk by this process.
async fn written(portcullis: &Portcullis, count: usize) {
    eventually("they are on disk", async || {
        let written = portcullis.metric("portcullis_cache_stored_total{tier=\"disk\"}");
        written.await >= count as f64
    })
    .await;
}

/// How often the origin was asked for a path.
fn asked(origin: &Origin, path: &str) -> usize {
    let asked = origin.asked("*");
    asked.iter().filter(|asked| asked.target == path).count()
}

/// Every file of an object.
fn files(directory: &Path) -> Vec<PathBuf> {
    let entries = |path: &Path| -> Vec<PathBuf> {
        let entries = fs::read_dir(path).expect("a directory");
        entries
            .map(|entry| entry.expect("an entry").path())
            .collect()
    };
    let directories = entries(directory).into_iter().filter(|path| path.is_dir());
    directories
        .filter(|path| !path.ends_with("new"))
        .flat_map(|path| entries(&path))
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_that_is_killed_while_it_writes_a_thousand_objects_leaves_only_whole_ones() {
    let origin = sized().await;
    let mut portcullis = Portcullis::start(&yaml(&origin, "64MiB", "1GiB")).await;
    // Most are small; some are written piece by piece.
    let path = |number: usize| match number % 25 {
        0 => format!("/{}", 500_000 + number),
        _ => format!("/{}", 10_000 + 17 * number),
    };
    for _ in 0..2 {
        let address = portcullis.listener("http");
        let callers: Vec<_> = (0..8)
            .map(|caller| {
                tokio::spawn(async move {
                    let mut client = http1(address).await;
                    let mut numbers = (0..1000).filter(|number| number % 8 == caller);
                    // Until nobody answers any more.
                    while let Some(number) = numbers.next()
                        && try_get(&mut client, &path(number)).await.is_some()
                    {}
                })
            })
            .collect();
        written(&portcullis, 300).await;
        portcullis.signal("KILL");
        portcullis.end().await;
        for caller in callers {
            caller.await.expect("no answer was wrong");
        }
        let there = files(&portcullis.directory().join("cache")).len();
        portcullis.start_again().await;
        let mut client = http1(portcullis.listener("http")).await;
        let mut hits = 0;
        for number in 0..1000 {
            hits += usize::from(get(&mut client, &path(number)).await);
        }
        assert!(hits >= 100, "{hits} hits");
        assert_eq!(hits, there, "each file is a whole object");
        let damaged = portcullis.metric("portcullis_cache_disk_reads_total{result=\"damaged\"}");
        assert_eq!(damaged.await, 0.0);
        portcullis.signal("KILL");
        portcullis.end().await;
        fs::remove_dir_all(portcullis.directory().join("cache")).expect("removes");
        portcullis.start_again().await;
    }
}

#[tokio::test]
async fn what_is_asked_for_again_comes_from_the_disk_into_memory() {
    let origin = sized().await;
    let mut portcullis = Portcullis::start(&yaml(&origin, "64MiB", "1GiB")).await;
    let mut client = http1(portcullis.listener("http")).await;
    assert!(!get(&mut client, "/2000000").await);
    written(&portcullis, 1).await;
    portcullis.stop().await;
    portcullis.start_again().await;
    let mut client = http1(portcullis.listener("http")).await;
    let in_memory = "portcullis_cache_objects{tier=\"memory\"}";
    assert!(get(&mut client, "/2000000").await);
    assert_eq!(
        portcullis.metric(in_memory).await,
        0.0,
        "once is not enough"
    );
    assert!(get(&mut client, "/2000000").await);
    eventually("it is in memory", async || {
        portcullis.metric(in_memory).await == 1.0
    })
    .await;
    let reads = "portcullis_cache_disk_reads_total{result=\"hit\"}";
    let before = portcullis.metric(reads).await;
    for _ in 0..3 {
        assert!(get(&mut client, "/2000000").await);
    }
    assert_eq!(
        portcullis.metric(reads).await,
        before,
        "the disk is not asked"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn restarts_and_upgrades_keep_the_cache_warm_at_once() {
    let origin = sized().await;
    let mut portcullis = Portcullis::start(&yaml(&origin, "64MiB", "1GiB")).await;
    let paths = ["/0", "/1000", "/300000", "/2000000"];
    let mut client = http1(portcullis.listener("http")).await;
    for path in paths {
        assert!(!get(&mut client, path).await);
    }
    written(&portcullis, paths.len()).await;
    for (round, how) in ["restart", "upgrade", "kill", "upgrade"]
        .into_iter()
        .enumerate()
    {
        match how {
            "restart" => {
                portcullis.stop().await;
                portcullis.start_again().await;
            }
            "kill" => {
                portcullis.signal("KILL");
                portcullis.end().await;
                portcullis.start_again().await;
            }
            _ => {
                let mut former = portcullis.upgrade(&[]).await;
                let mut client = http1(portcullis.listener("http")).await;
                assert!(get(&mut client, paths[round]).await, "while both are there");
                former.end().await;
            }
        }
        let mut client = http1(portcullis.listener("http")).await;
        for path in paths {
            assert!(get(&mut client, path).await, "{path} after {how}");
            assert_eq!(asked(&origin, path), 1, "{path} after {how}");
        }
        // Whoever came last writes, as soon as it may.
        let mut more = 5000 + 1000 * round;
        eventually("more is written", async || {
            more += 1;
            get(&mut client, &format!("/{more}")).await;
            let stored = portcullis.metric("portcullis_cache_stored_total{tier=\"disk\"}");
            stored.await > 0.0
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_changed_byte_on_disk_is_never_served() {
    let origin = sized().await;
    let mut portcullis = Portcullis::start(&yaml(&origin, "64MiB", "1GiB")).await;
    let paths: Vec<String> = (1..=20)
        .map(|number| format!("/{}", number * 1000))
        .chain((1..=5).map(|number| format!("/{}", number * 400_000)))
        .collect();
    let mut client = http1(portcullis.listener("http")).await;
    for path in &paths {
        get(&mut client, path).await;
    }
    written(&portcullis, paths.len()).await;
    portcullis.stop().await;
    let files = files(&portcullis.directory().join("cache"));
    assert_eq!(files.len(), paths.len());
    for file in files {
        let mut bytes = fs::read(&file).expect("a file");
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        fs::write(&file, bytes).expect("writes");
    }
    portcullis.start_again().await;
    for path in &paths {
        let mut client = http1(portcullis.listener("http")).await;
        // Of a large one the first bytes have gone out when it shows: it is cut off, and not completed with something else.
        let first = try_get(&mut client, path).await;
        assert_ne!(first, Some(true), "{path}");
        assert!(first.is_some() || length(path) > 256 * 1024, "{path}");
        let mut client = http1(portcullis.listener("http")).await;
        eventually("it is stored again", async || get(&mut client, path).await).await;
        assert_eq!(asked(&origin, path), 2, "{path}");
    }
    let damaged = portcullis.metric("portcullis_cache_disk_reads_total{result=\"damaged\"}");
    assert_eq!(damaged.await, paths.len() as f64);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_go_on_when_there_is_no_room_on_the_disk() {
    let origin = sized().await;
    // What a quota does: no file gets larger than a mebibyte.
    let portcullis = Portcullis::builder(&yaml(&origin, "4MiB", "1GiB"))
        .file_size(1024)
        .start()
        .await;
    let mut client = http1(portcullis.listener("http")).await;
    assert!(!get(&mut client, "/1000").await);
    written(&portcullis, 1).await;
    // Two read it at the same time, while it can't be written any more.
    let (mut one, mut other) = (
        http1(portcullis.listener("http")).await,
        http1(portcullis.listener("http")).await,
    );
    tokio::join!(get(&mut one, "/6000000"), get(&mut other, "/6000000"));
    portcullis.says("is full").await;
    // It is read, and nothing more is written for a while.
    assert!(!get(&mut client, "/2000").await);
    let failed = portcullis.metric("portcullis_cache_disk_errors_total{operation=\"write\"}");
    assert_eq!(failed.await, 1.0);
    assert_eq!(portcullis.metric("portcullis_cache_disk_on").await, 1.0);
    assert!(!get(&mut client, "/6000000").await, "it is not stored");
    assert!(get(&mut client, "/2000").await, "in memory");
    let stored = portcullis.metric("portcullis_cache_stored_total{tier=\"disk\"}");
    assert_eq!(stored.await, 1.0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_that_turns_out_too_large_while_it_is_written_is_whole_and_not_stored() {
    let origin = origin().await;
    origin.script_by("*", |asked, _| {
        Scripted::new(200)
            .field("cache-control", "max-age=3600")
            .body(expected(&asked.target, length(&asked.target)))
            .chunked()
    });
    let yaml = yaml(&origin, "4MiB", "1GiB").replace("cache: {}", "cache: {max_object: 1MiB}");
    let portcullis = Portcullis::start(&yaml).await;
    let mut client = http1(portcullis.listener("http")).await;
    for path in ["/6000000", "/6000000", "/1100000"] {
        assert!(!get(&mut client, path).await, "{path}");
    }
    assert!(!get(&mut client, "/900000").await);
    written(&portcullis, 1).await;
    assert!(get(&mut client, "/900000").await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_go_on_when_the_disk_fails() {
    let origin = sized().await;
    let portcullis = Portcullis::start(&yaml(&origin, "64MiB", "1GiB")).await;
    let mut client = http1(portcullis.listener("http")).await;
    assert!(!get(&mut client, "/1000").await);
    written(&portcullis, 1).await;
    // Root may write anywhere, but not into a file as if it were a directory.
    let new = portcullis.directory().join("cache/new");
    fs::remove_dir_all(&new).expect("removes");
    fs::write(&new, "").expect("writes");
    for path in ["/2000", "/3000000"] {
        assert!(!get(&mut client, path).await);
    }
    eventually("the disk is off", async || {
        portcullis.metric("portcullis_cache_disk_on").await == 0.0
    })
    .await;
    portcullis.says("is off until it can be used again").await;
    for path in ["/1000", "/2000"] {
        assert!(get(&mut client, path).await, "{path} is in memory");
    }
    for path in ["/4000", "/3000000"] {
        get(&mut client, path).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn large_objects_go_to_the_disk_and_from_it_without_being_held_in_memory() {
    const PIECES: usize = 96;
    let origin = origin().await;
    let piece = expected("/piece", MIB);
    let pieces = Arc::new(piece.clone());
    origin.script_by("*", move |asked, _| {
        let fresh = Scripted::new(200).field("cache-control", "max-age=3600");
        let whole = (0..PIECES).fold(fresh, |answer, _| answer.body(Bytes::clone(&pieces)));
        match asked.target.as_str() {
            "/chunked" => whole.chunked(),
            _ => whole,
        }
    });
    let portcullis = Portcullis::start(&yaml(&origin, "8MiB", "1GiB")).await;
    let mut client = http1(portcullis.listener("http")).await;
    // So that all that is made once is there.
    client.get("/warm").await;
    let before = portcullis.rss();
    let mut most = before;
    for (path, hit) in [
        ("/known", false),
        ("/chunked", false),
        ("/known", true),
        ("/chunked", true),
    ] {
        if hit {
            written(&portcullis, 3).await;
        }
        let mut answer = client.send(asking(path)).await.expect("an answer");
        let said = answer.headers()["cache-status"].to_str().expect("text");
        assert_eq!(said.contains("; hit"), hit, "{path}: {said}");
        let (mut at, mut looked) = (0, 0);
        while let Some(frame) = in_time("more", answer.body_mut().frame()).await {
            let bytes = frame.expect("whole").into_data().expect("data");
            let begin = at % MIB;
            let first = bytes.len().min(MIB - begin);
            assert!(
                piece[begin..].starts_with(&bytes[..first]),
                "{path} at {at}"
            );
            assert!(piece.starts_with(&bytes[first..]), "{path} at {at}");
            at += bytes.len();
            if at / (4 * MIB) > looked {
                looked = at / (4 * MIB);
                most = most.max(portcullis.rss());
            }
        }
        assert_eq!(at, PIECES * MIB, "{path}");
    }
    let more = (most - before) / MIB as u64;
    assert!(more < 48, "{more} MiB more, of objects of {PIECES} MiB");
}
