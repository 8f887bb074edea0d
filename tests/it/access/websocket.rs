//! Is a WebSocket asked for its right as any other request is?

use crate::support::*;

/// The handshake of RFC 6455 §1.2, with room for more lines.
fn handshake(more: &str) -> String {
    format!(
        "GET /ws HTTP/1.1\r\nHost: a.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{more}\r\n"
    )
}

/// A policy, the line of a request that has no right to pass it, the status of its refusal, and the line of one that has.
struct Row {
    policy: &'static str,
    wrong: &'static str,
    status: u16,
    right: &'static str,
}

/// One row a policy.
const POLICIES: [Row; 3] = [
    Row {
        policy: "ip_filter: {deny: [192.0.2.0/24]}",
        wrong: "X-Forwarded-For: 192.0.2.1\r\n",
        status: 403,
        right: "X-Forwarded-For: 198.51.100.1\r\n",
    },
    Row {
        policy: "api_key: {keys: [{name: chat, sha256: ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad}]}",
        wrong: "X-Api-Key: abd\r\n",
        status: 401,
        right: "X-Api-Key: abc\r\n",
    },
    Row {
        policy: "basic_auth: {users: {anna: $2y$04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW}}",
        // anna:Secret
        wrong: "Authorization: Basic YW5uYTpTZWNyZXQ=\r\n",
        status: 401,
        // anna:secret
        right: "Authorization: Basic YW5uYTpzZWNyZXQ=\r\n",
    },
];

#[tokio::test]
async fn a_websocket_without_the_right_is_refused_and_one_with_it_is_opened() {
    let origin = origin().await;
    for Row {
        policy,
        wrong,
        status,
        right,
    } in POLICIES
    {
        let yaml = site("", origin.address())
            .replace("pool: origin}", &format!("pool: origin, {policy}}}"))
            + "forwarding: {trusted_proxies: [127.0.0.1]}\n";
        let portcullis = Portcullis::start(&yaml).await;
        let address = portcullis.listener("http");
        let before = origin.journal().requests();
        // A filter of addresses has nothing against one that says nothing.
        let silent = (status == 401).then_some("");
        for line in silent.into_iter().chain([wrong]) {
            let mut raw = Raw::sent(address, handshake(line)).await;
            assert_eq!(raw.response().await.status, status, "{policy}: {line:?}");
        }
        assert_eq!(origin.journal().requests(), before, "{policy}");
        // The first time, and when it is known.
        for _ in 0..2 {
            let mut raw = Raw::sent(address, handshake(right)).await;
            let response = raw.response().await;
            assert_eq!(response.status, 101, "{policy}: {response:?}");
            // A masked text frame `Hello` (RFC 6455 §5.7), and its echo without mask.
            raw.send([
                0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58,
            ])
            .await;
            let echo = raw.exactly(7).await;
            assert_eq!(echo, [0x81, 0x05, b'H', b'e', b'l', b'l', b'o'], "{policy}");
        }
        assert_eq!(origin.journal().requests(), before + 2, "{policy}");
        let line = portcullis.logged(|line| line["status"] == status).await;
        assert_eq!(line["pool"], "origin", "{line}");
        assert_eq!(line["attempts"], 0, "{line}");
    }
}
