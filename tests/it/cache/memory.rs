//! Does memory keep to its bound, and to what is asked for?

use origin::{Origin, Scripted};

use super::asking::*;
use crate::support::*;

/// Portcullis with so much memory for the cache, as YAML has it.
async fn with(origin: &Origin, memory: &str) -> Portcullis {
    Portcullis::start(&yaml(origin, memory)).await
}

fn yaml(origin: &Origin, memory: &str) -> String {
    let endpoint = origin.address().expect("TCP");
    format!(
        "cache: {{memory: {memory}}}\n\
         listeners: [{{name: http, address: \"127.0.0.1:0\"}}]\n\
         routes: [{{name: all, pool: origin, cache: {{}}}}]\n\
         pools: [{{name: origin, endpoints: [\"{endpoint}\"]}}]\n"
    )
}

/// Answers everything with as many bytes as the last segment of the path says.
fn sized(origin: &Origin) {
    origin.script_by("*", |asked, _| {
        let bytes = asked
            .target
            .rsplit('/')
            .next()
            .and_then(|size| size.parse().ok());
        fresh().body(vec![b'x'; bytes.unwrap_or(0)])
    });
}

async fn bytes(portcullis: &Portcullis) -> f64 {
    portcullis
        .metric("portcullis_cache_bytes{tier=\"memory\"}")
        .await
}

async fn objects(portcullis: &Portcullis) -> f64 {
    portcullis
        .metric("portcullis_cache_objects{tier=\"memory\"}")
        .await
}

async fn evictions(portcullis: &Portcullis) -> f64 {
    portcullis
        .metric("portcullis_cache_evictions_total{tier=\"memory\"}")
        .await
}

const MIB: f64 = 1024.0 * 1024.0;

/// Asks for each of these once; how many of them came from the cache.
async fn hits(raw: &mut Raw, paths: impl Iterator<Item = String>) -> usize {
    let mut hits = 0;
    for path in paths {
        let answer = ask(raw, &format!("GET {path}"), &[]).await;
        assert_eq!(answer.status, 200);
        hits += usize::from(cache_status(&answer).contains("; hit"));
    }
    hits
}

#[tokio::test]
async fn many_objects_take_no_more_than_their_bound() {
    let origin = origin().await;
    sized(&origin);
    let portcullis = with(&origin, "1MiB").await;
    let mut raw = Raw::connect(portcullis.listener("http")).await;
    // Three times what there is room for.
    hits(&mut raw, (0..600).map(|number| format!("/{number}/5000"))).await;
    eventually("it is full and within its bound", async || {
        let bytes = bytes(&portcullis).await;
        assert!(bytes <= MIB, "{bytes}");
        bytes > 0.9 * MIB
    })
    .await;
    let (kept, evicted) = (objects(&portcullis).await, evictions(&portcullis).await);
    assert!(kept > 150.0 && kept < 220.0, "{kept}");
    assert_eq!(kept + evicted, 600.0);
    assert_eq!(
        portcullis
            .metric("portcullis_cache_limit_bytes{tier=\"memory\"}")
            .await,
        MIB
    );
}

#[tokio::test]
async fn one_way_through_everything_leaves_what_is_asked_for() {
    let origin = origin().await;
    sized(&origin);
    let portcullis = with(&origin, "1MiB").await;
    let mut raw = Raw::connect(portcullis.listener("http")).await;
    let popular = || (0..100).map(|number| format!("/popular/{number}/4000"));
    for _ in 0..3 {
        hits(&mut raw, popular()).await;
    }
    // A crawler: five times what there is room for, each page once.
    hits(
        &mut raw,
        (0..1000).map(|number| format!("/once/{number}/5000")),
    )
    .await;
    let left = hits(&mut raw, popular()).await;
    assert!(left >= 90, "{left} of 100");
    assert!(evictions(&portcullis).await > 700.0);
}

#[tokio::test]
async fn an_object_too_large_for_memory_is_passed_on_and_drives_nothing_out() {
    let origin = origin().await;
    sized(&origin);
    let portcullis = with(&origin, "1MiB").await;
    let mut raw = Raw::connect(portcullis.listener("http")).await;
    let small = || (0..50).map(|number| format!("/{number}/4000"));
    hits(&mut raw, small()).await;
    eventually("all are kept", async || objects(&portcullis).await == 50.0).await;
    for _ in 0..3 {
        let answer = ask(&mut raw, "GET /large/900000", &[]).await;
        assert_eq!((answer.status, answer.body.len()), (200, 900_000));
        assert!(!cache_status(&answer).contains("; hit"));
    }
    assert_eq!(hits(&mut raw, small()).await, 50);
    assert_eq!(evictions(&portcullis).await, 0.0);
}

#[tokio::test]
async fn a_reload_changes_the_bound_and_keeps_what_fits() {
    let origin = origin().await;
    sized(&origin);
    let portcullis = with(&origin, "4MiB").await;
    let mut raw = Raw::connect(portcullis.listener("http")).await;
    let paths = || (0..300).map(|number| format!("/{number}/5000"));
    hits(&mut raw, paths()).await;
    eventually("all are kept", async || objects(&portcullis).await == 300.0).await;
    portcullis.apply(&yaml(&origin, "1MiB")).await;
    assert!(bytes(&portcullis).await <= MIB);
    assert!(bytes(&portcullis).await > 0.9 * MIB);
    portcullis.apply(&yaml(&origin, "8MiB")).await;
    let left = objects(&portcullis).await as usize;
    assert_eq!(hits(&mut raw, paths()).await, left);
    eventually("all are kept again", async || {
        objects(&portcullis).await == 300.0
    })
    .await;
}

#[tokio::test]
async fn a_site_without_storable_answers_fills_nothing() {
    let origin = origin().await;
    let mine = Scripted::new(200)
        .field("Cache-Control", "no-store")
        .body("x");
    origin.script("*", [mine]);
    let portcullis = with(&origin, "64KiB").await;
    let mut raw = Raw::connect(portcullis.listener("http")).await;
    // Each leaves a note that it can't be stored, and that takes memory too.
    hits(&mut raw, (0..2000).map(|number| format!("/{number}"))).await;
    let bytes = bytes(&portcullis).await;
    assert!(bytes <= 64.0 * 1024.0 && bytes > 0.0, "{bytes}");
}
