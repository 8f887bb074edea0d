//! Does a drained endpoint finish what it has and get nothing new, and who is told?

use origin::Origin;
use serde_json::{Value, json};

use crate::support::*;

async fn origins() -> Vec<Origin> {
    let mut origins = Vec::new();
    for name in ["a", "b", "c"] {
        let origin = Origin::builder().name(name).start().await;
        origins.push(origin.expect("an origin"));
    }
    origins
}

fn address(origin: &Origin) -> String {
    origin.address().expect("TCP").to_string()
}

/// A pool `app/p` with these endpoints, each with this weight.
fn yaml(origins: &[Origin], weight: u16) -> String {
    let endpoint = |origin| format!("{{address: \"{}\", weight: {weight}}}", address(origin));
    let endpoints: Vec<String> = origins.iter().map(endpoint).collect();
    format!(
        "listeners: [{{name: http, address: \"127.0.0.1:0\"}}]\nroutes: [{{name: all, pool: app/p}}]\n\
         pools: [{{name: app/p, endpoints: [{}]}}]\n",
        endpoints.join(", ")
    )
}

fn words<'w>(endpoint: &'w str, more: &[&'w str]) -> Vec<&'w str> {
    [&["drain", "--pool", "app/p", "--endpoint", endpoint], more].concat()
}

/// `/pools` says this of an endpoint: whether it is drained, available, and why not.
async fn told(portcullis: &Portcullis, endpoint: &str) -> (bool, bool, Value) {
    let report = Raw::connect(portcullis.admin())
        .await
        .get("/pools?pool=app%2Fp")
        .await
        .json();
    let endpoints = report["pools"][0]["endpoints"]
        .as_array()
        .expect("endpoints");
    let found = endpoints
        .iter()
        .find(|one| one["address"] == endpoint)
        .expect("the endpoint");
    let truth = |key: &str| found[key].as_bool().expect("a truth value");
    (
        truth("drained"),
        truth("available"),
        found["refusal"].clone(),
    )
}

async fn gauge(portcullis: &Portcullis, endpoint: &str) -> f64 {
    portcullis
        .metric(&format!(
            "portcullis_upstream_drained{{endpoint=\"{endpoint}\",pool=\"app/p\"}}"
        ))
        .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_drain_under_load_loses_nothing_and_lets_nothing_new_in() {
    let origins = origins().await;
    let portcullis = Portcullis::start(&yaml(&origins, 1)).await;
    let at = portcullis.listener("http");
    let clients = Ledger::builder(at)
        .kinds(&[Kind::Keepalive, Kind::Fresh, Kind::Http2, Kind::WebSocket])
        .start();
    clients.settled().await;
    // One that has begun at each.
    let mut held = Vec::new();
    for _ in 0..12 {
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
    let origins = origins().await;
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_asks_for_what_is_not_there_hears_what_is_and_browsers_hear_nothing() {
    let origins = origins().await;
    let portcullis = Portcullis::start(&yaml(&origins, 1)).await;
    let (one, other) = (address(&origins[0]), address(&origins[1]));
    let post = async |path: &str, fields: &str| {
        let asked = format!("POST {path} HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n{fields}\r\n");
        let response = Raw::sent(portcullis.admin(), asked).await.response().await;
        (response.status, response.text())
    };
    let (status, text) = post("/endpoints/drain?pool=app%2fp&endpoint=10.0.0.1%3A80", "").await;
    assert!(
        status == 404 && text.contains(&one) && text.contains(&other),
        "{text}"
    );
    let (status, text) = post(&format!("/endpoints/drain?pool=nope&endpoint={one}"), "").await;
    assert!(status == 404 && text.contains("app/p"), "{text}");
    for path in [
        "/endpoints/drain",
        "/endpoints/undrain?pool=app%2Fp",
        "/endpoints/drain?endpoint=a",
    ] {
        assert_eq!(post(path, "").await.0, 400, "{path}");
    }
    let drain = format!("/endpoints/drain?pool=app%2Fp&endpoint={one}");
    assert_eq!(post(&drain, "Origin: http://b.test\r\n").await.0, 403);
    let mut raw = Raw::connect(portcullis.admin()).await;
    let response = raw.get(&drain).await;
    assert_eq!(
        (response.status, response.header("allow")),
        (405, Some("POST"))
    );
    assert_eq!(told(&portcullis, &one).await, (false, true, Value::Null));
    assert_eq!(raw.get("/pools?pool=nope").await.status, 404);
    // Said twice it is as said once, and in the log once.
    for _ in 0..2 {
        let (status, text) = post(&drain, "User-Agent: somebody\r\n").await;
        assert!(status == 200 && text.contains("drained"), "{text}");
    }
    let line = format!("pool app/p: endpoint {one}: drained by somebody over the admin listener");
    portcullis.says(&line).await;
    assert_eq!(
        portcullis.stderr().matches("drained by somebody").count(),
        1
    );
    let said = portcullis.run(&words("10.0.0.1:80", &[])).await;
    assert_eq!(said.code, 1, "{said:?}");
    assert!(said.complaint.contains(&one), "{said:?}");
    for half in [
        ["drain", "--pool", "app/p"],
        ["drain", "--endpoint", "10.0.0.1:80"],
    ] {
        assert_eq!(portcullis.run(&half).await.code, 64);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_state_of_the_pools_is_told_in_json_and_in_a_table() {
    let origins = origins().await;
    let more = ", {name: other, endpoints: [{address: \"10.0.0.1:80\", max_requests: 7}, {address: \"[::1]:80\", backup: true}]}]\n";
    let yaml = yaml(&origins, 2);
    let yaml = yaml.strip_suffix("]\n").expect("the pools' end").to_owned() + more;
    let portcullis = Portcullis::start(&yaml).await;
    let mut client = http1(portcullis.listener("http")).await;
    for _ in 0..6 {
        assert_eq!(client.get("/").await.status, 200);
    }
    assert_eq!(
        portcullis
            .run(&words(&address(&origins[2]), &[]))
            .await
            .code,
        0
    );
    let mut busy = http1(portcullis.listener("http")).await;
    let held = tokio::spawn(async move { busy.get("/held").await });
    let one = async || origins[0].journal().in_flight() + origins[1].journal().in_flight() == 1;
    eventually("a request is held", one).await;
    let report = Raw::connect(portcullis.admin())
        .await
        .get("/pools")
        .await
        .json();
    assert_eq!(report["generation"], 1);
    let app = &report["pools"][0];
    assert_eq!(
        (&app["name"], &app["in_flight"]),
        (&json!("app/p"), &json!(1))
    );
    assert_eq!(report["pools"][1]["name"], "other");
    let requests = json!({"success": 2, "failure": 0, "neutral": 0});
    assert_eq!(
        app["endpoints"][2],
        json!({
            "address": address(&origins[2]), "weight": 2, "priority": 0, "max_requests": null, "in_flight": 0,
            "drained": true, "available": false, "refusal": "drained", "illness": null, "health": null,
            "unhealthy_for": null, "check_error": null, "ejected_for": null, "breaker": null, "trial_in": null, "share": 100, "requests": requests,
        })
    );
    let backup = &report["pools"][1]["endpoints"][1];
    assert_eq!(
        (&backup["address"], &backup["priority"]),
        (&json!("[::1]:80"), &json!(255))
    );
    let said = portcullis.run(&["status", "--json"]).await;
    let by_command: Value = serde_json::from_str(&said.text).expect("JSON");
    assert_eq!(by_command, report);
    let said = portcullis.run(&["status", "--pool", "other"]).await;
    assert_eq!(said.code, 0, "{said:?}");
    let lines: Vec<Vec<&str>> = said
        .text
        .lines()
        .map(|line| line.split_whitespace().collect())
        .collect();
    assert_eq!(lines[0], ["generation", "1"]);
    assert_eq!(lines[2][..2], ["pool", "other"]);
    assert_eq!(
        lines[4],
        ["10.0.0.1:80", "available", "1", "0", "0/7", "0", "0", "0"]
    );
    assert_eq!(portcullis.run(&["status", "--pool", "nope"]).await.code, 1);
    origins[0].release();
    origins[1].release();
    assert_eq!(held.await.expect("an answer").status, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_drains_the_last_endpoint_of_a_pool_is_warned() {
    let origins = origins().await;
    let [one, backup, spare] = [0, 1, 2].map(|index| address(&origins[index]));
    let yaml = format!(
        "listeners: [{{name: http, address: \"127.0.0.1:0\"}}]\nroutes: [{{name: all, pool: app/p}}]\n\
         pools: [{{name: app/p, endpoints: [\"{one}\", {{address: \"{backup}\", backup: true}}, \
         {{address: \"{spare}\", weight: 0}}]}}]\n"
    );
    let portcullis = Portcullis::start(&yaml).await;
    // Nobody comes to it, drained or not.
    assert_eq!(
        told(&portcullis, &spare).await,
        (false, false, json!("weight 0"))
    );
    let said = portcullis.run(&["status"]).await;
    let row = said.text.lines().find(|line| line.contains(&spare));
    let row: Vec<&str> = row.expect("its row").split("  ").map(str::trim).collect();
    assert!(row.contains(&"weight 0"), "{said:?}");
    let warned = async |words: &[&str]| {
        let said = portcullis.run(words).await;
        assert_eq!(said.code, 0, "{said:?}");
        let warning = said
            .text
            .lines()
            .find_map(|line| line.strip_prefix("warning: "));
        warning.map(str::to_owned)
    };
    let last = "it was the last endpoint of the pool that takes requests: new ones get 503";
    // The backup is left; who takes no requests by its weight is not.
    assert_eq!(warned(&words(&one, &[])).await, None);
    assert_eq!(warned(&words(&spare, &[])).await, None);
    assert_eq!(
        told(&portcullis, &spare).await,
        (true, false, json!("drained"))
    );
    assert_eq!(warned(&words(&backup, &[])).await.as_deref(), Some(last));
    let line = format!("pool app/p: endpoint {backup} is drained: {last}");
    portcullis.says(&line).await;
    assert_eq!(
        http1(portcullis.listener("http"))
            .await
            .get("/")
            .await
            .status,
        503
    );
    // Said again it is as true, and in the log once.
    assert_eq!(warned(&words(&backup, &[])).await.as_deref(), Some(last));
    assert_eq!(portcullis.stderr().matches(&line).count(), 1);
    assert_eq!(warned(&words(&backup, &["--off"])).await, None);
    let asked = format!(
        "POST /endpoints/drain?pool=app%2Fp&endpoint={backup} HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n"
    );
    let answer = Raw::sent(portcullis.admin(), asked).await.response().await;
    assert_eq!(
        answer.json(),
        json!({"pool": "app/p", "endpoint": backup, "drained": true, "changed": true, "warning": last})
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_drains_the_last_endpoint_that_is_well_is_warned_unless_health_is_looked_past_then() {
    let origins = origins().await;
    let (one, ill) = (address(&origins[0]), free_port());
    // One request that fails is enough to put the other endpoint of each pool out of use.
    let guards = [
        (
            "open",
            "breaker: {consecutive_failures: 1, open_for: 1h, max_open_for: 2h}",
        ),
        (
            "ejected",
            "ejection: {consecutive_failures: 1, time: 1h, max_time: 1h}",
        ),
        (
            "past",
            "panic_threshold: 50, ejection: {consecutive_failures: 1, time: 1h, max_time: 1h}",
        ),
    ];
    let mut yaml = "listeners: [{name: http, address: \"127.0.0.1:0\"}]\nroutes:\n".to_owned();
    for (name, _) in guards {
        yaml +=
            &format!("- {{name: {name}, match: {{paths: [{{exact: /{name}}}]}}, pool: {name}}}\n");
    }
    yaml += "pools:\n";
    for (name, guard) in guards {
        yaml +=
            &format!("- {{name: {name}, endpoints: [\"{one}\", \"127.0.0.1:{ill}\"], {guard}}}\n");
    }
    let portcullis = Portcullis::start(&yaml).await;
    let mut client = http1(portcullis.listener("http")).await;
    for (name, _) in guards {
        let path = format!("/pools?pool={name}");
        eventually("the other endpoint is out of use", async || {
            client.get(&format!("/{name}")).await;
            let mut raw = Raw::connect(portcullis.admin()).await;
            let endpoint = raw.get(&path).await.json()["pools"][0]["endpoints"][1].take();
            endpoint["breaker"] == "open" || endpoint["illness"] == "ejected"
        })
        .await;
        let said = portcullis
            .run(&["drain", "--pool", name, "--endpoint", &one])
            .await;
        assert_eq!(said.code, 0, "{said:?}");
        let warned = said
            .text
            .contains("\nwarning: no other endpoint of the pool is available now");
        assert_eq!(warned, name != "past", "{said:?}");
    }
}
