//! What do those hear who drain what is not there, or ask how the pools stand?

use serde_json::json;

use super::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_asks_for_what_is_not_there_hears_what_is_and_browsers_hear_nothing() {
    let origins = three_origins().await;
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
    let origins = three_origins().await;
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
