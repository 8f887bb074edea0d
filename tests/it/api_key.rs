//! Do programs come in with their keys, and nobody else?

use origin::{RawAnswer, RawOrigin};

use crate::support::*;

/// Of `abc`.
const ABC: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

/// A route for everything with this policy.
fn config(origin: &origin::Origin, policy: &str) -> String {
    let endpoint = origin.address().expect("an origin on TCP");
    format!(
        "listeners: [{{name: http, address: '127.0.0.1:0'}}]\n\
         routes: [{{name: all, pool: origin, api_key: {{{policy}}}}}]\n\
         pools: [{{name: origin, endpoints: ['{endpoint}']}}]\n"
    )
}

async fn ask(client: &mut Client, path: &str, fields: &[(&str, &str)]) -> Answer {
    let mut asked = request("GET", path);
    for (name, value) in fields {
        asked = asked.header(*name, *value);
    }
    client.ask(asked.body(full("")).expect("a request")).await
}

fn is_refused(answer: &Answer) {
    assert_eq!(answer.status, 401, "{answer:?}");
    assert_eq!(answer.header("www-authenticate"), Some("Key"));
}

#[tokio::test]
async fn a_key_in_a_field_is_known_by_its_hash_and_does_not_reach_the_endpoint() {
    both_carriers(async |carrier| {
        let origin = origin().await;
        let keys = format!("keys: [{{name: billing, sha256: {ABC}}}]");
        let yaml = config(
            &origin,
            &format!("{keys}, file: keys.txt, user_header: X-Client"),
        );
        let builder = Portcullis::builder(&yaml).carrier(carrier);
        // Of `def`.
        let file =
            "# more\nshipping:cb8379ac2098aa165029e3938a51da0bcecfc008fd6795f401178647f96c5b34  -\n";
        let portcullis = builder.file("keys.txt", file).start().await;
        let address = portcullis.listener("http");
        for mut client in [http1(address).await, http2(address).await] {
            for (key, name) in [("abc", "billing"), ("def", "shipping")] {
                let fields = [("x-api-key", key), ("x-client", "root")];
                let answer = ask(&mut client, "/echo?x-api-key=abc", &fields).await;
                assert_eq!(answer.status, 200, "{key}");
                assert_eq!(answer.seen_header("x-api-key"), None);
                assert_eq!(answer.seen_header("x-client").as_deref(), Some(name));
                assert_eq!(answer.json()["uri"], "/echo?x-api-key=abc");
            }
            is_refused(&ask(&mut client, "/echo?x-api-key=abc", &[]).await);
            for wrong in ["", "abd", "ABC", ABC] {
                is_refused(&ask(&mut client, "/echo", &[("x-api-key", wrong)]).await);
            }
            let twice = [("x-api-key", "abc"), ("x-api-key", "abc")];
            is_refused(&ask(&mut client, "/echo", &twice).await);
        }
        assert_eq!(origin.journal().requests(), 4);
        let line = portcullis.logged(|line| line["user"] == "shipping").await;
        assert_eq!(line["status"], 200);
        let line = portcullis.logged(|line| line["status"] == 401).await;
        assert_eq!(
            (&line["reason"], line.get("user")),
            (&"unauthenticated".into(), None)
        );
    })
    .await;
}

#[tokio::test]
async fn a_key_in_the_query_is_taken_out_of_it_and_stands_in_no_log() {
    both_carriers(async |carrier| {
        let origin = origin().await;
        let policy = format!("from: query.key, keys: [{{name: billing, sha256: {ABC}}}]");
        let yaml = config(&origin, &policy);
        let portcullis = Portcullis::builder(&yaml).carrier(carrier).start().await;
        let address = portcullis.listener("http");
        for mut client in [http1(address).await, http2(address).await] {
            for (path, seen) in [
                ("/echo?key=abc", "/echo"),
                ("/echo?a=1&k%65y=a%62c&b=%20", "/echo?a=1&b=%20"),
                ("/./echo?key=abc&", "/echo"),
            ] {
                let answer = ask(&mut client, path, &[]).await;
                assert_eq!(
                    (answer.status.as_u16(), &answer.json()["uri"]),
                    (200, &seen.into()),
                    "{path}"
                );
            }
            for path in [
                "/echo",
                "/echo?keys=abc",
                "/echo?key=wrong-abc",
                "/echo?key=abc&key=abc",
                "/echo?key",
            ] {
                is_refused(&ask(&mut client, path, &[("x-api-key", "abc")]).await);
            }
        }
        portcullis
            .logged(|line| line["target"] == "/echo?key=***&key=***")
            .await;
        portcullis
            .logged(|line| line["target"] == "/echo?a=1&k%65y=***&b=%20")
            .await;
        eventually("all lines", async || portcullis.access_log().len() == 16).await;
        for line in portcullis.access_log() {
            let target = line["target"].as_str().expect("a target");
            assert!(
                target == "/echo?keys=abc" || !target.contains("abc"),
                "{line}"
            );
        }
    })
    .await;
}

#[tokio::test]
async fn a_key_in_the_query_stands_in_no_log_whoever_refuses_before_it_is_looked_at() {
    let origin = origin().await;
    let endpoint = origin.address().expect("an origin on TCP");
    let key =
        format!("pool: origin, api_key: {{from: query.key, keys: [{{name: b, sha256: {ABC}}}]}}");
    let yaml = format!(
        "listeners: [{{name: http, address: '127.0.0.1:0', limits: {{uri: 64}}}}]\n\
         routes:\n\
         - {{name: key, match: {{paths: [{{prefix: /key}}]}}, {key}}}\n\
         - {{name: denied, match: {{paths: [{{prefix: /denied}}]}}, ip_filter: {{deny: [127.0.0.0/8]}}, {key}}}\n\
         - {{name: own, match: {{paths: [{{prefix: /own}}]}}, respond: {{}}}}\n\
         - {{name: few, match: {{paths: [{{prefix: /few}}]}}, max_fields: 8, {key},\n\
         \x20   rate_limits: [{{name: r, rate: 1/h, burst: 1}}]}}\n\
         pools: [{{name: origin, endpoints: ['{endpoint}']}}]\n"
    );
    let portcullis = Portcullis::start(&yaml).await;
    let address = portcullis.listener("http");
    let long = format!("/key?key=abc&a={}", "a".repeat(64));
    let referer = ("referer", "http://test/key?a=1&key=abc&b=2");
    let many: Vec<_> = [
        "x-a", "x-b", "x-c", "x-d", "x-e", "x-f", "x-g", "x-h", "x-i",
    ]
    .iter()
    .map(|name| (*name, "1"))
    .collect();
    let mut asked = 0;
    for mut client in [http1(address).await, http2(address).await] {
        for (path, fields, status) in [
            ("/denied?key=abc&a=1", &[referer][..], 403),
            ("/nowhere?key=abc", &[referer], 404),
            ("/key/%2f?k%65y=abc", &[referer], 400),
            ("/few?key=abc", &many, 431),
            (&long, &[], 414),
            ("/own", &[referer], 200),
        ] {
            // One that is refused unread ends its connection.
            let answer = match status {
                414 => ask(&mut http1(address).await, path, fields).await,
                _ => ask(&mut client, path, fields).await,
            };
            assert_eq!(answer.status, status, "{path}");
            asked += 1;
        }
    }
    let mut client = http1(address).await;
    assert_eq!(ask(&mut client, "/few?key=abc", &[]).await.status, 200);
    assert_eq!(ask(&mut client, "/few?key=abc", &[]).await.status, 429);
    let unread = b"GET\t/key?key=abc HTTP/1.1\r\nHost: test\r\n\r\n";
    assert_eq!(
        Raw::sent(address, unread).await.response().await.status,
        400
    );
    asked += 3;
    eventually("all lines", async || portcullis.access_log().len() == asked).await;
    for line in portcullis.access_log() {
        assert!(!line.to_string().contains("=abc"), "{line}");
        if let Some(referer) = line.get("referer") {
            assert_eq!(referer, "http://test/key?a=1&key=***&b=2");
        }
    }
    portcullis
        .logged(|line| line["target"] == "/denied?key=***&a=1")
        .await;
}

#[tokio::test]
async fn a_key_that_is_not_forwarded_is_told_neither_where_a_redirect_leads_nor_to_a_service() {
    both_carriers(async |carrier| {
        let (origin, auth) = (origin().await, service().await);
        let endpoint = origin.address().expect("an origin on TCP");
        for (forward, seen) in [(false, "?a=1"), (true, "?key=abc&a=1")] {
            let key = format!(
                "api_key: {{from: query.key, forward: {forward}, keys: [{{name: b, sha256: {ABC}}}]}}"
            );
            let yaml = format!(
                "listeners: [{{name: http, address: '127.0.0.1:0'}}]\n\
                 routes:\n\
                 - {{name: moved, match: {{paths: [{{prefix: /moved}}]}}, redirect: {{host: other.test}}, {key}}}\n\
                 - {{name: all, pool: origin, forward_auth: {{pool: auth}}, {key}}}\n\
                 pools:\n\
                 - {{name: origin, endpoints: ['{endpoint}']}}\n\
                 - {{name: auth, endpoints: ['{}']}}\n",
                auth.address()
            );
            let portcullis = Portcullis::builder(&yaml).carrier(carrier).start().await;
            let mut client = http1(portcullis.listener("http")).await;
            let answer = ask(&mut client, "/moved?key=abc&a=1", &[]).await;
            let location = answer.header("location").expect("a place");
            assert!(location.starts_with("http://other.test"), "{location}");
            assert!(location.ends_with(&format!("/moved{seen}")), "{location}");
            let answer = ask(&mut client, "/echo?key=abc&a=1", &[]).await;
            assert_eq!(answer.json()["uri"], format!("/echo{seen}"));
            let questions = String::from_utf8(auth.received().concat()).expect("text");
            for line in ["GET ", "x-forwarded-uri: ", "x-original-uri: "] {
                let told = format!("{line}/echo{seen}").to_lowercase();
                let questions = questions.to_lowercase();
                assert!(questions.contains(&told), "{told} in {questions}");
            }
            assert_eq!(questions.contains("=abc"), forward, "{questions}");
        }
    })
    .await;
}

/// A service that lets everybody in.
async fn service() -> RawOrigin {
    let answer = |_: &[u8]| RawAnswer::new().send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    RawOrigin::start(answer).await.expect("a service")
}

#[tokio::test]
async fn a_key_is_forwarded_where_that_is_wanted() {
    both_carriers(async |carrier| {
        let origin = origin().await;
        let keys = format!("keys: [{{name: billing, sha256: {ABC}}}], forward: true");
        for from in ["header.Authorization", "query.key"] {
            let yaml = config(&origin, &format!("from: {from}, {keys}"));
            let portcullis = Portcullis::builder(&yaml).carrier(carrier).start().await;
            let mut client = http1(portcullis.listener("http")).await;
            let answer = match from {
                "query.key" => ask(&mut client, "/echo?key=abc", &[]).await,
                _ => ask(&mut client, "/echo", &[("authorization", "abc")]).await,
            };
            match from {
                "query.key" => assert_eq!(answer.json()["uri"], "/echo?key=abc"),
                _ => assert_eq!(answer.seen_header("authorization").as_deref(), Some("abc")),
            }
            if from == "query.key" {
                portcullis
                    .logged(|line| line["target"] == "/echo?key=***")
                    .await;
            }
        }
    })
    .await;
}

#[tokio::test]
async fn a_key_is_taken_away_by_a_reload() {
    let origin = origin().await;
    let yaml = config(&origin, "file: keys.txt");
    let builder = Portcullis::builder(&yaml).file("keys.txt", format!("billing:{ABC}\n"));
    let portcullis = builder.start().await;
    let mut client = http1(portcullis.listener("http")).await;
    let key = [("x-api-key", "abc")];
    assert_eq!(ask(&mut client, "/echo", &key).await.status, 200);
    portcullis.replace("keys.txt", "billing:secret-in-plain\n");
    let said = portcullis.rejected(&yaml).await;
    assert!(
        said.text
            .contains("keys.txt:1:1: error: routes[all].api_key.file: "),
        "{said:?}"
    );
    assert!(!said.text.contains("secret-in-plain"), "{said:?}");
    assert_eq!(ask(&mut client, "/echo", &key).await.status, 200);
    portcullis.replace("keys.txt", format!("billing:{}\n", ABC.replace('b', "c")));
    portcullis.apply(&yaml).await;
    is_refused(&ask(&mut client, "/echo", &key).await);
}

#[tokio::test]
async fn a_grpc_client_is_told_in_its_own_way() {
    let origin = origin().await;
    let yaml = config(
        &origin,
        &format!("keys: [{{name: billing, sha256: {ABC}}}]"),
    );
    let portcullis = Portcullis::start(&yaml).await;
    let mut client = http2(portcullis.listener("http")).await;
    let asked = request("POST", "/origin.Echo/Unary").header("content-type", "application/grpc");
    let answer = client.ask(asked.body(full("")).expect("a request")).await;
    assert_eq!(
        (answer.status.as_u16(), answer.header("grpc-status")),
        (200, Some("16"))
    );
}
