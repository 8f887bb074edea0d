//! Is every kind of endpoint reached: TLS, HTTP/2, Unix sockets, host names?

use origin::{Origin, TlsSettings};
use serde_json::Value;

use crate::support::*;

/// A site whose pool has this endpoint and these settings.
fn pool(endpoint: &str, settings: &str) -> String {
    format!(
        "listeners: [{{name: http, address: '127.0.0.1:0'}}]\nroutes: [{{name: all, pool: origin}}]\n\
         pools: [{{name: origin, endpoints: ['{endpoint}']{settings}}}]\n"
    )
}

async fn tls_origin(identity: &Identity, clients: Option<&Authority>) -> (Origin, String) {
    let settings = TlsSettings {
        cert_pem: identity.certificate.clone(),
        key_pem: identity.key.clone(),
        client_ca_pem: clients.map(|authority| authority.pem().to_owned()),
    };
    let origin = Origin::builder()
        .tls(settings)
        .start()
        .await
        .expect("an origin");
    let address = origin.address().expect("TCP").to_string();
    (origin, address)
}

/// What the origin saw of a GET and, where the carrier can do it, of a POST.
async fn echoes(portcullis: &Portcullis, carrier: Carrier) -> Vec<Value> {
    let mut client = http1(portcullis.listener("http")).await;
    let mut echoes = vec![client.get("/echo").await.json()];
    if carrier == Carrier::Duplex {
        let echo = client.post("/echo", "a body").await.json();
        assert_eq!(echo["body"], "a body");
        echoes.push(echo);
    }
    echoes
}

#[tokio::test]
async fn an_endpoint_with_a_certificate_of_the_pools_own_authority_is_verified_and_asked_by_name() {
    both_carriers(async |carrier| {
        let authority = Authority::new();
        let (_origin, address) = tls_origin(&authority.issue(&["inner.test"]), None).await;
        let yaml = pool(&address, ", tls: {ca: ca.pem, name: inner.test}");
        let portcullis = Portcullis::builder(&yaml)
            .file("ca.pem", authority.pem())
            .carrier(carrier)
            .start()
            .await;
        for echo in echoes(&portcullis, carrier).await {
            assert_eq!(echo["tls"]["sni"], "inner.test", "{echo}");
            assert_eq!(echo["tls"]["alpn"], "http/1.1", "{echo}");
            assert_eq!(echo["version"], "HTTP/1.1", "{echo}");
        }
    })
    .await;
}

#[tokio::test]
async fn a_machine_without_authorities_can_still_speak_tls_where_it_does_not_need_them() {
    both_carriers(async |carrier| {
        let authority = Authority::new();
        let (_origin, address) = tls_origin(&authority.issue(&["inner.test"]), None).await;
        for tls in ["verify: false", "ca: ca.pem, name: inner.test"] {
            let portcullis = Portcullis::builder(&pool(&address, &format!(", tls: {{{tls}}}")))
                .file("ca.pem", authority.pem())
                .env("SSL_CERT_FILE", "/dev/null")
                .env("SSL_CERT_DIR", "/nonexistent")
                .carrier(carrier)
                .start()
                .await;
            assert_eq!(
                echoes(&portcullis, carrier).await[0]["method"],
                "GET",
                "{tls}"
            );
        }
    })
    .await;
}

#[tokio::test]
async fn a_certificate_that_does_not_verify_is_a_failure_with_its_own_reason() {
    both_carriers(async |carrier| {
        let (authority, other) = (Authority::new(), Authority::new());
        for (issuer, names, asked) in [
            (&other, "inner.test", "inner.test"),
            (&authority, "other.test", "inner.test"),
        ] {
            let (origin, address) = tls_origin(&issuer.issue(&[names]), None).await;
            let yaml = pool(&address, &format!(", tls: {{ca: ca.pem, name: {asked}}}"));
            let portcullis = Portcullis::builder(&yaml)
                .file("ca.pem", authority.pem())
                .carrier(carrier)
                .start()
                .await;
            let answer = http1(portcullis.listener("http")).await.get("/").await;
            assert_eq!(answer.status, 502);
            assert_eq!(
                answer.header("proxy-status"),
                Some("portcullis;error=tls_protocol_error;details=\"upstream_tls\"")
            );
            let line = portcullis.logged(|_| true).await;
            assert_eq!(
                (&line["reason"], &line["phase"]),
                (&"upstream_tls".into(), &"connect".into()),
                "{line}"
            );
            assert_eq!(origin.journal().requests(), 0);
        }
    })
    .await;
}

#[tokio::test]
async fn with_verify_off_any_certificate_will_do() {
    both_carriers(async |carrier| {
        let (_origin, address) = tls_origin(&Authority::new().issue(&["whoever.test"]), None).await;
        let yaml = pool(&address, ", tls: {verify: false}");
        let portcullis = Portcullis::builder(&yaml).carrier(carrier).start().await;
        for echo in echoes(&portcullis, carrier).await {
            assert!(echo["tls"]["version"].is_string(), "{echo}");
        }
    })
    .await;
}

#[tokio::test]
async fn an_endpoint_that_wants_a_certificate_gets_the_pools() {
    both_carriers(async |carrier| {
        let authority = Authority::new();
        let (_origin, address) =
            tls_origin(&authority.issue(&["inner.test"]), Some(&authority)).await;
        let with = pool(
            &address,
            ", tls: {ca: ca.pem, name: inner.test, certificate: me.crt, key: me.key}",
        );
        let without = pool(&address, ", tls: {ca: ca.pem, name: inner.test}");
        let start = async |yaml: &str| {
            let builder = Portcullis::builder(yaml).file("ca.pem", authority.pem());
            builder
                .identity("me", &authority.issue(&["edge.test"]))
                .carrier(carrier)
                .start()
                .await
        };
        for echo in echoes(&start(&with).await, carrier).await {
            assert_eq!(echo["tls"]["client_certificates"], 1, "{echo}");
        }
        let portcullis = start(&without).await;
        assert_eq!(
            http1(portcullis.listener("http"))
                .await
                .get("/")
                .await
                .status,
            502
        );
    })
    .await;
}

#[tokio::test]
async fn http2_is_spoken_with_endpoints_by_prior_knowledge_and_over_tls() {
    let authority = Authority::new();
    let (_tls_origin, tls_address) = tls_origin(&authority.issue(&["inner.test"]), None).await;
    let plain_origin = origin().await;
    let plain = pool(
        &plain_origin.address().expect("TCP").to_string(),
        ", protocol: http2",
    );
    let tls = pool(
        &tls_address,
        ", protocol: http2, tls: {ca: ca.pem, name: inner.test}",
    );
    for (yaml, alpn) in [(plain, Value::Null), (tls, "h2".into())] {
        let portcullis = Portcullis::builder(&yaml)
            .file("ca.pem", authority.pem())
            .start()
            .await;
        let address = portcullis.listener("http");
        for mut client in [http1(address).await, http2(address).await] {
            let asked = request("POST", "/echo?q=1")
                .header("host", "a.test")
                .body(full("a body"))
                .expect("a request");
            let echo = client.ask(asked).await.json();
            assert_eq!(
                (&echo["version"], &echo["body"]),
                (&"HTTP/2.0".into(), &"a body".into()),
                "{echo}"
            );
            assert_eq!(
                echo["tls"].get("alpn").unwrap_or(&Value::Null),
                &alpn,
                "{echo}"
            );
            assert!(
                echo["uri"]
                    .as_str()
                    .is_some_and(|uri| uri.ends_with("a.test/echo?q=1")),
                "{echo}"
            );
            let answer = client.get("/headers?x-a=1").await;
            assert_eq!(
                (answer.status.as_u16(), answer.header("x-a")),
                (200, Some("1"))
            );
            assert_eq!(answer.header("via"), Some("2 portcullis"));
            let mut body = client.get("/bytes/300k").await.body;
            assert_eq!(body.split_off(0), origin::expected_bytes(300 << 10));
            let head = client
                .ask(
                    request("HEAD", "/bytes/10")
                        .body(full(""))
                        .expect("a request"),
                )
                .await;
            assert_eq!(
                (head.status.as_u16(), head.header("content-length")),
                (200, Some("10"))
            );
        }
    }
}

#[tokio::test]
async fn an_endpoint_on_a_unix_socket_is_reached() {
    both_carriers(async |carrier| {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("origin.sock");
        let _origin = Origin::builder()
            .listen_unix(&path)
            .start()
            .await
            .expect("an origin");
        let yaml = pool(&format!("unix:{}", path.display()), "");
        let portcullis = Portcullis::builder(&yaml).carrier(carrier).start().await;
        for _ in 0..2 {
            assert!(!echoes(&portcullis, carrier).await.is_empty());
        }
        let line = portcullis.logged(|line| line["status"] == 200).await;
        assert_eq!(
            line["endpoint"],
            format!("unix:{}", path.display()),
            "{line}"
        );
    })
    .await;
}

#[tokio::test]
async fn a_host_name_is_resolved_off_the_request_path_and_used_for_tls_and_host() {
    both_carriers(async |carrier| {
        let authority = Authority::new();
        let (_origin, address) = tls_origin(&authority.issue(&["localhost"]), None).await;
        let port = address.rsplit(':').next().expect("a port");
        let yaml = pool(
            &format!("localhost:{port}"),
            ", host: endpoint, tls: {ca: ca.pem}",
        );
        let portcullis = Portcullis::builder(&yaml)
            .file("ca.pem", authority.pem())
            .carrier(carrier)
            .start()
            .await;
        let mut client = http1(portcullis.listener("http")).await;
        // The name may mean ::1 as well, where nobody listens; its turn is every second request.
        let answer = eventually_some("localhost is resolved", async || {
            let answer = client.get("/echo").await;
            (answer.status == 200).then_some(answer)
        })
        .await;
        assert_eq!(
            answer.seen_header("host"),
            Some(format!("localhost:{port}"))
        );
        assert_eq!(answer.json()["tls"]["sni"], "localhost");
        let line = portcullis.logged(|line| line["status"] == 200).await;
        assert_eq!(line["endpoint"], address, "{line}");
    })
    .await;
}
