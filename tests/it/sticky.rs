//! Does a client come back to the endpoint it was at before?

use origin::Origin;

use crate::support::*;

/// Three app servers, called a, b and c.
async fn origins() -> Vec<Origin> {
    let mut origins = Vec::new();
    for name in ["a", "b", "c"] {
        let origin = Origin::builder().name(name).start().await;
        origins.push(origin.expect("an origin"));
    }
    origins
}

fn address(origin: &Origin) -> String {
    origin.address().expect("TCP").to_string()
}

/// A listener `http` with these settings, and a route to a pool `p` of these origins, which is sticky in this way.
fn yaml_with(listener: &str, origins: &[Origin], sticky: &str) -> String {
    let endpoints: Vec<String> = origins
        .iter()
        .map(|origin| format!("\"{}\"", address(origin)))
        .collect();
    format!(
        "listeners: [{{name: http, address: \"127.0.0.1:0\"{listener}}}]\n\
         routes: [{{name: own, match: {{paths: [{{exact: /own}}]}}, respond: {{}}}}, {{name: all, pool: p}}]\n\
         pools: [{{name: p, endpoints: [{}], sticky: {{{sticky}}}}}]\n",
        endpoints.join(", ")
    )
}

fn yaml(origins: &[Origin], sticky: &str) -> String {
    yaml_with("", origins, sticky)
}

/// A browser, as far as cookies go: what it has of the cookie, and how often that was set.
#[derive(Clone, Default)]
struct Visitor {
    cookie: Option<String>,
    set: usize,
}

impl Visitor {
    /// What its request has in `Cookie`.
    fn cookies(&self) -> String {
        match &self.cookie {
            Some(own) => format!("theme=dark; {own}; a=\"1\""),
            None => "theme=dark; a=\"1\"".to_owned(),
        }
    }

    /// Asks over this connection, and gives the name of the origin that has answered.
    async fn visit(&mut self, client: &mut Client) -> String {
        let asked = request("GET", "/echo").header("cookie", self.cookies());
        let answer = client.ask(asked.body(full("")).expect("a request")).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        // Whatever has become of it on the way, the application sees what is its own.
        assert_eq!(
            answer.seen_header("cookie").as_deref(),
            Some("theme=dark; a=\"1\"")
        );
        self.keep(&answer);
        answer.header("x-origin").expect("a name").to_owned()
    }

    fn keep(&mut self, answer: &Answer) {
        for field in answer.headers.get_all("set-cookie") {
            let pair = field.to_str().expect("ASCII").split(';').next();
            self.cookie = pair.map(str::to_owned);
            self.set += 1;
        }
    }
}

/// A visitor who has been at the origin of this name.
async fn regular(portcullis: &Portcullis, name: &str) -> Visitor {
    for _ in 0..20 {
        let mut visitor = Visitor::default();
        if visitor
            .visit(&mut http1(portcullis.listener("http")).await)
            .await
            == name
        {
            return visitor;
        }
    }
    panic!("nobody gets to {name}");
}

async fn admin(portcullis: &Portcullis, path: &str) {
    let asked = format!("POST {path} HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n");
    let response = Raw::sent(portcullis.admin(), asked).await.response().await;
    assert_eq!(response.status, 200, "{}", response.text());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_stay_where_they_are_over_requests_connections_and_versions() {
    both_carriers(async |carrier| {
        let origins = origins().await;
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
    let origins = origins().await;
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
async fn the_cookie_is_set_as_it_is_written_beside_those_of_the_application() {
    both_carriers(async |carrier| {
        let (origins, authority) = (origins().await, Authority::new());
        let settings = "cookie: {name: stay, path: /headers, domain: a.test, same_site: strict, lifetime: 1h, \
                        secret: '${STICKY_SECRET}'}";
        let listener = ", tls: {certificates: [{certificate: a.crt, key: a.key}]}";
        let portcullis = Portcullis::builder(&yaml_with(listener, &origins, settings))
            .identity("a", &authority.issue(&["a.test"]))
            .env("STICKY_SECRET", "0123456789abcdef0123456789abcdef")
            .carrier(carrier)
            .start()
            .await;
        let mut client = https2(portcullis.listener("http"), "a.test", &authority.roots()).await;
        let answer = client.get("/headers?set-cookie=x%3D1&set-cookie=y%3D2").await;
        let set: Vec<&str> = answer.headers.get_all("set-cookie").iter().map(|set| set.to_str().expect("ASCII")).collect();
        assert_eq!(&set[..2], ["x=1", "y=2"]);
        let (value, attributes) = set[2].split_once("; ").expect("attributes");
        assert!(value.starts_with("stay=1") && value.len() == "stay=".len() + 44, "{value}");
        assert_eq!(attributes, "Path=/headers; Domain=a.test; Max-Age=3600; HttpOnly; SameSite=Strict; Secure");
        assert_eq!(set.len(), 3);
        // What Portcullis says by itself comes from no endpoint.
        assert_eq!(client.get("/own").await.header("set-cookie"), None);
    })
    .await;
    let origins = origins().await;
    let portcullis = Portcullis::start(&yaml(
        &origins,
        "cookie: {http_only: false, same_site: none}",
    ))
    .await;
    let answer = http1(portcullis.listener("http")).await.get("/").await;
    let set = answer.header("set-cookie").expect("a cookie");
    assert!(set.ends_with("; Path=/; SameSite=None"), "{set}");
    for origin in &origins {
        admin(
            &portcullis,
            &format!("/endpoints/drain?pool=p&endpoint={}", address(origin)),
        )
        .await;
    }
    let answer = http1(portcullis.listener("http")).await.get("/").await;
    assert_eq!(
        (answer.status.as_u16(), answer.header("set-cookie")),
        (503, None)
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cookie_that_was_not_made_here_is_as_good_as_none() {
    let origins = origins().await;
    let portcullis = Portcullis::start(&yaml(&origins, "cookie: {}")).await;
    let stranger = Portcullis::start(&yaml(&origins, "cookie: {}")).await;
    let foreign = regular(&stranger, "b").await.cookie.expect("a cookie");
    let own = regular(&portcullis, "b").await.cookie.expect("a cookie");
    let mut forged = own.clone();
    let last = forged.pop().expect("a character");
    forged.push(if last == 'A' { 'E' } else { 'A' });
    let long = format!("portcullis={}", "1".repeat(20_000));
    let address_of_b = format!("portcullis={}", address(&origins[1]));
    let mut client = http1(portcullis.listener("http")).await;
    for cookie in [
        foreign,
        forged,
        long,
        address_of_b,
        "portcullis=".to_owned(),
    ] {
        let mut seen = Vec::new();
        for _ in 0..3 {
            let mut visitor = Visitor {
                cookie: Some(cookie.clone()),
                set: 0,
            };
            seen.push(visitor.visit(&mut client).await);
            assert_eq!(visitor.set, 1, "{cookie}");
            assert_ne!(visitor.cookie.as_ref(), Some(&cookie));
        }
        seen.sort();
        assert_eq!(seen, ["a", "b", "c"], "{cookie}");
    }
    let mut visitor = Visitor {
        cookie: Some(own),
        set: 0,
    };
    assert_eq!(
        (visitor.visit(&mut client).await.as_str(), visitor.set),
        ("b", 0)
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_drained_endpoint_loses_its_clients_unless_they_may_follow() {
    both_carriers(async |carrier| {
        for follow in [false, true] {
            let origins = origins().await;
            let settings = format!("cookie: {{follow_drained: {follow}}}");
            let portcullis = Portcullis::builder(&yaml(&origins, &settings))
                .carrier(carrier)
                .start()
                .await;
            let mut client = http1(portcullis.listener("http")).await;
            let mut visitor = regular(&portcullis, "b").await;
            admin(
                &portcullis,
                &format!("/endpoints/drain?pool=p&endpoint={}", address(&origins[1])),
            )
            .await;
            let home = visitor.visit(&mut client).await;
            if follow {
                assert_eq!((home.as_str(), visitor.set), ("b", 1));
            } else {
                assert_ne!(home, "b");
                assert_eq!(visitor.set, 2);
            }
            for _ in 0..5 {
                assert_eq!(visitor.visit(&mut client).await, home);
                assert_ne!(
                    Visitor::default().visit(&mut client).await,
                    "b",
                    "nobody new goes there"
                );
            }
            admin(
                &portcullis,
                &format!(
                    "/endpoints/undrain?pool=p&endpoint={}",
                    address(&origins[1])
                ),
            )
            .await;
            assert_eq!(
                visitor.visit(&mut client).await,
                home,
                "it stays where it is now"
            );
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_finds_an_open_breaker_goes_elsewhere_and_stays_there() {
    both_carriers(async |carrier| {
        let origins = origins().await;
        let breaker = "breaker: {consecutive_failures: 2, open_for: 1h, max_open_for: 1h}";
        let yaml = yaml(&origins, "cookie: {}").replace("sticky:", &format!("{breaker}, sticky:"));
        let portcullis = Portcullis::builder(&yaml).carrier(carrier).start().await;
        let mut visitor = regular(&portcullis, "b").await;
        let mut client = http1(portcullis.listener("http")).await;
        for _ in 0..2 {
            let asked = request("GET", "/status/503").header("cookie", visitor.cookies());
            let answer = client.ask(asked.body(full("")).expect("a request")).await;
            assert_eq!(
                (answer.status.as_u16(), answer.header("x-origin")),
                (503, Some("b"))
            );
            visitor.keep(&answer);
        }
        let first = visitor.cookie.clone();
        assert_eq!(visitor.set, 1);
        let requests = origins[1].journal().requests();
        let home = visitor.visit(&mut client).await;
        assert_ne!(home, "b");
        assert_eq!(visitor.set, 2, "it has a new home");
        assert_ne!(visitor.cookie, first);
        for _ in 0..5 {
            assert_eq!(visitor.visit(&mut client).await, home);
            assert_ne!(Visitor::default().visit(&mut client).await, "b");
        }
        assert_eq!(visitor.set, 2);
        assert_eq!(origins[1].journal().requests(), requests);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_finds_the_endpoint_gone_after_a_reload_goes_elsewhere_and_stays_there() {
    both_carriers(async |carrier| {
        let origins = origins().await;
        let all = yaml(&origins, "cookie: {}") + &format!("runtime: {{carrier: {carrier}}}\n");
        let without_b = all.replace(&format!("\"{}\", ", address(&origins[1])), "");
        assert_ne!(without_b, all);
        let portcullis = Portcullis::start(&all).await;
        let mut client = http1(portcullis.listener("http")).await;
        let mut visitor = regular(&portcullis, "b").await;
        assert_eq!(visitor.visit(&mut client).await, "b");
        assert_eq!(visitor.set, 1);
        let first = visitor.cookie.clone();
        let requests = origins[1].journal().requests();

        portcullis.apply(&without_b).await;
        let home = visitor.visit(&mut client).await;
        assert_ne!(home, "b");
        assert_eq!(visitor.set, 2, "it has a new home");
        assert_ne!(visitor.cookie, first);
        for _ in 0..5 {
            assert_eq!(visitor.visit(&mut client).await, home);
        }
        assert_eq!(origins[1].journal().requests(), requests);
        portcullis.apply(&all).await;
        for _ in 0..5 {
            assert_eq!(visitor.visit(&mut client).await, home);
        }
        assert_eq!(visitor.set, 2, "it stays where it is now");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_finds_no_room_goes_elsewhere_this_once() {
    let origins = origins().await;
    let yaml = yaml(&origins, "cookie: {}");
    let address_of_b = format!("\"{}\"", address(&origins[1]));
    let limited = format!("{{address: {address_of_b}, max_requests: 1}}");
    let portcullis = Portcullis::start(&yaml.replace(&address_of_b, &limited)).await;
    let at = portcullis.listener("http");
    let mut visitor = regular(&portcullis, "b").await;
    let asked = request("GET", "/held").header("cookie", visitor.cookies());
    let mut busy = http1(at).await;
    let held =
        tokio::spawn(async move { busy.ask(asked.body(full("")).expect("a request")).await });
    arrived(&origins[1], 1).await;
    let mut client = http1(at).await;
    for _ in 0..3 {
        assert_ne!(visitor.visit(&mut client).await, "b");
    }
    assert_eq!(visitor.set, 1, "it keeps its place");
    origins[1].release();
    assert_eq!(held.await.expect("an answer").header("x-origin"), Some("b"));
    let in_flight = format!(
        "portcullis_upstream_in_flight{{endpoint=\"{}\"",
        address(&origins[1])
    );
    eventually("there is room", async || {
        portcullis.metric(&in_flight).await == 0.0
    })
    .await;
    assert_eq!(visitor.visit(&mut client).await, "b");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_stay_over_reloads_and_upgrades_and_with_a_secret_over_restarts() {
    for secret in ["", "secret: 0123456789abcdef0123456789abcdef"] {
        let origins = origins().await;
        let settings = format!("cookie: {{{secret}}}");
        let mut portcullis = Portcullis::start(&yaml(&origins, &settings)).await;
        let mut visitor = regular(&portcullis, "b").await;
        // In another order and with another weight they are the same endpoints.
        let mut turned: Vec<&Origin> = origins.iter().collect();
        turned.reverse();
        let endpoints: Vec<String> = turned
            .iter()
            .map(|origin| format!("{{address: \"{}\", weight: 7}}", address(origin)))
            .collect();
        let changed = format!(
            "listeners: [{{name: http, address: \"127.0.0.1:0\"}}]\nroutes: [{{name: all, pool: p}}]\n\
             pools: [{{name: p, endpoints: [{}], sticky: {{{settings}}}}}]\n",
            endpoints.join(", ")
        );
        portcullis.apply(&changed).await;
        let mut client = http1(portcullis.listener("http")).await;
        assert_eq!(visitor.visit(&mut client).await, "b");
        for _ in 0..2 {
            let mut former = portcullis.upgrade(&[]).await;
            assert_eq!(former.end().await.code(), Some(0));
            let mut client = http1(portcullis.listener("http")).await;
            assert_eq!(visitor.visit(&mut client).await, "b");
        }
        assert_eq!(visitor.set, 1);
        assert_eq!(portcullis.stop().await.code(), Some(0));
        portcullis.start_again().await;
        let mut client = http1(portcullis.listener("http")).await;
        let home = visitor.visit(&mut client).await;
        if secret.is_empty() {
            assert_eq!(visitor.set, 2, "a random secret ends with its process");
        } else {
            assert_eq!((home.as_str(), visitor.set), ("b", 1));
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_secret_in_a_file_is_read_anew_and_the_former_one_still_counts() {
    const FIRST: &str = "0123456789abcdef0123456789abcdef";
    const SECOND: &str = "fedcba9876543210fedcba9876543210";
    let origins = origins().await;
    let settings = |more: &str| {
        yaml(
            &origins,
            &format!("cookie: {{secret_file: secret.txt{more}}}"),
        )
    };
    let portcullis = Portcullis::builder(&settings(""))
        .file("secret.txt", format!("{FIRST}\n"))
        .start()
        .await;
    let mut visitor = regular(&portcullis, "c").await;
    portcullis.replace("secret.txt", SECOND);
    portcullis
        .apply(&settings(&format!(", previous_secret: {FIRST}")))
        .await;
    let mut client = http1(portcullis.listener("http")).await;
    assert_eq!(
        (visitor.visit(&mut client).await.as_str(), visitor.set),
        ("c", 2)
    );
    portcullis.apply(&settings("")).await;
    assert_eq!(
        (visitor.visit(&mut client).await.as_str(), visitor.set),
        ("c", 2)
    );
    // The file alone, too.
    portcullis.replace("secret.txt", FIRST);
    portcullis.apply(&settings("")).await;
    visitor.visit(&mut client).await;
    assert_eq!(visitor.set, 3);
    let printed = portcullis.run(&["print"]).await;
    assert!(
        printed.code == 0 && !printed.text.contains(FIRST),
        "{printed:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_value_of_the_application_s_goes_to_one_endpoint() {
    both_carriers(async |carrier| {
        for (settings, name) in [
            ("app_cookie: SESSION", "cookie"),
            ("header: X-Session", "x-session"),
        ] {
            let origins = origins().await;
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
