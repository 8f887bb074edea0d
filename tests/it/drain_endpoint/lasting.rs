//! Does a drain lose nothing that was there, and stay until it is taken back?

use serde_json::json;

use super::*;

async fn gauge(portcullis: &Portcullis, endpoint: &str) -> f64 {
    portcullis
        .metric(&format!(
            "portcullis_upstream_drained{{endpoint=\"{endpoint}\",pool=\"app/p\"}}"
        ))
        .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_drain_under_load_loses_nothing_and_lets_nothing_new_in() {
    let origins = three_origins().await;
    let portcullis = Portcullis::start(&yaml(&origins, 1)).await;
    let at = portcullis.listener("http");
    let clients = Ledger::builder(at)
        .kinds(&[Kind::Keepalive, Kind::Fresh, Kind::Http2, Kind::WebSocket])
        .start();
    clients.settled().await;
    // One that has begun at each.
    let mut held = Vec::new();
    for _ in 0..40 {
        let mut client = http1(at).await;
        held.push(tokio::spawn(async move { client.get("/held").await }));
    }
    let (drained, endpoint) = (&origins[0], &address(&origins[0]));
    let in_flight = format!("portcullis_upstream_in_flight{{endpoint=\"{endpoint}\"");
    eventually("requests are held there", async || {
        drained.journal().in_flight() >= 1
    })
    .await;
    let more = clients.answered() + 100;
    eventually("the clients go on", async || clients.answered() > more).await;
    let said = portcullis.run(&words(endpoint, &[])).await;
    assert_eq!(said.code, 0, "{said:?}");
    assert!(
        said.text
            .starts_with(&format!("pool app/p: endpoint {endpoint}: drained")),
        "{said:?}"
    );
    assert_eq!(
        told(&portcullis, endpoint).await,
        (true, false, json!("drained"))
    );
    // What had its lease before may still be on the way; then there are only those that last.
    let mut seen = drained.journal().requests();
    eventually("nothing new comes", async || {
        let answered = clients.answered();
        eventually("the clients go on", async || {
            clients.answered() > answered + 60
        })
        .await;
        std::mem::replace(&mut seen, drained.journal().requests()) == seen
    })
    .await;
    let answered = clients.answered();
    eventually("the clients go on", async || {
        clients.answered() > answered + 300
    })
    .await;
    assert_eq!(
        drained.journal().requests(),
        seen,
        "a drained endpoint gets nothing new"
    );
    assert!(
        portcullis.metric(&in_flight).await >= 1.0,
        "what was there is there"
    );
    for origin in &origins {
        origin.release();
    }
    let mut homes = Vec::new();
    for held in held {
        let answer = held.await.expect("an answer");
        assert_eq!(answer.status, 200);
        homes.push(answer.header("x-origin").expect("a name").to_owned());
    }
    assert!(homes.iter().any(|home| home == "a"), "{homes:?}");
    let said = portcullis.run(&words(endpoint, &["--off"])).await;
    assert_eq!(
        (
            said.code,
            said.text.trim_end().ends_with("not drained any more")
        ),
        (0, true),
        "{said:?}"
    );
    eventually("it is used again", async || {
        drained.journal().requests() > seen + 20
    })
    .await;
    let report = clients.stop().await;
    report.assert_clean();
    assert!(report.reconnects.is_empty(), "{report}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_drain_stays_over_reloads_and_upgrades_until_it_is_taken_back() {
    let origins = three_origins().await;
    let mut portcullis = Portcullis::start(&yaml(&origins, 1)).await;
    let (one, other) = (address(&origins[0]), address(&origins[1]));
    assert_eq!(portcullis.run(&words(&one, &[])).await.code, 0);
    let check = async |portcullis: &Portcullis| {
        assert_eq!(
            told(portcullis, &one).await,
            (true, false, json!("drained"))
        );
        assert_eq!(told(portcullis, &other).await, (false, true, Value::Null));
        assert_eq!(
            (
                gauge(portcullis, &one).await,
                gauge(portcullis, &other).await
            ),
            (1.0, 0.0)
        );
        let mut client = http1(portcullis.listener("http")).await;
        for _ in 0..6 {
            assert_ne!(client.get("/").await.header("x-origin"), Some("a"));
        }
    };
    check(&portcullis).await;
    portcullis.apply(&yaml(&origins, 5)).await;
    check(&portcullis).await;
    portcullis.rejected("listeners: nonsense\n").await;
    check(&portcullis).await;
    portcullis.configure(&yaml(&origins, 3));
    for _ in 0..2 {
        let mut former = portcullis.upgrade(&[]).await;
        assert_eq!(former.end().await.code(), Some(0));
        check(&portcullis).await;
    }
    // What is no longer written down is forgotten with its drain.
    portcullis.apply(&yaml(&origins[1..], 1)).await;
    eventually("the former generation is gone", async || {
        portcullis
            .metric("portcullis_config_generations_in_use")
            .await
            == 1.0
    })
    .await;
    portcullis.apply(&yaml(&origins, 1)).await;
    assert_eq!(told(&portcullis, &one).await, (false, true, Value::Null));
    assert_eq!(portcullis.run(&words(&one, &[])).await.code, 0);
    assert_eq!(portcullis.run(&words(&one, &["--off"])).await.code, 0);
    assert_eq!(
        (
            told(&portcullis, &one).await,
            gauge(&portcullis, &one).await
        ),
        ((false, true, Value::Null), 0.0)
    );
    let mut former = portcullis.upgrade(&[]).await;
    assert_eq!(former.end().await.code(), Some(0));
    assert_eq!(told(&portcullis, &one).await, (false, true, Value::Null));
}
