//! Is only a share of the requests logged, and everything that failed?

use super::*;

#[tokio::test]
async fn what_failed_or_took_long_is_logged_and_of_the_rest_a_share() {
    let origin = origin().await;
    let portcullis = Portcullis::start(&logging(&origin, ", sample: 0%, slow: 5s")).await;
    let mut client = http1(portcullis.listener("http")).await;
    for _ in 0..20 {
        assert_eq!(client.get("/plain").await.status, 200);
    }
    for target in ["/status/404", "/status/500", "/delay/5100"] {
        client.get(target).await;
        let line = portcullis.logged(|line| line["target"] == target).await;
        assert_eq!(line["sample"], 1, "{line}");
    }
    assert!(
        portcullis
            .access_log()
            .iter()
            .all(|line| line["target"] != "/plain"),
        "{:?}",
        portcullis.access_log()
    );

    portcullis.apply(&logging(&origin, ", sample: 50%")).await;
    for _ in 0..400 {
        assert_eq!(client.get("/half").await.status, 200);
    }
    client.get("/status/404").await;
    let is_last = |line: &serde_json::Value| line["target"] == "/status/404";
    eventually("the last line", async || {
        portcullis
            .access_log()
            .iter()
            .filter(|line| is_last(line))
            .count()
            == 2
    })
    .await;
    let log = portcullis.access_log();
    let half: Vec<_> = log
        .iter()
        .filter(|line| line["target"] == "/half")
        .collect();
    // Ten standard deviations.
    assert!((100..300).contains(&half.len()), "{}", half.len());
    assert!(half.iter().all(|line| line["sample"] == 0.5), "{half:?}");
}
