//! Is everything purged that is named by its address, the beginning of it or a tag, and nothing else?

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

use serde_json::json;

use super::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_purge_is_about_what_it_names_and_nothing_else() {
    let (origin, portcullis) = started("").await;
    for (path, field, tags) in [
        ("/news/1", "cache-tag", "news, Front"),
        ("/news/2", "surrogate-key", "news sports"),
        ("/newsletter", "cache-tag", "letters"),
        ("/shop?id=1", "cache-tag", "shop"),
        ("/shop?id=2", "cache-tag", "shop,front"),
    ] {
        let tags = tags.to_owned();
        origin.script_by(path, move |_, number| numbered(number).field(field, &tags));
    }
    let pages = [
        "/news/1",
        "/news/2",
        "/newsletter",
        "/shop?id=1",
        "/shop?id=2",
    ];
    let mut client = http1(portcullis.listener("http")).await;
    for (order, count, expected) in [
        (
            json!({"url": "http://a.example/shop?id=1"}),
            1,
            vec!["/news/1", "/news/2", "/newsletter", "/shop?id=2"],
        ),
        (
            json!({"url": ["A.example/x/../shop?id=2", "a.example/shop"]}),
            1,
            vec!["/news/1", "/news/2", "/newsletter", "/shop?id=1"],
        ),
        (json!({"url": "b.example/shop?id=1"}), 0, pages.to_vec()),
        (
            json!({"prefix": "https://a.example/news/"}),
            2,
            vec!["/newsletter", "/shop?id=1", "/shop?id=2"],
        ),
        (
            json!({"prefix": "a.example/news"}),
            3,
            vec!["/shop?id=1", "/shop?id=2"],
        ),
        (
            json!({"prefix": ["a.example/shop?id=", "b.example"]}),
            2,
            vec!["/news/1", "/news/2", "/newsletter"],
        ),
        (
            json!({"tag": "news"}),
            2,
            vec!["/newsletter", "/shop?id=1", "/shop?id=2"],
        ),
        (
            json!({"tag": ["front", "none"]}),
            2,
            vec!["/news/2", "/newsletter", "/shop?id=1"],
        ),
        (
            json!({"tag": "letters", "url": "a.example/news/1"}),
            2,
            vec!["/news/2", "/shop?id=1", "/shop?id=2"],
        ),
        (json!({"tag": "ne"}), 0, pages.to_vec()),
        (json!({"all": true}), 5, vec![]),
    ] {
        for page in pages {
            stored(&mut client, page).await;
        }
        let said = purge(&portcullis, order.clone()).await;
        assert_eq!(said["memory"], count, "{order}: {said}");
        assert_eq!((&said["disk"], &said["soft"]), (&json!(0), &json!(false)));
        assert_eq!(left(&mut client, &pages).await, expected, "{order}");
    }
    assert_eq!(
        portcullis
            .metric("portcullis_cache_purges_total{kind=\"url\"}")
            .await,
        5.0
    );
    assert_eq!(
        portcullis
            .metric("portcullis_cache_purges_total{kind=\"all\"}")
            .await,
        1.0
    );
    assert_eq!(
        portcullis
            .metric("portcullis_cache_purged_objects_total")
            .await,
        20.0
    );
    portcullis.says("cache: purged by ").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_variant_of_an_address_is_purged_and_what_its_key_leaves_out_does_not_matter() {
    let (origin, portcullis) = started("key: {query: {allow: [id]}}").await;
    origin.script_by("/varied", |_, number| {
        numbered(number).field("vary", "x-kind")
    });
    let mut client = http1(portcullis.listener("http")).await;
    for kind in ["a", "b", "c"] {
        for _ in 0..2 {
            get_with(&mut client, "/varied?utm=1", &[("x-kind", kind)]).await;
        }
        let (_, said, _) = get_with(&mut client, "/varied", &[("x-kind", kind)]).await;
        assert!(said.contains("; hit"), "{said}");
    }
    let said = purge(
        &portcullis,
        json!({"url": "a.example/varied?utm=2&tracker=9"}),
    )
    .await;
    let understood = said["purged"].as_array().expect("a list");
    assert!(
        understood.contains(&json!("url a.example/varied")),
        "{said}"
    );
    for kind in ["a", "b", "c"] {
        let fields = [("x-kind", kind), ("cache-control", "only-if-cached")];
        let (_, _, status) = get_with(&mut client, "/varied", &fields).await;
        assert_eq!(status, 504, "{kind}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_objects_are_purged_by_tag_while_clients_go_on() {
    let objects: usize = if std::env::var_os("CI").is_some() {
        1_000
    } else {
        10_000
    };
    let origin = origin().await;
    // So many have the tag, and a tenth of that number has not.
    origin.script_by("/page/*", move |asked, number| {
        let page: usize = asked.target["/page/".len()..].parse().expect("a number");
        numbered(number).field("cache-tag", if page < objects { "many" } else { "few" })
    });
    let portcullis = Portcullis::start(&yaml(&origin, "")).await;
    let at = portcullis.listener("http");
    let next = Arc::new(AtomicU64::new(0));
    let clients = |wanted: u64, next: Arc<AtomicU64>| {
        (0..8).map(move |_| {
            let next = Arc::clone(&next);
            tokio::spawn(async move {
                let mut client = http1(at).await;
                loop {
                    let page = next.fetch_add(1, Ordering::Relaxed);
                    if page >= wanted {
                        return;
                    }
                    get(&mut client, &format!("/page/{page}")).await;
                }
            })
        })
    };
    let (many, all) = (objects as u64, (objects + objects / 10) as u64);
    let filling: Vec<_> = clients(all, Arc::clone(&next)).collect();
    for client in filling {
        client.await.expect("no panic");
    }
    eventually("all are stored", async || {
        portcullis
            .metric("portcullis_cache_objects{tier=\"memory\"}")
            .await
            == all as f64
    })
    .await;

    // They ask for those that stay.
    let done = Arc::new(AtomicBool::new(false));
    let asking: Vec<_> = (0..4_u64)
        .map(|client| {
            let done = Arc::clone(&done);
            tokio::spawn(async move {
                let mut own = http1(at).await;
                let mut hits = 0_u64;
                while !done.load(Ordering::Relaxed) {
                    let page = many + (hits + 17 * client) % (all - many);
                    let (_, told) = get(&mut own, &format!("/page/{page}")).await;
                    assert!(told.contains("; hit"), "{page}: {told}");
                    hits += 1;
                }
                hits
            })
        })
        .collect();
    let start = Instant::now();
    let said = purge(&portcullis, json!({"tag": "many"})).await;
    let took = start.elapsed();
    done.store(true, Ordering::Relaxed);
    let mut hits = 0;
    for client in asking {
        hits += client.await.expect("no panic");
    }
    assert_eq!(said["memory"], objects, "{said}");
    eprintln!(
        "{objects} objects by tag: {took:?} ({} s of it there), {hits} hits meanwhile",
        said["seconds"]
    );
    assert!(took.as_secs() < 5, "{took:?}");
    let mut client = http1(at).await;
    assert!(!is_there(&mut client, "/page/0").await);
    assert!(is_there(&mut client, &format!("/page/{many}")).await);
    assert_eq!(
        portcullis
            .metric("portcullis_cache_objects{tier=\"memory\"}")
            .await,
        (all - many) as f64
    );
}
