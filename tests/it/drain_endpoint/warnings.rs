//! Is whoever drains the last endpoint of a pool warned?

use serde_json::json;

use super::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_drains_the_last_endpoint_of_a_pool_is_warned() {
    let origins = three_origins().await;
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
    let origins = three_origins().await;
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
