//! Do programs come in with their keys, and nobody else?

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
