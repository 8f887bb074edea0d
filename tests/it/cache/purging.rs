//! Does a purge end the use of what it names, at once, and of nothing else?

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

use origin::{Origin, Scripted};
use serde_json::{Value, json};

use crate::support::*;

/// A site with two routes: `/plain` has no cache, everything else has one with these settings.
fn yaml(origin: &Origin, cache: &str) -> String {
    let endpoint = origin.address().expect("TCP");
    format!(
        "listeners: [{{name: http, address: \"127.0.0.1:0\"}}]\n\
         routes:\n\
         - {{name: plain, match: {{paths: [{{prefix: /plain}}]}}, pool: origin}}\n\
         - {{name: all, pool: origin, cache: {{{cache}}}}}\n\
         pools: [{{name: origin, endpoints: [\"{endpoint}\"]}}]\n"
    )
}

/// What every answer says of itself, and which one it is.
fn numbered(number: usize) -> Scripted {
    Scripted::new(200)
        .field("cache-control", "max-age=600")
        .field("etag", format!("\"{number}\""))
        .body(format!("answer {number}"))
}

async fn started(cache: &str) -> (Origin, Portcullis) {
    let origin = origin().await;
    origin.script_by("*", |_, number| numbered(number));
    let portcullis = Portcullis::start(&yaml(&origin, cache)).await;
    (origin, portcullis)
}

/// Asks for a page of `a.example`; the answer's body, and what the cache said.
async fn get(client: &mut Client, path: &str) -> (String, String) {
    let (body, said, _) = get_with(client, path, &[]).await;
    (body, said)
}

async fn get_with(
    client: &mut Client,
    path: &str,
    fields: &[(&str, &str)],
) -> (String, String, http::StatusCode) {
    let mut asked = request("GET", path).header("host", "a.example");
    for (name, value) in fields {
        asked = asked.header(*name, *value);
    }
    let answer = client.ask(asked.body(full("")).expect("a request")).await;
    let said = answer.header("cache-status").unwrap_or_default().to_owned();
    (answer.text(), said, answer.status)
}

/// Asks for a page until it is stored.
async fn stored(client: &mut Client, path: &str) -> String {
    eventually_some("it is stored", async || {
        let (body, said) = get(client, path).await;
        said.contains("; hit").then_some(body)
    })
    .await
}

/// Whether a page is in the cache; asks nobody else.
async fn is_there(client: &mut Client, path: &str) -> bool {
    let only = [("cache-control", "only-if-cached")];
    let (_, _, status) = get_with(client, path, &only).await;
    status != 504
}

/// The pages of these that are in the cache.
async fn left<'p>(client: &mut Client, pages: &[&'p str]) -> Vec<&'p str> {
    let mut left = Vec::new();
    for page in pages {
        if is_there(client, page).await {
            left.push(*page);
        }
    }
    left
}

async fn post(at: SocketAddr, target: &str, body: &str) -> Answer {
    http1(at).await.post(target, body.to_owned()).await
}

/// Orders a purge at the admin listener; what it says.
async fn purge(portcullis: &Portcullis, order: Value) -> Value {
    let answer = post(portcullis.admin(), "/cache/purge", &order.to_string()).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()
}

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
async fn what_is_purged_softly_is_asked_about_and_serves_where_a_stale_answer_may() {
    let (origin, portcullis) = started("").await;
    // The endpoint says of some that they have not changed.
    origin.script("/same", [numbered(0).validates()]);
    origin.script(
        "/broken",
        [
            numbered(0).field("cache-control", "stale-if-error=600"),
            Scripted::new(503),
        ],
    );
    origin.script_by("/lazy", |_, number| {
        numbered(number).field("cache-control", "stale-while-revalidate=600")
    });
    let pages = ["/same", "/broken", "/lazy", "/changed"];
    let mut client = http1(portcullis.listener("http")).await;
    for page in pages {
        stored(&mut client, page).await;
    }
    let changed = get(&mut client, "/changed").await.0;
    let said = purge(&portcullis, json!({"prefix": "a.example/", "soft": true})).await;
    assert_eq!(
        (&said["memory"], &said["soft"]),
        (&json!(4), &json!(true)),
        "{said}"
    );

    let (body, told) = get(&mut client, "/same").await;
    assert_eq!(body, "answer 0");
    assert!(
        told.contains("fwd=stale") && told.contains("fwd-status=304"),
        "{told}"
    );
    stored(&mut client, "/same").await;
    let (body, told) = get(&mut client, "/broken").await;
    assert_eq!(body, "answer 0", "{told}");
    let (body, told) = get(&mut client, "/lazy").await;
    assert_eq!(body, "answer 0", "{told}");
    eventually("it is refreshed", async || {
        let (body, told) = get(&mut client, "/lazy").await;
        body == "answer 1" && told.contains("; hit")
    })
    .await;
    let (body, told) = get(&mut client, "/changed").await;
    assert_ne!(body, changed);
    assert!(told.contains("fwd=stale"), "{told}");
    portcullis.says("cache: made stale by ").await;

    // What is purged hard does not come back, whatever the endpoint says.
    purge(&portcullis, json!({"url": "a.example/broken"})).await;
    let (_, _, status) = get_with(&mut client, "/broken", &[]).await;
    assert_eq!(status, 503);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_on_its_way_when_it_is_purged_reaches_who_waits_and_nobody_after() {
    for (order, soft) in [
        ("prefix", false),
        ("tag", false),
        ("all", false),
        ("url", true),
    ] {
        let origin = origin().await;
        let slow = |number| {
            Scripted::new(200)
                .field("cache-control", "max-age=600")
                .field("cache-tag", "t")
                .body(format!("answer {number}, "))
                .until("rest")
                .body("whole")
        };
        origin.script("/headless", [slow(0).held("head"), slow(1)]);
        origin.script("/begun", [slow(0), slow(1)]);
        let portcullis = Portcullis::start(&yaml(&origin, "")).await;
        let at = portcullis.listener("http");
        let ask = |path: &'static str| {
            tokio::spawn(async move { get(&mut http1(at).await, path).await.0 })
        };
        let waiting = [ask("/headless"), ask("/begun")];
        eventually("both are asked for", async || {
            origin.count("/headless") == 1 && origin.count("/begun") == 1
        })
        .await;
        let what = match order {
            "prefix" => json!({"prefix": "a.example/"}),
            "tag" => json!({"tag": "t"}),
            "url" => json!({"url": ["a.example/headless", "a.example/begun"]}),
            _ => json!({"all": true}),
        };
        let mut what = what;
        what["soft"] = json!(soft);
        purge(&portcullis, what).await;
        // Who comes now has no part in that.
        let newcomer = ask("/headless");
        eventually("it is asked for anew", async || {
            origin.count("/headless") == 2
        })
        .await;
        origin.release();
        assert_eq!(newcomer.await.expect("no panic"), "answer 1, whole");
        for waiting in waiting {
            assert_eq!(
                waiting.await.expect("no panic"),
                "answer 0, whole",
                "{order}"
            );
        }
        let mut client = http1(at).await;
        for path in ["/headless", "/begun"] {
            let (body, told) = get(&mut client, path).await;
            assert_eq!(body, "answer 1, whole", "{order} {path}: {told}");
            assert_eq!(stored(&mut client, path).await, "answer 1, whole");
        }
        // Nothing is remembered once it can't turn up any more; what had been purged stays so.
        purge(&portcullis, json!({"tag": "nothing"})).await;
        if !soft {
            let told = http1(portcullis.admin()).await.get("/cache").await;
            assert_eq!(told.json()["purges"], 0, "{}", told.text());
        }
        for path in ["/headless", "/begun"] {
            assert_eq!(get(&mut client, path).await.0, "answer 1, whole");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_command_says_what_it_found() {
    let (_origin, portcullis) = started("").await;
    let mut client = http1(portcullis.listener("http")).await;
    let pages = ["/a", "/b", "/c/1", "/c/2"];
    for page in pages {
        stored(&mut client, page).await;
    }
    let said = portcullis
        .run(&[
            "purge",
            "--url",
            "http://a.example/a",
            "--prefix",
            "a.example/c/",
        ])
        .await;
    assert_eq!(said.code, 0, "{said:?}");
    assert!(
        said.text.starts_with("removed: 3 in memory, 0 on disk; "),
        "{said:?}"
    );
    assert!(
        said.has_line("url a.example/a") && said.has_line("prefix a.example/c/"),
        "{said:?}"
    );
    assert_eq!(left(&mut client, &pages).await, ["/b"]);
    portcullis.says("over the control socket").await;

    let admin = portcullis.admin().to_string();
    let said = portcullis
        .run(&["purge", "--all", "--soft", "--at", &admin])
        .await;
    assert!(
        said.text.starts_with("stale: 1 in memory, 0 on disk; "),
        "{said:?}"
    );
    let (_, told) = get(&mut client, "/b").await;
    assert!(told.contains("fwd=stale"), "{told}");

    let said = portcullis.run(&["purge", "--url", "/a"]).await;
    assert_eq!(said.code, 1, "{said:?}");
    assert_eq!(
        said.complaint.trim(),
        "`/a`: it has no host; write `example.com/path`, or `https://example.com/path`"
    );
    let said = portcullis.run(&["purge", "--soft"]).await;
    assert_eq!(said.code, 64, "{said:?}");
    let nobody = format!("127.0.0.1:{}", free_port());
    let said = portcullis.run(&["purge", "--all", "--at", &nobody]).await;
    assert_eq!(said.code, 3, "{said:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_method_purges_for_clients_that_may_and_for_nobody_else() {
    let (origin, portcullis) = started("purge_from: [127.0.0.1/32]").await;
    let ask = async |path: &str, fields: &[(&str, &str)]| {
        let mut client = http1(portcullis.listener("http")).await;
        let mut asked = request("PURGE", path).header("host", "a.example");
        for (name, value) in fields {
            asked = asked.header(*name, *value);
        }
        client.ask(asked.body(full("")).expect("a request")).await
    };
    let mut client = http1(portcullis.listener("http")).await;
    let pages = ["/a", "/a?x=1", "/b"];
    for page in pages {
        stored(&mut client, page).await;
    }
    let answer = ask("/a?x=1", &[]).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(
        answer.json(),
        json!({"memory": 1, "disk": 0, "soft": false})
    );
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    assert_eq!(left(&mut client, &pages).await, ["/a", "/b"]);
    let answer = ask("/b", &[("soft-purge", "1")]).await;
    assert_eq!(answer.json()["soft"], true);
    let (_, told) = get(&mut client, "/b").await;
    assert!(told.contains("fwd=stale"), "{told}");
    assert_eq!(ask("/nothing", &[]).await.json()["memory"], 0);
    assert_eq!(
        portcullis
            .metric("portcullis_cache_purges_total{kind=\"url\"}")
            .await,
        3.0
    );

    // Where there is no cache, it is a method like any other.
    let answer = ask("/plain", &[]).await;
    assert_eq!(answer.status, 200);
    let asked = origin.asked("*");
    let purges: Vec<_> = asked
        .iter()
        .filter(|asked| asked.method.as_str() == "PURGE")
        .collect();
    assert_eq!((purges.len(), &*purges[0].target), (1, "/plain"));

    portcullis
        .apply(&yaml(&origin, "purge_from: [10.0.0.0/8]"))
        .await;
    stored(&mut client, "/a").await;
    let answer = ask("/a", &[]).await;
    assert_eq!(answer.status, 403);
    assert!(
        answer
            .header("proxy-status")
            .is_some_and(|told| told.contains("ip_denied")),
        "{answer:?}"
    );
    assert!(is_there(&mut client, "/a").await);
    portcullis
        .logged(|line| line["method"] == "PURGE" && line["reason"] == "ip_denied")
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_understood_is_refused_and_nothing_is_purged() {
    let (_origin, portcullis) = started("").await;
    let mut client = http1(portcullis.listener("http")).await;
    stored(&mut client, "/a").await;
    let admin = portcullis.admin();
    for (target, body, why) in [
        ("/cache/purge", "", "say what: `url`, `prefix` or `tag`"),
        ("/cache/purge?soft", "", "say what"),
        ("/cache/purge?everything", "", "there is no `everything`"),
        ("/cache/purge", "{\"all\": true", "the body can't be read"),
        (
            "/cache/purge",
            "{\"all\": true, \"soft\": 3}",
            "invalid type",
        ),
        (
            "/cache/purge",
            "{\"url\": [\"a.example/a\", \"a b/c\"]}",
            "`a b/c`: invalid host",
        ),
        ("/cache/purge?url=a.example/a%252f", "", "ambiguous path"),
        ("/cache/purge?url=a.example/a&tag=", "", "a tag is empty"),
    ] {
        let answer = post(admin, target, body).await;
        assert_eq!(answer.status, 400, "{target} {body}");
        assert!(
            answer.text().contains(why),
            "{target} {body}: {}",
            answer.text()
        );
    }
    assert!(is_there(&mut client, "/a").await);
    let answer = http1(admin).await.get("/cache/purge?all").await;
    assert_eq!(
        (answer.status.as_u16(), answer.header("allow")),
        (405, Some("POST"))
    );
    let from_a_page = request("POST", "/cache/purge?all").header("origin", "http://evil.example");
    let answer = http1(admin)
        .await
        .ask(from_a_page.body(full("")).expect("a request"))
        .await;
    assert_eq!(answer.status, 403);
    assert!(is_there(&mut client, "/a").await);
    let answer = post(admin, "/cache/purge", "url=a.example/a&tag=x").await;
    assert_eq!(answer.json()["memory"], 1, "as a form");
    assert!(!is_there(&mut client, "/a").await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_state_of_the_cache_is_told() {
    let (_origin, portcullis) = started("").await;
    let mut client = http1(portcullis.listener("http")).await;
    let told = async || http1(portcullis.admin()).await.get("/cache").await.json();
    let empty = told().await;
    assert_eq!(empty["memory"]["objects"], 0, "{empty}");
    assert_eq!(
        (&empty["hit_ratio"], &empty["disk"]),
        (&Value::Null, &Value::Null),
        "{empty}"
    );
    for page in ["/a", "/b"] {
        get(&mut client, page).await;
        stored(&mut client, page).await;
    }
    // An answer is counted a moment after its client has it.
    eventually("both hits are counted", async || {
        told().await["requests"]["hit"].as_u64() >= Some(2)
    })
    .await;
    let report = told().await;
    assert_eq!(report["memory"]["objects"], 2, "{report}");
    assert_eq!(report["memory"]["limit_bytes"], 64 << 20, "{report}");
    let bytes = report["memory"]["bytes"].as_u64().expect("a number");
    assert!((16..16 << 10).contains(&bytes), "{report}");
    assert_eq!(report["routes"][0]["route"], "all", "{report}");
    let requests = &report["requests"];
    let count = |of: &str| requests[of].as_f64().expect("a number");
    assert!(count("miss") >= 2.0 && count("hit") >= 2.0, "{report}");
    let ratio = count("hit") / (count("hit") + count("miss"));
    assert_eq!(report["hit_ratio"].as_f64(), Some(ratio), "{report}");
    assert_eq!(
        portcullis
            .metric("portcullis_cache_objects{tier=\"memory\"}")
            .await,
        2.0
    );
    assert_eq!(
        portcullis
            .metric("portcullis_cache_bytes{tier=\"memory\"}")
            .await,
        bytes as f64
    );
    let hits = "portcullis_cache_requests_total{result=\"hit\",route=\"all\"}";
    assert_eq!(portcullis.metric(hits).await, count("hit"));
    portcullis.logged(|line| line["cache"] == "hit").await;
    purge(&portcullis, json!({"all": true})).await;
    assert_eq!(told().await["memory"]["objects"], 0);
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_purge_outlives_a_reload_and_a_crash() {
    let origin = origin().await;
    origin.script_by("*", |_, number| numbered(number));
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("objects");
    let disk = format!("{{path: \"{}\", size: 64MiB}}", path.display());
    let yaml = format!(
        "cache: {{memory: 16MiB, disk: {disk}}}\n{}",
        yaml(&origin, "")
    );
    let mut portcullis = Portcullis::start(&yaml).await;
    let mut client = http1(portcullis.listener("http")).await;
    for page in ["/a", "/b", "/c"] {
        stored(&mut client, page).await;
    }
    eventually("they are on disk", async || {
        portcullis
            .metric("portcullis_cache_objects{tier=\"disk\"}")
            .await
            == 3.0
    })
    .await;
    portcullis.apply(&yaml.replace("16MiB", "17MiB")).await;
    purge(&portcullis, json!({"url": "a.example/a"})).await;
    purge(&portcullis, json!({"url": "a.example/b", "soft": true})).await;
    portcullis.apply(&yaml).await;
    assert_eq!(left(&mut client, &["/a", "/c"]).await, ["/c"]);
    portcullis.signal("KILL");
    portcullis.end().await;
    let portcullis = Portcullis::start(&yaml).await;
    let mut client = http1(portcullis.listener("http")).await;
    assert_eq!(left(&mut client, &["/a", "/c"]).await, ["/c"]);
    let (_, told) = get(&mut client, "/b").await;
    assert!(told.contains("fwd=stale"), "{told}");
}
