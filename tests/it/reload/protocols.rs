//! What becomes of connections when a listener goes on at its address with other protocol settings?

use std::net::SocketAddr;

use super::*;

/// One listener at this port with these settings, and a route that says this.
fn at(port: u16, settings: &str, word: &str) -> String {
    let comma = if settings.is_empty() { "" } else { ", " };
    let listener = format!("{{name: edge, address: \"127.0.0.1:{port}\"{comma}{settings}}}");
    config(&[&listener], &[&says(word, &[])], &[])
}

const TLS: &str = "tls: {certificates: [{certificate: a.crt, key: a.key}]}";

/// A Portcullis with such a listener, and a certificate beside it.
async fn start(settings: &str) -> (Portcullis, SocketAddr, Authority) {
    let (authority, port) = (Authority::new(), free_port());
    let portcullis = Portcullis::builder(&at(port, settings, "before"))
        .identity("a", &authority.issue(&["a.test"]))
        .start()
        .await;
    (portcullis, ([127, 0, 0, 1], port).into(), authority)
}

#[tokio::test]
async fn tls_can_be_switched_on_and_off_at_an_address() {
    let (portcullis, address, authority) = start("").await;
    let roots = authority.roots();
    let port = address.port();
    let (mut plain1, mut plain2) = (http1(address).await, http2(address).await);
    assert!(!plain1.get("/").await.closes());
    assert_eq!(plain2.get("/").await.text(), "before");
    let said = portcullis.apply(&at(port, TLS, "secured")).await;
    // The sockets stay: no moment at which a client would be refused.
    assert!(!said.text.contains("listening on"), "{said:?}");
    let mut secure1 = https1(address, "a.test", &roots).await;
    let mut secure2 = https2(address, "a.test", &roots).await;
    assert_eq!(secure1.get("/").await.text(), "secured");
    assert_eq!(secure2.get("/").await.text(), "secured");
    // Who came in the clear has one more answer, of the new generation, and is asked to leave.
    let answer = plain1.get("/").await;
    assert_eq!((answer.text().as_str(), answer.closes()), ("secured", true));
    plain1.closed().await;
    plain2.closed().await;
    let mut raw = Raw::sent(address, "GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert!(
        !raw.rest().await.starts_with(b"HTTP/1.1 200"),
        "in the clear"
    );
    portcullis.apply(&at(port, "", "plain")).await;
    assert_eq!(text(address).await, "plain");
    let answer = secure1.get("/").await;
    assert_eq!((answer.text().as_str(), answer.closes()), ("plain", true));
    secure2.closed().await;
    let config = client_config(&roots, rustls::ALL_VERSIONS, &[]).into();
    assert!(tls(address, "a.test", &config).await.is_err());
}

#[tokio::test]
async fn http2_can_be_switched_off_and_on() {
    for settings in ["", TLS] {
        let (portcullis, address, authority) = start(settings).await;
        let roots = authority.roots();
        let over_tls = !settings.is_empty();
        let client = async || match over_tls {
            true => https2(address, "a.test", &roots).await,
            false => http2(address).await,
        };
        let mut two = client().await;
        assert_eq!(two.get("/").await.text(), "before");
        let comma = if over_tls { ", " } else { "" };
        let off = format!("{settings}{comma}http2: false");
        portcullis.apply(&at(address.port(), &off, "off")).await;
        two.closed().await;
        if over_tls {
            let both = client_config(&roots, rustls::ALL_VERSIONS, &["h2", "http/1.1"]).into();
            let stream = tls(address, "a.test", &both).await.expect("a handshake");
            assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"http/1.1"[..]));
            assert_eq!(
                over(stream, false, "https", "a.test")
                    .await
                    .get("/")
                    .await
                    .text(),
                "off"
            );
        } else {
            let mut raw = Raw::sent(address, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await;
            assert!(raw.last_response().await.status >= 400);
            assert_eq!(text(address).await, "off");
        }
        portcullis.apply(&at(address.port(), settings, "on")).await;
        assert_eq!(client().await.get("/").await.text(), "on");
    }
}

#[tokio::test]
async fn the_proxy_protocol_can_be_switched_on_and_off() {
    const REQUIRED: &str = "proxy_protocol: {mode: required, trusted: [127.0.0.1]}";
    const ASK: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    let (portcullis, address, _) = start("").await;
    let mut old = http1(address).await;
    assert_eq!(old.get("/").await.text(), "before");
    portcullis
        .apply(&at(address.port(), REQUIRED, "behind"))
        .await;
    let header = "PROXY TCP4 192.0.2.7 192.0.2.1 4711 80\r\n";
    let mut new = Raw::sent(address, format!("{header}{ASK}")).await;
    assert_eq!(new.response().await.text(), "behind");
    let line = portcullis.logged(|line| line["route"] == "behind").await;
    assert_eq!(line["client"], "192.0.2.7", "{line}");
    assert!(
        Raw::sent(address, ASK).await.rest().await.is_empty(),
        "without a header"
    );
    assert!(old.get("/").await.closes());
    portcullis.apply(&at(address.port(), "", "open")).await;
    assert_eq!(text(address).await, "open");
    new.send(ASK).await;
    let response = new.last_response().await;
    assert!(
        response.text() == "open" && response.closes(),
        "{response:?}"
    );
}

#[tokio::test]
async fn a_lower_minimum_of_tls_lets_everyone_stay_who_is_there_and_a_higher_one_does_not_let_the_old_in()
 {
    let (portcullis, address, authority) = start(TLS).await;
    let old = client_config(
        &authority.roots(),
        &[&rustls::version::TLS12],
        &["http/1.1"],
    )
    .into();
    let stream = tls(address, "a.test", &old).await.expect("a handshake");
    let mut client = over(stream, false, "https", "a.test").await;
    assert_eq!(client.get("/").await.text(), "before");
    let strict = "tls: {min_version: \"1.3\", certificates: [{certificate: a.crt, key: a.key}]}";
    portcullis
        .apply(&at(address.port(), strict, "strict"))
        .await;
    assert!(tls(address, "a.test", &old).await.is_err());
    assert!(client.get("/").await.closes());
}

#[tokio::test]
async fn other_settings_let_connections_stay_and_hold_for_their_next_request() {
    let (portcullis, address, _) = start("").await;
    let mut client = http1(address).await;
    assert_eq!(client.get("/").await.text(), "before");
    let limits = "limits: {uri: 64, header: 1KiB}, timeouts: {body: 5s}";
    portcullis
        .apply(&at(address.port(), limits, "narrow"))
        .await;
    let answer = client.get("/").await;
    assert_eq!((answer.text().as_str(), answer.closes()), ("narrow", false));
    let long = format!("/{}", "a".repeat(100));
    assert_eq!(client.get(&long).await.status, 414);
}
