//! Who may come in, by address?

use crate::support::*;

/// A listener and a route with these settings, behind a proxy at 127.0.0.1 that is believed.
async fn filtered(
    carrier: Carrier,
    origin: &origin::Origin,
    listener: &str,
    route: &str,
) -> Portcullis {
    let endpoint = origin.address().expect("an origin on TCP");
    let config = format!(
        "forwarding: {{trusted_proxies: [127.0.0.1]}}\n\
         listeners: [{{name: http, address: '127.0.0.1:0'{listener}}}]\n\
         routes:\n  - {{name: all, pool: origin}}\n  \
         - {{name: office, match: {{paths: [{{prefix: /office}}]}}, pool: origin{route}}}\n\
         pools: [{{name: origin, endpoints: ['{endpoint}']}}]\n"
    );
    Portcullis::builder(&config).carrier(carrier).start().await
}

/// The status of a request that a trusted proxy says came from `client`.
async fn status(client: &mut Client, path: &str, from: &str) -> u16 {
    let asked = request("GET", path)
        .header("x-forwarded-for", from)
        .body(full(""));
    client.ask(asked.expect("a request")).await.status.as_u16()
}

#[tokio::test]
async fn a_route_lets_in_whom_it_allows_and_does_not_deny() {
    both_carriers(async |carrier| {
        let origin = origin().await;
        let route = ", ip_filter: {allow: [10.0.0.0/8, '2001:db8::/32'], deny: [10.6.0.0/16]}";
        let portcullis = filtered(carrier, &origin, "", route).await;
        let address = portcullis.listener("http");
        for mut client in [http1(address).await, http2(address).await] {
            for (from, expected) in [
                ("10.1.2.3", 200),
                ("10.6.2.3", 403),
                ("192.0.2.1", 403),
                ("2001:db8::1", 200),
                ("2001:db9::1", 403),
            ] {
                assert_eq!(
                    status(&mut client, "/office/echo", from).await,
                    expected,
                    "{from}"
                );
                assert_eq!(status(&mut client, "/echo", from).await, 200, "{from}");
            }
        }
        let line = portcullis.logged(|line| line["status"] == 403).await;
        assert_eq!(line["reason"], "ip_denied");
        assert_eq!(line["route"], "office");
        assert_eq!(
            origin.journal().requests(),
            14,
            "who was refused did not get to the origin"
        );
    })
    .await;
}

#[tokio::test]
async fn a_listener_asks_before_a_route_is_looked_for() {
    let origin = origin().await;
    let portcullis = filtered(
        Carrier::Direct,
        &origin,
        ", ip_filter: {deny: [192.0.2.0/24]}",
        "",
    )
    .await;
    let mut client = http1(portcullis.listener("http")).await;
    for path in ["/echo", "/office/echo"] {
        assert_eq!(status(&mut client, path, "192.0.2.200").await, 403);
        assert_eq!(status(&mut client, path, "192.0.3.1").await, 200);
    }
    let line = portcullis.logged(|line| line["status"] == 403).await;
    assert_eq!(line["route"], serde_json::Value::Null);
}

#[tokio::test]
async fn a_client_can_not_claim_another_address() {
    let origin = origin().await;
    let endpoint = origin.address().expect("an origin on TCP");
    let config = format!(
        "listeners: [{{name: http, address: '127.0.0.1:0'}}]\n\
         routes: [{{name: all, pool: origin, ip_filter: {{allow: [10.0.0.0/8]}}}}]\n\
         pools: [{{name: origin, endpoints: ['{endpoint}']}}]\n"
    );
    let portcullis = Portcullis::start(&config).await;
    let mut client = http1(portcullis.listener("http")).await;
    assert_eq!(status(&mut client, "/echo", "10.0.0.1").await, 403);
}
