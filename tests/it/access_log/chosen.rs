//! Do lines have the fields and headers that were chosen, and say who ended what failed?

use super::*;

#[tokio::test]
async fn a_line_has_the_chosen_fields_and_headers_in_their_order() {
    both_carriers(async |carrier| {
        let origin = origin().await;
        let settings = ", fields: [status, path, method], \
                        headers: {request: [X-Version, Cookie, X-None], response: [Content-Length, Set-Cookie]}";
        let yaml = logging(&origin, settings);
        let portcullis = Portcullis::builder(&yaml).carrier(carrier).start().await;
        let address = portcullis.listener("http");
        let mut clients = [http1(address).await, http2(address).await];
        for (index, client) in clients.iter_mut().enumerate() {
            let asked = request("GET", "/bytes/7?a=b")
                .header("x-version", "\"1\\")
                .header("x-version", "2\u{2028}")
                .header("cookie", "session=hunter2");
            let answer = client.ask(asked.body(full("")).expect("a request")).await;
            assert_eq!(answer.status, 200);
            eventually("its line", async || portcullis.access_log().len() == index + 1).await;
        }
        let log = portcullis.directory().join("access.log");
        let text = std::fs::read_to_string(log).expect("a log");
        let expected = "{\"status\":200,\"path\":\"/bytes/7\",\"method\":\"GET\",\"request_headers\":\
                        {\"x-version\":\"\\\"1\\\\, 2\\u2028\",\"cookie\":\"***\"},\
                        \"response_headers\":{\"content-length\":\"7\"}}\n";
        assert_eq!(text, expected.repeat(2));
    })
    .await;
}

#[tokio::test]
async fn what_was_chosen_changes_by_a_reload() {
    let origin = origin().await;
    let portcullis = Portcullis::start(&logging(&origin, ", fields: [status]")).await;
    let mut client = http1(portcullis.listener("http")).await;
    client.get("/").await;
    portcullis
        .logged(|line| *line == serde_json::json!({"status": 200}))
        .await;
    let said = portcullis
        .apply(&logging(&origin, ", fields: [target]"))
        .await;
    assert!(
        said.text.contains("access_log: changed: fields"),
        "{}",
        said.text
    );
    client.get("/b").await;
    portcullis
        .logged(|line| *line == serde_json::json!({"target": "/b"}))
        .await;
}

#[tokio::test]
async fn a_line_says_who_ended_a_request_that_failed() {
    let origin = origin().await;
    let endpoint = origin.address().expect("TCP");
    let nobody = free_port();
    let yaml = format!(
        "listeners: [{{name: http, address: '127.0.0.1:0', limits: {{uri: 1KiB}}}}]\n\
         routes:\n\
         - {{name: good, match: {{paths: [{{prefix: /good}}]}}, pool: good}}\n\
         - {{name: bad, match: {{paths: [{{prefix: /bad}}]}}, pool: bad}}\n\
         - {{name: none, match: {{paths: [{{prefix: /none}}]}}, pool: good, ip_filter: {{deny: [127.0.0.1]}}}}\n\
         pools:\n\
         - {{name: good, endpoints: ['{endpoint}']}}\n\
         - {{name: bad, endpoints: ['127.0.0.1:{nobody}'], retries: {{limit: 0}}}}\n"
    );
    let portcullis = Portcullis::start(&yaml).await;
    let long = "x".repeat(2_000);
    for (target, by, reason) in [
        ("/good", None, None),
        ("/bad", Some("endpoint"), Some("connect_refused")),
        ("/none", Some("operator"), Some("ip_denied")),
        ("/elsewhere", Some("operator"), Some("no_route")),
        (
            &*format!("/long/{long}"),
            Some("client"),
            Some("uri_too_long"),
        ),
    ] {
        http1(portcullis.listener("http")).await.get(target).await;
        let line = portcullis
            .logged(|line| {
                line["target"]
                    .as_str()
                    .is_some_and(|logged| target.starts_with(logged))
            })
            .await;
        let told = |field: &str| line.get(field).and_then(|value| value.as_str());
        assert_eq!((told("ended_by"), told("reason")), (by, reason), "{line}");
    }
}
