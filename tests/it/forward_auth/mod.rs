//! What becomes of a request about which another service is asked?

mod absent;
mod carried;
mod told;

use std::net::SocketAddr;

use origin::{Origin, RawAnswer, RawOrigin};

use crate::support::*;

/// A configuration in which the service is asked about everything; its pool and what the route says of it have these further
/// settings, in YAML's flow style. An empty one is left out.
fn guarded(app: &Origin, auth: SocketAddr, settings: &str, pool: &str) -> String {
    let app = app.address().expect("an origin on TCP");
    let more = |text: &str| match text.is_empty() {
        true => String::new(),
        false => format!(", {text}"),
    };
    let (settings, pool) = (more(settings), more(pool));
    format!(
        "listeners: [{{name: http, address: '127.0.0.1:0'}}]\n\
         routes: [{{name: all, pool: app, forward_auth: {{pool: auth{settings}}}}}]\n\
         pools:\n\
         - {{name: app, endpoints: ['{app}']}}\n\
         - {{name: auth, endpoints: ['{auth}']{pool}}}\n"
    )
}

/// Portcullis with such a configuration.
async fn asking(carrier: Carrier, app: &Origin, auth: SocketAddr, settings: &str) -> Portcullis {
    let config = guarded(app, auth, settings, "");
    Portcullis::builder(&config).carrier(carrier).start().await
}

/// A service that lets in who has the token `good`, and tells who that is. Anyone else has to log in; whoever asks for
/// `/forbidden` is told in words that there is nothing to see.
async fn service() -> RawOrigin {
    let answer = |head: &[u8]| {
        let head = String::from_utf8_lossy(head).to_lowercase();
        if head.contains("x-forwarded-uri: /forbidden") {
            return RawAnswer::new().send(
                "HTTP/1.1 403 Forbidden\r\nContent-Type: text/x-no\r\nX-Hop: 1\r\nConnection: x-hop\r\n\
                 Set-Cookie: tried=1\r\nContent-Length: 7\r\n\r\nno way\n",
            );
        }
        RawAnswer::new().send(match head.contains("authorization: bearer good") {
            true => {
                "HTTP/1.1 200 OK\r\nX-User: alice\r\nX-Role: a\r\nX-Role: b\r\nSet-Cookie: session=1\r\n\
                 Set-Cookie: seen=2\r\nX-Other: 1\r\nContent-Length: 2\r\n\r\nok"
            }
            false => {
                "HTTP/1.1 302 Found\r\nLocation: https://login.test/?to=%2F\r\nWWW-Authenticate: Bearer\r\n\
                 Set-Cookie: wanted=1\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nlogin\r\n1\r\n\n\r\n0\r\n\r\n"
            }
        })
    };
    RawOrigin::start(answer).await.expect("a service")
}

/// The last question a service was asked, in small letters.
fn last_question(service: &RawOrigin) -> String {
    let received = service.received().concat();
    let text = String::from_utf8(received).expect("text").to_lowercase();
    let heads: Vec<&str> = text.split_inclusive("\r\n\r\n").collect();
    (*heads.last().expect("a question")).to_owned()
}

/// The lines of a question with this name.
fn lines<'q>(question: &'q str, name: &str) -> Vec<&'q str> {
    let value = |line: &'q str| line.strip_prefix(name)?.strip_prefix(": ");
    question.split("\r\n").filter_map(value).collect()
}

/// GET with these fields.
async fn get(client: &mut Client, path: &str, fields: &[(&str, &str)]) -> Answer {
    let mut asked = request("GET", path);
    for (name, value) in fields {
        asked = asked.header(*name, *value);
    }
    client.ask(asked.body(full("")).expect("a request")).await
}

const GOOD: (&str, &str) = ("authorization", "Bearer good");

#[tokio::test]
async fn two_hundred_lets_a_request_pass_and_what_else_there_is_goes_to_the_client() {
    both_carriers(async |carrier| {
        let (app, auth) = (origin().await, service().await);
        let portcullis = asking(carrier, &app, auth.address(), "").await;
        let address = portcullis.listener("http");
        for mut client in [http1(address).await, http2(address).await] {
            let before = app.journal().requests();
            let answer = get(&mut client, "/echo", &[GOOD]).await;
            assert_eq!(answer.status, 200);
            assert_eq!(
                answer.header("set-cookie"),
                None,
                "nobody wants it passed on"
            );
            assert_eq!(answer.seen_header("x-user"), None);

            let answer = get(&mut client, "/echo", &[("authorization", "Bearer bad")]).await;
            assert_eq!(answer.status, 302);
            assert_eq!(
                answer.header("location"),
                Some("https://login.test/?to=%2F")
            );
            assert_eq!(answer.header("www-authenticate"), Some("Bearer"));
            assert_eq!(answer.header("set-cookie"), Some("wanted=1"));
            assert_eq!(answer.text(), "login\n");

            let answer = get(&mut client, "/forbidden", &[GOOD]).await;
            assert_eq!(answer.status, 403);
            assert_eq!(answer.header("content-type"), Some("text/x-no"));
            assert_eq!(answer.header("x-hop"), None, "it was for one connection");
            assert_eq!(
                answer.header("proxy-status"),
                None,
                "it is no failure of ours"
            );
            assert_eq!(answer.text(), "no way\n");

            let head = request("HEAD", "/forbidden")
                .body(full(""))
                .expect("a request");
            let answer = client.ask(head).await;
            assert_eq!((answer.status.as_u16(), answer.text().as_str()), (403, ""));
            assert_eq!(app.journal().requests(), before + 1, "only one was let in");
        }
        let line = portcullis.logged(|line| line["status"] == 403).await;
        assert_eq!(line["reason"], serde_json::Value::Null, "{line}");
        let connections = auth.connections();
        assert!(connections <= 2, "one for each worker: {connections}");
        assert_eq!(auth.requests(), 8);
        let reused = format!(
            "portcullis_upstream_connections_total{{endpoint=\"{}\",pool=\"auth\",reused=\"true\"}}",
            auth.address()
        );
        let reused = portcullis.metric(&reused).await;
        assert_eq!(reused, (8 - connections) as f64);
    })
    .await;
}

#[tokio::test]
async fn an_answer_may_have_sixty_four_kibibytes_and_no_more() {
    let app = origin().await;
    let bodies = RawOrigin::start(|head: &[u8]| {
        let length = match head.starts_with(b"GET /fits") {
            true => 64 * 1024,
            false => 64 * 1024 + 1,
        };
        let head = format!("HTTP/1.1 403 Forbidden\r\nContent-Length: {length}\r\n\r\n");
        RawAnswer::new().send(head).send(vec![b'n'; length])
    });
    let bodies = bodies.await.expect("a service");
    let portcullis = asking(Carrier::Direct, &app, bodies.address(), "").await;
    let mut client = http1(portcullis.listener("http")).await;
    let answer = client.get("/fits").await;
    assert_eq!(
        (answer.status.as_u16(), answer.body.len()),
        (403, 64 * 1024)
    );
    let answer = client.get("/longer").await;
    assert_eq!((answer.status.as_u16(), answer.body.len()), (403, 0));
    assert_eq!(app.journal().requests(), 0);
}

#[tokio::test]
async fn a_reload_changes_what_is_asked_and_keeps_the_connection() {
    let (app, auth) = (origin().await, service().await);
    let portcullis = asking(Carrier::Direct, &app, auth.address(), "").await;
    let mut client = http1(portcullis.listener("http")).await;
    assert_eq!(client.get("/echo").await.status, 302);
    let asked = guarded(
        &app,
        auth.address(),
        "path: /forbidden-words, response_headers: [X-User]",
        "",
    );
    portcullis.apply(&asked).await;
    let answer = get(&mut client, "/echo", &[GOOD]).await;
    assert_eq!(answer.seen_header("x-user").as_deref(), Some("alice"));
    assert!(last_question(&auth).starts_with("get /forbidden-words http/1.1\r\n"));
    assert_eq!(auth.connections(), 1);
    let free = site("", app.address());
    portcullis.apply(&free).await;
    assert_eq!(client.get("/echo").await.status, 200);
    assert_eq!(auth.requests(), 2, "nobody is asked any more");
}
