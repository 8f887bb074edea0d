//! Who sees a token that comes in the query or in a cookie?

use serde_json::json;

use super::*;

#[tokio::test]
async fn a_token_in_the_query_stands_in_no_log_and_goes_no_further_unless_it_is_meant_to() {
    let (origin, key) = (origin().await, SigningKey::new("one"));
    let bearer = key.bearer(&json!({}));
    let token = bearer.strip_prefix("Bearer ").expect("a token");
    for (forward, seen) in [
        (false, "/echo?a=1&b=2".to_owned()),
        (true, format!("/echo?a=1&token={token}&b=2")),
    ] {
        let policy = format!("jwks: keys.json, from: query.token, forward: {forward}");
        let builder = Portcullis::builder(&guarded(&origin, &policy));
        let portcullis = builder
            .file("keys.json", SigningKey::set(&[&key]))
            .start()
            .await;
        let mut client = http1(portcullis.listener("http")).await;
        assert_eq!(client.get("/echo?token=e30.e30.e30").await.status, 401);
        let echo = client.get(&format!("/echo?a=1&token={token}&b=2")).await;
        assert_eq!(echo.json()["uri"], seen);
        let line = portcullis.logged(|line| line["status"] == 200).await;
        assert_eq!(line["target"], "/echo?a=1&token=***&b=2");
        let line = portcullis.logged(|line| line["status"] == 401).await;
        assert_eq!(line["target"], "/echo?token=***");
    }
}

#[tokio::test]
async fn a_token_in_a_cookie_is_taken_out_of_the_one_line_the_endpoint_gets() {
    both_carriers(async |carrier| {
        let (origin, key) = (origin().await, SigningKey::new("one"));
        let policy = "jwks: keys.json, from: cookie.token, forward: false";
        let yaml = guarded(&origin, policy);
        let sticky = yaml.replace(
            "name: origin, ",
            "name: origin, sticky: {cookie: {name: at}}, ",
        );
        let builder = Portcullis::builder(&sticky).carrier(carrier);
        let portcullis = builder
            .file("keys.json", SigningKey::set(&[&key]))
            .start()
            .await;
        let address = portcullis.listener("http");
        let bearer = key.bearer(&json!({}));
        let token = bearer.replace("Bearer ", "token=");
        let visit = async |client: &mut Client, lines: &[&str]| {
            let mut asked = request("GET", "/echo");
            for line in lines {
                asked = asked.header("cookie", *line);
            }
            let answer = client.ask(asked.body(full("")).expect("a request")).await;
            assert_eq!(answer.status, 200, "{answer:?}");
            answer
        };
        for mut client in [http1(address).await, http2(address).await] {
            let first = visit(&mut client, &[&token]).await;
            let set = first.header("set-cookie").expect("a cookie").split(';');
            let own = set.take(1).next().expect("a pair").to_owned();
            assert_eq!(first.seen_header("cookie"), None);
            let both = format!("{own}; {token}");
            for lines in [
                ["a=1", &*both, "b=2"],
                ["a=1", &*token, &*format!("{own}; b=2")],
            ] {
                let answer = visit(&mut client, &lines).await;
                assert_eq!(answer.seen_header("cookie").as_deref(), Some("a=1; b=2"));
                assert_eq!(answer.header("set-cookie"), None, "it has come back");
            }
        }
    })
    .await;
}
