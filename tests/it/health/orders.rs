//! Can the operator have endpoints checked at once?

use serde_json::{Value, json};

use super::*;

/// What `POST /check` with this query answers.
async fn ask(portcullis: &Portcullis, query: &str) -> (u16, String) {
    let request = format!("POST /check{query} HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n");
    let answer = Raw::sent(portcullis.admin(), request)
        .await
        .response()
        .await;
    (answer.status, answer.text())
}

async fn results(portcullis: &Portcullis, query: &str) -> Value {
    let (status, text) = ask(portcullis, query).await;
    assert_eq!(status, 200, "{text}");
    serde_json::from_str(&text).expect("JSON")
}

#[tokio::test]
async fn a_check_on_order_counts_and_its_result_is_the_answer() {
    let (one, two) = (Patient::start("one").await, Patient::start("two").await);
    let health = "path: /health, interval: 1h, timeout: 3s, fall: 2, rise: 1";
    let addresses = [one.address(), two.address()];
    let portcullis = Portcullis::start(&checked(&addresses, health)).await;
    for address in addresses {
        eventually("a first check", async || {
            checks(&portcullis, address, "passed").await == 1.0
        })
        .await;
    }
    let result = |patient: &Patient, cause: Option<&str>, healthy: bool| match cause {
        None => {
            json!({"endpoint": patient.address().to_string(), "passed": true, "healthy": healthy})
        }
        Some(cause) => json!({
            "endpoint": patient.address().to_string(), "passed": false, "cause": cause, "healthy": healthy
        }),
    };
    let sorted = |mut results: [Value; 2]| {
        results.sort_by_key(|result| result["endpoint"].to_string());
        json!({"pool": "p", "checks": results})
    };
    two.says(500, "");
    let failed = "status 500";
    assert_eq!(
        results(&portcullis, "?pool=p").await,
        sorted([result(&one, None, true), result(&two, Some(failed), true)])
    );
    assert_eq!(
        results(&portcullis, "?pool=p").await,
        sorted([result(&one, None, true), result(&two, Some(failed), false)])
    );
    assert_eq!(answers(&portcullis, 5).await, ["one"; 5]);
    two.says(200, "");
    let of_two = format!("?pool=p&endpoint={}", two.address());
    assert_eq!(
        results(&portcullis, &of_two).await["checks"],
        json!([result(&two, None, true)])
    );
    assert_eq!((one.checks().len(), two.checks().len()), (3, 4));
    // While one runs, the order is for the next: what was asked before may be out of date.
    two.hangs();
    let waiting = tokio::spawn({
        let address = portcullis.admin();
        let query = of_two.clone();
        async move {
            let request =
                format!("POST /check{query} HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n");
            Raw::sent(address, request).await.response().await.text()
        }
    });
    eventually("it runs", async || two.checks().len() == 5).await;
    two.says(200, "");
    assert_eq!(
        results(&portcullis, &of_two).await["checks"],
        json!([result(&two, None, true)])
    );
    let first: Value = serde_json::from_str(&waiting.await.expect("no panic")).expect("JSON");
    assert_eq!(
        first["checks"],
        json!([result(&two, Some("timeout after 3s"), true)])
    );
}

#[tokio::test]
async fn endpoints_that_a_reload_has_just_brought_can_be_checked() {
    let (one, two) = (Patient::start("one").await, Patient::start("two").await);
    let health = "path: /health, interval: 1h";
    let portcullis = Portcullis::start(&checked(&[one.address()], health)).await;
    for _ in 0..5 {
        for patient in [&two, &one] {
            portcullis.configure(&checked(&[patient.address()], health));
            let mut raw = Raw::connect(portcullis.admin()).await;
            // One after the other on one connection, and so without a pause.
            raw.send("POST /reload HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n")
                .await;
            assert_eq!(raw.response().await.status, 200);
            let order = format!("POST /check?pool=p&endpoint={} HTTP/1.1", patient.address());
            raw.send(format!("{order}\r\nHost: a\r\nContent-Length: 0\r\n\r\n"))
                .await;
            assert_eq!(raw.response().await.status, 200);
        }
    }
}

#[tokio::test]
async fn what_can_t_be_checked_is_told() {
    let patient = Patient::start("a").await;
    let yaml = checked(&[patient.address()], "path: /health").replace(
        "pools: [",
        "pools: [{name: unchecked, endpoints: ['127.0.0.1:1']}, ",
    );
    let portcullis = Portcullis::start(&yaml).await;
    for (query, status, said) in [
        ("", 400, "say which pool"),
        (
            "?pool=q",
            404,
            "there is no pool `q`; there are: unchecked, p",
        ),
        (
            "?pool=unchecked",
            404,
            "pool unchecked has no health checks",
        ),
        (
            "?pool=p&endpoint=127.0.0.1:1",
            404,
            &format!(
                "pool p has no endpoint `127.0.0.1:1`; it has: {}",
                patient.address()
            ),
        ),
    ] {
        let (found, text) = ask(&portcullis, query).await;
        assert_eq!(found, status, "{query}: {text}");
        assert!(text.contains(said), "{query}: {text}");
    }
    let answer = Raw::connect(portcullis.admin())
        .await
        .get("/check?pool=p")
        .await;
    assert_eq!((answer.status, answer.header("allow")), (405, Some("POST")));
}
