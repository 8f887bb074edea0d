//! Does a client come to the same endpoint whatever it asks over, by our cookie or by the application's own value?

use super::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_stay_where_they_are_over_requests_connections_and_versions() {
    both_carriers(async |carrier| {
        let origins = three_origins().await;
        let portcullis = Portcullis::builder(&yaml(&origins, "cookie: {}"))
            .carrier(carrier)
            .start()
            .await;
        let at = portcullis.listener("http");
        let mut clients = [
            http1(at).await,
            http2(at).await,
            http1(at).await,
            http2(at).await,
        ];
        let (mut one, mut other) = (Visitor::default(), Visitor::default());
        // In turn, so the second is elsewhere.
        let (home, other_home) = (
            one.visit(&mut clients[0]).await,
            other.visit(&mut clients[0]).await,
        );
        assert_ne!(home, other_home);
        for round in 0..50 {
            assert_eq!(one.visit(&mut clients[round % 4]).await, home, "{round}");
            assert_eq!(
                other.visit(&mut clients[(round + 1) % 4]).await,
                other_home,
                "{round}"
            );
        }
        assert_eq!((one.set, other.set), (1, 1));
        assert_ne!(one.cookie, other.cookie);
        let mut passers_by = Vec::new();
        for _ in 0..3 {
            passers_by.push(Visitor::default().visit(&mut clients[0]).await);
        }
        passers_by.sort();
        assert_eq!(
            passers_by,
            ["a", "b", "c"],
            "the balancer goes on as it was"
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn uploads_and_websockets_go_to_the_same_endpoint() {
    let origins = three_origins().await;
    let portcullis = Portcullis::start(&yaml(&origins, "cookie: {}")).await;
    let at = portcullis.listener("http");
    let mut visitor = regular(&portcullis, "b").await;
    let cookie = visitor.cookie.clone().expect("a cookie");
    for mut client in [http1(at).await, http2(at).await] {
        for _ in 0..3 {
            let asked = request("POST", "/upload").header("cookie", &cookie);
            let answer = client
                .ask(asked.body(full("abc")).expect("a request"))
                .await;
            assert_eq!(
                (answer.status.as_u16(), answer.header("x-origin")),
                (200, Some("b"))
            );
            visitor.keep(&answer);
        }
    }
    assert_eq!(visitor.set, 1);
    // A WebSocket of somebody new has the cookie in its 101.
    let mut raw = Raw::sent(
        at,
        "GET /ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
    )
    .await;
    let head = String::from_utf8(raw.until(b"\r\n\r\n").await).expect("ASCII");
    assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
    let mut lines = head.lines().map(str::to_ascii_lowercase);
    let set = lines.find(|line| line.starts_with("set-cookie: portcullis=1"));
    assert!(set.is_some(), "{head}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_value_of_the_application_s_goes_to_one_endpoint() {
    both_carriers(async |carrier| {
        for (settings, name) in [
            ("app_cookie: SESSION", "cookie"),
            ("header: X-Session", "x-session"),
        ] {
            let origins = three_origins().await;
            let portcullis = Portcullis::builder(&yaml(&origins, settings))
                .carrier(carrier)
                .start()
                .await;
            let at = portcullis.listener("http");
            let mut clients = [http1(at).await, http2(at).await];
            let mut visit = async |session: usize, client: usize| {
                let value = match name {
                    "cookie" => format!("a=b; SESSION=s-{session}"),
                    _ => format!("s-{session}"),
                };
                let asked = request("GET", "/echo").header(name, &value);
                let answer = clients[client]
                    .ask(asked.body(full("")).expect("a request"))
                    .await;
                assert_eq!(
                    (answer.status.as_u16(), answer.header("set-cookie")),
                    (200, None)
                );
                assert_eq!(
                    answer.seen_header(name),
                    Some(value),
                    "the application's own"
                );
                answer.header("x-origin").expect("a name").to_owned()
            };
            let mut homes = Vec::new();
            for session in 0..30 {
                homes.push(visit(session, 0).await);
            }
            for name in ["a", "b", "c"] {
                assert!(homes.iter().any(|home| home == name), "{homes:?}");
            }
            for (session, before) in homes.iter().enumerate() {
                assert_eq!(&visit(session, 1).await, before);
            }
            let drain =
                |word: &str| format!("/endpoints/{word}?pool=p&endpoint={}", address(&origins[1]));
            admin(&portcullis, &drain("drain")).await;
            for (session, before) in homes.iter().enumerate() {
                let home = visit(session, 0).await;
                assert_eq!(home == *before, before != "b", "only those of b move");
                assert_ne!(home, "b");
            }
            admin(&portcullis, &drain("undrain")).await;
            for (session, before) in homes.iter().enumerate() {
                assert_eq!(&visit(session, 0).await, before);
            }
        }
    })
    .await;
}
