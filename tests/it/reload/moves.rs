//! What becomes of connections when listeners change names and addresses?

use super::*;

fn listener(name: &str, address: impl std::fmt::Display) -> String {
    format!("{{name: {name}, address: \"{address}\"}}")
}

#[tokio::test]
async fn a_renamed_listener_keeps_its_sockets_and_its_connections() {
    let address = format!("127.0.0.1:{}", free_port());
    let yaml =
        |name: &str, word: &str| config(&[&listener(name, &address)], &[&says(word, &[name])], &[]);
    let portcullis = Portcullis::start(&yaml("old", "before")).await;
    let place = portcullis.listener("old");
    let (mut one, mut two) = (http1(place).await, http2(place).await);
    assert_eq!(one.get("/").await.text(), "before");
    assert_eq!(two.get("/").await.text(), "before");
    let sockets = || portcullis.descriptors()["socket"];
    let before = sockets();
    let said = portcullis.apply(&yaml("new", "after")).await;
    assert!(
        said.has_line("listener new: added") && said.has_line("listener old: removed"),
        "{said:?}"
    );
    assert!(!said.text.contains("listening on"), "{said:?}");
    eventually("as many sockets", async || sockets() == before).await;
    // The same connections, under the new name: its routes are asked, and its name is in the log.
    let answer = one.get("/").await;
    assert_eq!((answer.text().as_str(), answer.closes()), ("after", false));
    assert_eq!(two.get("/").await.text(), "after");
    assert_eq!(text(place).await, "after");
    portcullis
        .logged(|line| line["listener"] == "new" && line["protocol"] == "HTTP/2")
        .await;
}

#[tokio::test]
async fn a_listener_can_move() {
    let (from, to) = (free_port(), free_port());
    let yaml = |port: u16| {
        config(
            &[&listener("edge", format!("127.0.0.1:{port}"))],
            &[&says("hello", &[])],
            &[],
        )
    };
    let portcullis = Portcullis::start(&yaml(from)).await;
    let mut client = http1(portcullis.listener("edge")).await;
    assert!(!client.get("/").await.closes());
    let said = portcullis.apply(&yaml(to)).await;
    let lines = [
        format!("listener edge: changed: address 127.0.0.1:{from} -> 127.0.0.1:{to}"),
        format!("listener edge is listening on 127.0.0.1:{to}"),
        format!("listener edge is not listening on 127.0.0.1:{from} any more"),
    ];
    for line in lines {
        assert!(said.has_line(&line), "{line}: {said:?}");
    }
    assert_eq!(text(([127, 0, 0, 1], to).into()).await, "hello");
    assert!(client.get("/").await.closes());
    assert!(is_refused(([127, 0, 0, 1], from).into()).await);
}

#[tokio::test]
async fn two_listeners_can_change_places() {
    let (p, q) = (free_port(), free_port());
    let yaml = |a: u16, b: u16| {
        let listeners = [
            listener("a", format!("127.0.0.1:{a}")),
            listener("b", format!("127.0.0.1:{b}")),
        ];
        config(
            &[&listeners[0], &listeners[1]],
            &[&says("on-a", &["a"]), &says("on-b", &["b"])],
            &[],
        )
    };
    let portcullis = Portcullis::start(&yaml(p, q)).await;
    let (p_at, q_at) = (portcullis.listener("a"), portcullis.listener("b"));
    let (mut at_p, mut at_q) = (http1(p_at).await, http1(q_at).await);
    assert_eq!(
        (at_p.get("/").await.text(), at_q.get("/").await.text()),
        ("on-a".into(), "on-b".into())
    );
    for turn in 0..4 {
        let (now_p, now_q) = match turn % 2 {
            0 => ("on-b", "on-a"),
            _ => ("on-a", "on-b"),
        };
        portcullis
            .apply(&if turn % 2 == 0 {
                yaml(q, p)
            } else {
                yaml(p, q)
            })
            .await;
        for (client, address, now) in [(&mut at_p, p_at, now_p), (&mut at_q, q_at, now_q)] {
            let answer = client.get("/").await;
            assert_eq!((answer.text().as_str(), answer.closes()), (now, false));
            assert_eq!(text(address).await, now);
        }
    }
}

#[tokio::test]
async fn an_address_can_become_every_address_and_one_again_under_load() {
    let (origin, port) = (origin().await, free_port());
    let yaml = |ip: &str| {
        config(
            &[HTTP, &listener("edge", format!("{ip}:{port}"))],
            &[&to("origin")],
            &[&pool("origin", origin.address())],
        )
    };
    let portcullis = Portcullis::start(&yaml("127.0.0.1")).await;
    let other = ([127, 0, 0, 2], port).into();
    assert!(is_refused(other).await);
    let ledger = Ledger::builder(portcullis.listener("edge"))
        .kinds(&[Kind::Keepalive, Kind::Fresh, Kind::Http2, Kind::WebSocket])
        .start();
    ledger.settled().await;
    for _ in 0..3 {
        portcullis.apply(&yaml("0.0.0.0")).await;
        assert_eq!(http1(other).await.get("/").await.status, 200);
        portcullis.apply(&yaml("127.0.0.1")).await;
        eventually("nobody is there", async || is_refused(other).await).await;
        portcullis.apply(&yaml("[::]")).await;
        assert_eq!(http1(other).await.get("/").await.status, 200);
        portcullis.apply(&yaml("127.0.0.1")).await;
    }
    ledger.stop().await.assert_clean();
}

#[tokio::test]
async fn a_broken_configuration_that_narrows_an_address_disturbs_nobody() {
    let (origin, port) = (origin().await, free_port());
    let other = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let taken = listener("taken", other.local_addr().expect("an address"));
    let yaml = |ip: &str, more: &[String]| {
        let edge = listener("edge", format!("{ip}:{port}"));
        let mut listeners = vec![edge.as_str()];
        listeners.extend(more.iter().map(String::as_str));
        config(
            &listeners,
            &[&to("origin")],
            &[&pool("origin", origin.address())],
        )
    };
    // Many come between the one that can be had and the one that can't.
    let mut more: Vec<String> = (0..60)
        .map(|number| listener(&format!("l{number}"), "127.0.0.1:0"))
        .collect();
    more.push(taken);
    let portcullis = Portcullis::start(&yaml("0.0.0.0", &[])).await;
    let ledger = Ledger::builder(([127, 0, 0, 1], port).into())
        .kinds(&[Kind::Keepalive, Kind::Fresh])
        .start();
    ledger.settled().await;
    for _ in 0..12 {
        portcullis.rejected(&yaml("127.0.0.1", &more)).await;
    }
    ledger.stop().await.assert_clean();
}

#[tokio::test]
async fn a_listener_and_the_admin_listener_can_change_places() {
    let (p, q) = (free_port(), free_port());
    let yaml = |edge: u16, admin: u16| {
        config(
            &[&listener("edge", format!("127.0.0.1:{edge}"))],
            &[&says("hello", &[])],
            &[],
        ) + &format!("admin: {{address: \"127.0.0.1:{admin}\"}}\n")
    };
    let portcullis = Portcullis::start(&yaml(p, q)).await;
    for (edge, admin) in [(q, p), (p, q)] {
        portcullis.apply(&yaml(edge, admin)).await;
        let ask = async |port: u16| {
            let mut client = http1(([127, 0, 0, 1], port).into()).await;
            client.get("/livez").await.text()
        };
        assert_eq!(
            (ask(edge).await.as_str(), ask(admin).await.as_str()),
            ("hello", "alive\n")
        );
    }
}
