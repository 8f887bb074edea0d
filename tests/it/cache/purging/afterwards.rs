//! Does what was purged stay so: where a stale answer may serve, for an answer on its way, after a reload and a crash?

use serde_json::json;

use super::*;

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
