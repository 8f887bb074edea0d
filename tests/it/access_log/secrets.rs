//! Does no way of writing a name bring a secret into the log?

use super::*;

/// What the log says once it has so many lines.
async fn text(portcullis: &Portcullis, lines: usize) -> String {
    let path = portcullis.directory().join("access.log");
    eventually_some("its lines", async || {
        let text = std::fs::read_to_string(&path).unwrap_or_default();
        (text.matches('\n').count() >= lines).then_some(text)
    })
    .await
}

/// What a route asks for: a key, hunter2, in this place.
fn key(place: &str) -> String {
    let sum = "f52fbd32b2b3b86ff88ef6c490628285f482af15ddcb29541f94bcf526a3f6c7";
    format!("api_key: {{from: {place}, keys: [{{name: me, sha256: {sum}}}]}}")
}

#[tokio::test]
async fn no_encoding_of_a_name_brings_its_value_into_the_log() {
    let origin = origin().await;
    for format in ["json", "combined"] {
        let portcullis = Portcullis::start(&logging(&origin, &format!(", format: {format}"))).await;
        let address = portcullis.listener("http");
        let queries = [
            "?access_token=hunter2",
            "?a=1&Access_Token=hunter2&b=2",
            "?%61ccess%5ftoken=hunter2",
            "?access_token=hunter2;b=2",
            "?a=1;access_token=hunter2",
            "?next=/b?access_token=hunter2",
            "?client%5Fsecret=hunter2&a[password]=hunter2&X-Amz-Signature=hunter2",
            "?SAMLResponse=hunter2",
        ];
        for query in queries {
            let asked = format!(
                "GET /a{query} HTTP/1.1\r\nHost: a.test\r\nReferer: http://a.test/b{query}#id_token=hunter2\r\n\r\n"
            );
            let answer = Raw::sent(address, asked).await.response().await;
            assert_eq!(answer.status, 200, "{query}");
        }
        // What is no request has a line as well.
        let broken = "GET /a?access_token=hunter2 HTTP/1.1\r\nHost: a.test\r\nno field\r\n\r\n";
        let answer = Raw::sent(address, broken).await.response().await;
        assert_eq!(answer.status, 400);
        let text = text(&portcullis, queries.len() + 1).await;
        assert!(!text.contains("hunter2"), "{text}");
        assert!(text.contains("/a?a=1&Access_Token=***&b=2"), "{text}");
    }
}

#[tokio::test]
async fn a_list_of_ones_own_takes_the_place_of_the_default_and_never_of_what_a_route_looks_for() {
    let origin = origin().await;
    let key = key("query.Key-Of-Mine");
    let yaml = logging(&origin, ", mask: {query: [mine]}")
        .replace("name: all, ", &format!("name: all, {key}, "));
    let portcullis = Portcullis::start(&yaml).await;
    let mut client = http1(portcullis.listener("http")).await;
    let target = "/a?access_token=shown&MINE=hidden&Key-Of-Mine=hunter2";
    assert_eq!(client.get(target).await.status, 200);
    let line = portcullis.logged(|_| true).await;
    assert_eq!(
        line["target"], "/a?access_token=shown&MINE=***&Key-Of-Mine=***",
        "{line}"
    );
}

#[tokio::test]
async fn an_address_in_a_chosen_field_is_masked_as_the_target_is() {
    let origin = origin().await;
    let chosen = ", fields: [path], headers: {request: [referer], response: [location]}";
    let elsewhere =
        "response_headers: {set: {Location: 'https://u:hunter2@a.test/?code=hunter2&b=2'}}";
    let yaml =
        logging(&origin, chosen).replace("name: all, ", &format!("name: all, {elsewhere}, "));
    let portcullis = Portcullis::start(&yaml).await;
    let asked = "GET http://u:hunter2@a.test/a?b=1 HTTP/1.1\r\nHost: a.test\r\n\
                 Referer: http://u:hunter2@a.test/?a=1&code=hunter2\r\n\r\n";
    let address = portcullis.listener("http");
    Raw::sent(address, asked).await.response().await;
    let asked =
        "GET /a?b=1 HTTP/1.1\r\nHost: a.test\r\nReferer: http://a.test/?a=1&code=hunter2\r\n\r\n";
    let answer = Raw::sent(address, asked).await.response().await;
    assert_eq!(answer.status, 200);
    let text = text(&portcullis, 2).await;
    assert!(!text.contains("hunter2"), "{text}");
    let line = "{\"path\":\"/a\",\"request_headers\":{\"referer\":\"http://a.test/?a=1&code=***\"},\
                \"response_headers\":{\"location\":\"https://***@a.test/?code=***&b=2\"}}\n";
    assert!(text.contains(line), "{text}");
}

#[tokio::test]
async fn a_field_in_which_a_route_looks_for_a_key_is_masked_from_the_reload_on_that_says_so() {
    let origin = origin().await;
    let chosen = ", fields: [status], headers: {request: [x-partner]}, mask: {headers: [cookie]}";
    let open = logging(&origin, chosen);
    let portcullis = Portcullis::start(&open).await;
    let ask = async |value: &str| {
        let asked = format!("GET /a HTTP/1.1\r\nHost: a.test\r\nX-Partner: {value}\r\n\r\n");
        let address = portcullis.listener("http");
        let answer = Raw::sent(address, asked).await.response().await;
        assert_eq!(answer.status, 200);
    };
    let has = |shown: &'static str| {
        portcullis.logged(move |line| line["request_headers"]["x-partner"] == shown)
    };
    ask("somebody").await;
    has("somebody").await;
    let key = key("header.X-Partner");
    portcullis
        .apply(&open.replace("name: all, ", &format!("name: all, {key}, ")))
        .await;
    ask("hunter2").await;
    has("***").await;
    let log = std::fs::read_to_string(portcullis.directory().join("access.log"));
    let log = log.expect("a log");
    assert!(!log.contains("hunter2"), "{log}");
}

#[tokio::test]
async fn a_key_that_a_mistyped_path_brings_to_another_route_is_masked() {
    let origin = origin().await;
    let key = key("query.Key-Of-Mine");
    let api = format!(
        "routes: [{{name: api, match: {{paths: [{{prefix: /api}}]}}, pool: origin, {key}}}, "
    );
    let yaml = logging(&origin, "").replace("routes: [", &api);
    let portcullis = Portcullis::start(&yaml).await;
    let mut client = http1(portcullis.listener("http")).await;
    for (path, route) in [("/api", "api"), ("/aip", "all")] {
        let target = format!("{path}?Key-Of-Mine=hunter2");
        assert_eq!(client.get(&target).await.status, 200);
        let line = portcullis.logged(|line| line["route"] == route).await;
        assert_eq!(line["target"], format!("{path}?Key-Of-Mine=***"), "{line}");
    }
}
