//! Does a listener's TLS show the right certificate to the right clients, and bring the others to it?

use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::version::{TLS12, TLS13};
use rustls::{ALL_VERSIONS, HandshakeKind};

use crate::support::*;

const HELLO: &str =
    "routes: [{name: hello, match: {paths: [{exact: /}]}, respond: {body: hello}}]\n";

/// A listener `https` with these `tls` settings beside the certificates, in YAML's flow style.
fn https(certificates: &str, settings: &str) -> String {
    format!(
        "listeners: [{{name: https, address: \"127.0.0.1:0\", \
         tls: {{certificates: [{certificates}]{settings}}}}}]\n{HELLO}"
    )
}

const ONE: &str = "{certificate: a.crt, key: a.key}";

/// The certificate that is shown to a client that asks for `name`.
async fn shown(
    portcullis: &Portcullis,
    authority: &Authority,
    name: &str,
) -> std::io::Result<CertificateDer<'static>> {
    let config = client_config(&authority.roots(), ALL_VERSIONS, &[]).into();
    let stream = tls(portcullis.listener("https"), name, &config).await?;
    let shown = stream
        .get_ref()
        .1
        .peer_certificates()
        .expect("a certificate");
    Ok(shown[0].clone())
}

/// An exact name, a wildcard, and a default that a client of any name in these tests would take.
async fn three_certificates(settings: &str) -> (Portcullis, Authority, [Identity; 3]) {
    let authority = Authority::new();
    let exact = authority.issue(&["a.wild.test"]);
    let wildcard = authority.issue(&["*.wild.test"]);
    let default = authority.issue(&["default.test", "unknown.test", "wild.test", "127.0.0.1"]);
    let certificates = "{certificate: exact.crt, key: exact.key}, \
                        {certificate: wildcard.crt, key: wildcard.key}, \
                        {certificate: d.crt, key: d.key, names: [default.test], default: true}";
    let portcullis = Portcullis::builder(&https(certificates, settings))
        .identity("exact", &exact)
        .identity("wildcard", &wildcard)
        .identity("d", &default)
        .start()
        .await;
    (portcullis, authority, [exact, wildcard, default])
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rfc6066_3_the_name_asked_for_chooses_exact_then_wildcard_then_default() {
    let (portcullis, authority, [exact, wildcard, default]) = three_certificates("").await;
    for (name, expected) in [
        ("a.wild.test", &exact),
        ("A.Wild.Test", &exact),
        ("b.wild.test", &wildcard),
        ("default.test", &default),
        // A wildcard stands for one label, no less (RFC 6125 §6.4.3).
        ("wild.test", &default),
        ("unknown.test", &default),
        // An address asks for no name.
        ("127.0.0.1", &default),
    ] {
        let shown = shown(&portcullis, &authority, name).await;
        assert_eq!(shown.expect("a handshake"), expected.der(), "{name}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unknown_name_can_be_rejected_with_an_alert() {
    let (portcullis, authority, [exact, ..]) = three_certificates(", unknown_name: reject").await;
    let error = shown(&portcullis, &authority, "unknown.test")
        .await
        .expect_err("rejected");
    assert!(error.to_string().contains("AccessDenied"), "{error}");
    let known = shown(&portcullis, &authority, "a.wild.test").await;
    assert_eq!(known.expect("a handshake"), exact.der());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn min_version_decides_whether_a_client_of_tls_1_2_gets_in() {
    let authority = Authority::new();
    let a = authority.issue(&["a.test"]);
    for (settings, gets_in) in [("", true), (", min_version: \"1.3\"", false)] {
        let portcullis = Portcullis::builder(&https(ONE, settings))
            .identity("a", &a)
            .start()
            .await;
        let address = portcullis.listener("https");
        let old = client_config(&authority.roots(), &[&TLS12], &[]).into();
        match tls(address, "a.test", &old).await {
            Ok(stream) if gets_in => {
                assert_eq!(
                    over(stream, false, "https", "a.test")
                        .await
                        .get("/")
                        .await
                        .status,
                    200
                );
                let line = portcullis.logged(|line| line["status"] == 200).await;
                assert_eq!(
                    (&line["tls_version"], &line["sni"]),
                    (&"TLSv1.2".into(), &"a.test".into())
                );
            }
            Err(error) if !gets_in => {
                assert!(error.to_string().contains("ProtocolVersion"), "{error}")
            }
            other => panic!("{settings}: {other:?}"),
        }
        let new = client_config(&authority.roots(), &[&TLS13], &[]).into();
        tls(address, "a.test", &new)
            .await
            .expect("TLS 1.3 always gets in");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_comes_back_resumes_its_session_on_whichever_worker() {
    let authority = Authority::new();
    let a = authority.issue(&["a.test"]);
    let yaml = format!("{}runtime: {{threads: 4}}\n", https(ONE, ""));
    let portcullis = Portcullis::builder(&yaml).identity("a", &a).start().await;
    for version in [&TLS12, &TLS13] {
        let config = Arc::new(client_config(&authority.roots(), &[version], &["http/1.1"]));
        for visit in 0..6 {
            let stream = tls(portcullis.listener("https"), "a.test", &config).await;
            let stream = stream.expect("a handshake");
            let kind = stream.get_ref().1.handshake_kind();
            let expected = if visit == 0 {
                HandshakeKind::Full
            } else {
                HandshakeKind::Resumed
            };
            assert_eq!(kind, Some(expected), "{version:?}, visit {visit}");
            // The tickets of TLS 1.3 come after the handshake (RFC 8446 §4.6.1).
            assert_eq!(
                over(stream, false, "https", "a.test")
                    .await
                    .get("/")
                    .await
                    .status,
                200
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rfc6797_7_2_hsts_is_said_over_tls_only_and_on_every_answer() {
    let authority = Authority::new();
    let origin = origin().await;
    let yaml = format!(
        "listeners:\n\
         - {{name: http, address: \"127.0.0.1:0\"}}\n\
         - {{name: https, address: \"127.0.0.1:0\", tls: {{certificates: [{ONE}], \
            hsts: {{max_age: 1d, include_subdomains: true, preload: true}}}}}}\n\
         routes:\n\
         - {{name: carried, match: {{paths: [{{prefix: /bytes}}]}}, pool: origin}}\n\
         - {{name: own, match: {{paths: [{{exact: /own}}]}}, respond: {{body: hello}}}}\n\
         pools: [{{name: origin, endpoints: [\"{}\"]}}]\n",
        origin.address().expect("an address")
    );
    let portcullis = Portcullis::builder(&yaml)
        .identity("a", &authority.issue(&["a.test"]))
        .start()
        .await;
    let mut plain = http1(portcullis.listener("http")).await;
    let mut secure = https1(portcullis.listener("https"), "a.test", &authority.roots()).await;
    let mut secure2 = https2(portcullis.listener("https"), "a.test", &authority.roots()).await;
    for path in ["/bytes/1", "/own", "/no-route"] {
        assert_eq!(
            plain.get(path).await.header("strict-transport-security"),
            None,
            "{path}"
        );
        for client in [&mut secure, &mut secure2] {
            let answer = client.get(path).await;
            let expected = Some("max-age=86400; includeSubDomains; preload");
            assert_eq!(
                answer.header("strict-transport-security"),
                expected,
                "{path}"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redirecting_listener_sends_every_request_to_the_same_address_over_https() {
    let origin = origin().await;
    let endpoint = origin.address();
    // Portcullis must know it before it listens.
    let port = free_port();
    let with_tls =
        format!("{{name: https, address: \"127.0.0.1:{port}\", tls: {{certificates: [{ONE}]}}}}, ");
    let authority = Authority::new();
    for (others, settings, shown) in [
        ("", "redirect: https", String::new()),
        (
            "",
            "redirect: https, redirect_port: 8443",
            ":8443".to_owned(),
        ),
        (with_tls.as_str(), "redirect: https", format!(":{port}")),
        (
            with_tls.as_str(),
            "redirect: https, redirect_port: 443",
            String::new(),
        ),
    ] {
        let yaml =
            site(settings, endpoint).replace("listeners: [", &format!("listeners: [{others}"));
        let portcullis = Portcullis::builder(&yaml)
            .identity("a", &authority.issue(&["a.test"]))
            .start()
            .await;
        let mut raw = Raw::connect(portcullis.listener("http")).await;
        for (method, host) in [
            ("GET", "a.test"),
            ("POST", "a.test:8080"),
            ("DELETE", "A.test:80"),
        ] {
            raw.send(format!(
                "{method} /p/q?x=1&y=%20 HTTP/1.1\r\nHost: {host}\r\n\r\n"
            ))
            .await;
            let response = raw.response().await;
            let expected = format!("https://a.test{shown}/p/q?x=1&y=%20");
            assert_eq!(
                (response.status, response.header("location")),
                (308, Some(expected.as_str()))
            );
        }
        raw.send("GET / HTTP/1.1\r\nHost: [2001:db8::1]:80\r\n\r\n")
            .await;
        let expected = format!("https://[2001:db8::1]{shown}/");
        assert_eq!(
            raw.response().await.header("location"),
            Some(expected.as_str())
        );
    }
    assert_eq!(origin.journal().connections(), 0);
}

#[test]
fn a_certificate_that_does_not_fit_its_key_is_refused_with_its_place() {
    let authority = Authority::new();
    let (one, other) = (authority.issue(&["a.test"]), authority.issue(&["a.test"]));
    let builder = Portcullis::builder(&https(ONE, ""))
        .file("a.crt", &one.certificate)
        .file("a.key", &other.key);
    let said = builder.refused(4);
    assert!(said.contains("portcullis.yaml:1:"), "{said}");
    assert!(
        said.contains("tls.certificates[0]") && said.contains("key"),
        "{said}"
    );
    assert_eq!(builder.output(&["check"]).status.code(), Some(1));
}
