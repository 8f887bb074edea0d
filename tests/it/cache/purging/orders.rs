//! Who may order a purge, in which ways, and what is said to it?

use serde_json::json;

use super::*;

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
