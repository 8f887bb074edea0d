//! What are the service, the endpoint and the client told?

use super::*;

#[tokio::test]
async fn the_service_is_told_of_the_request_and_given_the_fields_that_are_listed() {
    both_carriers(async |carrier| {
        let (app, auth) = (origin().await, service().await);
        let portcullis = asking(carrier, &app, auth.address(), "").await;
        let address = portcullis.listener("http");
        for mut client in [http1(address).await, http2(address).await] {
            let asked = request("DELETE", "/a/%7euser?q=%2F&r=/../")
                .header("host", "App.Test:81")
                .header("authorization", "Bearer bad")
                .header("cookie", "a=1")
                .header("cookie", "b=2")
                .header("x-forwarded-for", "192.0.2.1")
                .header("x-forwarded-uri", "/public")
                .header("x-forwarded-method", "OPTIONS")
                .header("x-original-uri", "/public")
                .header("x-forwarded-user", "root")
                .header("accept-encoding", "gzip")
                .header("user-agent", "test");
            let answer = client.ask(asked.body(full("")).expect("a request")).await;
            assert_eq!(answer.status, 302);
            let question = last_question(&auth);
            assert!(
                question.starts_with("get /a/~user?q=%2f&r=/../ http/1.1\r\n"),
                "{question}"
            );
            for (name, values) in [
                ("host", &["app.test:81"][..]),
                ("authorization", &["bearer bad"]),
                ("cookie", &["a=1; b=2"]),
                ("x-forwarded-method", &["delete"]),
                ("x-original-method", &["delete"]),
                ("x-forwarded-uri", &["/a/~user?q=%2f&r=/../"]),
                ("x-original-uri", &["/a/~user?q=%2f&r=/../"]),
                ("x-forwarded-for", &["127.0.0.1"]),
                ("x-forwarded-proto", &["http"]),
                ("x-forwarded-host", &["app.test:81"]),
                ("x-forwarded-user", &[]),
                ("accept-encoding", &[]),
                ("user-agent", &[]),
                ("content-length", &[]),
                ("connection", &[]),
            ] {
                assert_eq!(lines(&question, name), values, "{name} in {question}");
            }
            let line = portcullis.logged(|line| line["method"] == "DELETE").await;
            let id = line["request_id"].as_str().expect("an id");
            assert!(
                auth.received()
                    .concat()
                    .windows(id.len())
                    .any(|part| part == id.as_bytes())
            );
        }
    })
    .await;
}

#[tokio::test]
async fn service_and_endpoint_see_one_path() {
    let (app, auth) = (origin().await, service().await);
    let portcullis = asking(Carrier::Direct, &app, auth.address(), "").await;
    let mut raw = Raw::connect(portcullis.listener("http")).await;
    for (written, seen) in [
        ("/public/../echo", "/echo"),
        ("//echo", "/echo"),
        ("/%65cho?a=%65", "/echo?a=%65"),
        ("http://other.test/echo", "/echo"),
    ] {
        let host = if written.starts_with("http") {
            "other.test"
        } else {
            "a"
        };
        raw.send(format!(
            "GET {written} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer good\r\n\r\n"
        ))
        .await;
        let answer = raw.response().await;
        assert_eq!(answer.json()["uri"], seen, "{written}");
        let question = last_question(&auth);
        assert_eq!(lines(&question, "x-forwarded-uri"), [seen], "{written}");
        assert!(
            question.starts_with(&format!("get {seen} http/1.1")),
            "{question}"
        );
    }
}

#[tokio::test]
async fn the_settings_say_what_is_asked_for_and_with_what() {
    let app = origin().await;
    let seen = RawOrigin::start(|_| RawAnswer::new().send("HTTP/1.1 204 No Content\r\n\r\n"));
    let seen = seen.await.expect("a service");
    let settings = "path: '/verify?by=edge', method: HEAD, request_headers: [X-Key]";
    let config = guarded(&app, seen.address(), settings, "host: auth.internal");
    let portcullis = Portcullis::start(&config).await;
    let mut client = http1(portcullis.listener("http")).await;
    let answer = get(
        &mut client,
        "/echo?x",
        &[GOOD, ("x-key", "1"), ("x-key", "2")],
    )
    .await;
    assert_eq!(answer.status, 200);
    let question = last_question(&seen);
    assert!(
        question.starts_with("head /verify?by=edge http/1.1\r\n"),
        "{question}"
    );
    assert_eq!(lines(&question, "host"), ["auth.internal"]);
    assert_eq!(lines(&question, "x-key"), ["1", "2"]);
    assert_eq!(lines(&question, "authorization"), [""; 0]);
    assert_eq!(lines(&question, "x-forwarded-uri"), ["/echo?x"]);
    assert_eq!(lines(&question, "x-forwarded-method"), ["get"]);
}

#[tokio::test]
async fn endpoint_and_client_get_the_services_fields_and_nobody_can_forge_them() {
    both_carriers(async |carrier| {
        let (app, auth) = (origin().await, service().await);
        let settings =
            "response_headers: [X-User, X-Role, X-Absent], client_headers: [Set-Cookie, X-Other]";
        let portcullis = asking(carrier, &app, auth.address(), settings).await;
        let address = portcullis.listener("http");
        for mut client in [http1(address).await, http2(address).await] {
            let forged = [
                GOOD,
                ("x-user", "root"),
                ("x_user", "root"),
                ("x-role", "admin"),
                ("x-absent", "1"),
                ("x_absent", "1"),
                ("x_free", "1"),
            ];
            let answer = get(&mut client, "/echo", &forged).await;
            let echo = answer.json();
            let fields = echo["headers"].as_array().expect("a list");
            let values = |name: &str| -> Vec<&str> {
                let of_name = fields.iter().filter(|field| field[0] == name);
                of_name.filter_map(|field| field[1].as_str()).collect()
            };
            assert_eq!(values("x-user"), ["alice"]);
            assert_eq!(values("x-role"), ["a", "b"]);
            for name in ["x_user", "x-absent", "x_absent"] {
                assert_eq!(values(name), [""; 0], "{name}");
            }
            assert_eq!(values("x_free"), ["1"], "nobody has a word in this one");
            let cookies: Vec<_> = answer.headers.get_all("set-cookie").iter().collect();
            assert_eq!(cookies, ["session=1", "seen=2"]);
            assert_eq!(answer.header("x-other"), Some("1"));

            let path = "/headers?set-cookie=own=3&x-other=own";
            let answer = get(&mut client, path, &[GOOD]).await;
            let cookies: Vec<_> = answer.headers.get_all("set-cookie").iter().collect();
            assert_eq!(cookies, ["own=3", "session=1", "seen=2"]);
            assert_eq!(answer.header("x-other"), Some("1"));
        }
    })
    .await;
}
