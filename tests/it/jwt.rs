//! Who gets in where a token is asked for?

use std::time::Instant;

use serde_json::json;

use crate::support::*;

/// A route `api` with this policy, to `/echo` and the other paths of an origin.
fn guarded(origin: &origin::Origin, jwt: &str) -> String {
    let endpoint = origin.address().expect("an origin on TCP");
    format!(
        "listeners: [{{name: http, address: '127.0.0.1:0'}}]\n\
         routes: [{{name: api, pool: origin, jwt: {{{jwt}}}}}]\n\
         pools: [{{name: origin, endpoints: ['{endpoint}']}}]\n"
    )
}

async fn ask(client: &mut Client, bearer: &str) -> Answer {
    let asked = request("GET", "/echo").header("authorization", bearer);
    client.ask(asked.body(full("")).expect("a request")).await
}

async fn status(portcullis: &Portcullis, bearer: &str) -> u16 {
    let mut client = http1(portcullis.listener("http")).await;
    ask(&mut client, bearer).await.status.as_u16()
}

#[tokio::test]
async fn a_good_token_comes_in_and_its_claims_are_the_issuers_word_alone() {
    both_carriers(async |carrier| {
        let (origin, key) = (origin().await, SigningKey::new("one"));
        let policy = "jwks: keys.json, audience: api, forward: false, \
                      claims_to_headers: {X-User: sub, X-Roles: realm.roles}";
        let builder = Portcullis::builder(&guarded(&origin, policy)).carrier(carrier);
        let portcullis = builder
            .file("keys.json", SigningKey::set(&[&key]))
            .start()
            .await;
        let address = portcullis.listener("http");
        let claims = json!({ "sub": "ada", "aud": "api", "realm": { "roles": ["a", "b"] } });
        for mut client in [http1(address).await, http2(address).await] {
            // The second time it is known.
            for _ in 0..2 {
                let asked = request("GET", "/echo")
                    .header("authorization", key.bearer(&claims))
                    .header("x-user", "eve")
                    .header("x_user", "eve")
                    .header("x-roles", "admin");
                let echo = client.ask(asked.body(full("")).expect("a request")).await;
                assert_eq!(echo.status, 200);
                assert_eq!(echo.seen_header("x-user").as_deref(), Some("ada"));
                assert_eq!(echo.seen_header("x-roles").as_deref(), Some("a,b"));
                assert_eq!(echo.seen_header("x_user"), None);
                assert_eq!(echo.seen_header("authorization"), None);
            }
        }
        let line = portcullis.logged(|line| line["status"] == 200).await;
        assert_eq!(line["user"], "ada");
    })
    .await;
}

#[tokio::test]
async fn whoever_does_not_get_in_is_told_why() {
    let (origin, key, other) = (
        origin().await,
        SigningKey::new("one"),
        SigningKey::new("one"),
    );
    let policy =
        "jwks: keys.json, audience: api, issuer: id, leeway: 0s, scopes: read, realm: shop";
    let builder = Portcullis::builder(&guarded(&origin, policy));
    let portcullis = builder
        .file("keys.json", SigningKey::set(&[&key]))
        .start()
        .await;
    let address = portcullis.listener("http");
    let good = json!({ "aud": "api", "iss": "id", "scope": "read" });
    let with = |name: &str, value: serde_json::Value| {
        let mut claims = good.clone();
        claims[name] = value;
        key.bearer(&claims)
    };
    let past = issued_long_ago();
    let unsigned = key.forged("none", b"", &good);
    // Whoever believes the token takes the public key, which everybody knows, for a secret.
    let by_jwk = key.forged("HS256", key.jwk.to_string().as_bytes(), &good);
    let by_point = key.forged("HS256", &key.point, &good);
    for mut client in [http1(address).await, http2(address).await] {
        assert_eq!(ask(&mut client, &key.bearer(&good)).await.status, 200);
        let none = client.get("/echo").await;
        assert_eq!(none.status, 401);
        assert_eq!(
            none.header("www-authenticate"),
            Some("Bearer realm=\"shop\"")
        );
        for (bearer, code, told) in [
            (with("exp", past.into()), 401, "expired"),
            (with("aud", "web".into()), 401, "another audience"),
            (with("iss", "evil".into()), 401, "issuer is not accepted"),
            (
                with("scope", "write".into()),
                403,
                "scope is not sufficient",
            ),
            (other.bearer(&good), 401, "signature is not valid"),
            (key.named("two", &good), 401, "unknown key"),
            (unsigned.clone(), 401, "algorithm that is not accepted"),
            (by_jwk.clone(), 401, "algorithm that is not accepted"),
            (by_point.clone(), 401, "algorithm that is not accepted"),
            ("Bearer a.b.c".to_owned(), 401, "malformed"),
            (format!("Bearer {}", "a".repeat(8_193)), 401, "too long"),
        ] {
            let answer = ask(&mut client, &bearer).await;
            assert_eq!(answer.status, code, "{told}");
            let challenge = answer.header("www-authenticate").expect("a challenge");
            assert!(challenge.contains(told), "{challenge}");
            assert_eq!(
                answer
                    .header("proxy-status")
                    .map(|status| status.contains("http_request_denied")),
                Some(true)
            );
        }
    }
    assert_eq!(
        origin.journal().requests(),
        2,
        "nobody else got to the origin"
    );
    assert_eq!(
        portcullis
            .metric("portcullis_jwt_tokens_total{result=\"refused\"")
            .await,
        22.0
    );
    let line = portcullis.logged(|line| line["status"] == 403).await;
    assert_eq!(line["reason"], "forbidden");
}

fn issued_long_ago() -> i64 {
    1_600_000_000
}

#[tokio::test]
async fn a_websocket_needs_a_token_as_well() {
    let (origin, key) = (origin().await, SigningKey::new("one"));
    let builder = Portcullis::builder(&guarded(&origin, "jwks: keys.json"));
    let portcullis = builder
        .file("keys.json", SigningKey::set(&[&key]))
        .start()
        .await;
    let handshake = |more: &str| {
        format!(
            "GET /ws HTTP/1.1\r\nHost: a.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{more}\r\n"
        )
    };
    let address = portcullis.listener("http");
    let mut refused = Raw::sent(address, handshake("")).await;
    assert_eq!(refused.response().await.status, 401);
    let bad = "Authorization: Bearer e30.e30.e30\r\n";
    let mut refused = Raw::sent(address, handshake(bad)).await;
    assert_eq!(refused.response().await.status, 401);
    let good = format!("Authorization: {}\r\n", key.bearer(&json!({})));
    let mut served = Raw::sent(address, handshake(&good)).await;
    assert_eq!(served.response_to_head().await.status, 101);
}

#[tokio::test]
async fn without_keys_nobody_is_let_in_and_with_them_it_does_not_matter_that_their_source_is_away()
{
    let (origin, key) = (origin().await, SigningKey::new("one"));
    let port = free_port();
    let policy = format!("jwks: 'http://127.0.0.1:{port}/keys?code=hush', refresh: 1s");
    let portcullis = Portcullis::start(&guarded(&origin, &policy)).await;
    let bearer = key.bearer(&json!({}));
    let mut client = http1(portcullis.listener("http")).await;
    let answer = ask(&mut client, &bearer).await;
    assert_eq!(answer.status, 503);
    assert!(answer.header("retry-after").is_some());
    let line = portcullis.logged(|line| line["status"] == 503).await;
    assert_eq!(line["reason"], "auth_unavailable");
    assert_eq!(
        client.get("/echo").await.status,
        401,
        "without a token there is nothing to judge"
    );
    let name = format!("http://127.0.0.1:{port}/keys");
    portcullis
        .says(&format!(
            "jwks {name}: can't connect: connection refused; nobody can be let in"
        ))
        .await;

    let issuer = Issuer::start(port, None, &[&key]).await;
    eventually("the keys are there", async || {
        status(&portcullis, &bearer).await == 200
    })
    .await;
    portcullis.says(&format!("jwks {name}: 1 keys")).await;

    // Away in every way there is; each is noticed, and none hurts.
    let failed = format!("portcullis_jwks_fetches_total{{result=\"failed\",source=\"{name}\"}}");
    for serves in [
        Serves::Body(302, String::new()),
        Serves::Body(200, "<html>".to_owned()),
        Serves::Body(200, json!({ "keys": [] }).to_string()),
        Serves::Body(200, "x".repeat(600 << 10)),
    ] {
        let before = portcullis.metric(&failed).await;
        issuer.serve(serves);
        eventually("it fails", async || {
            portcullis.metric(&failed).await > before
        })
        .await;
        assert_eq!(status(&portcullis, &bearer).await, 200);
        assert_eq!(
            status(&portcullis, &key.bearer(&json!({ "a": 1 }))).await,
            200
        );
        issuer.has(&[&key]);
        let failing = format!("portcullis_jwks_failing{{source=\"{name}\"}}");
        eventually("it is back", async || {
            portcullis.metric(&failing).await == 0.0
        })
        .await;
    }
    issuer.serve(Serves::Silence);
    assert_eq!(
        status(&portcullis, &key.bearer(&json!({ "a": 2 }))).await,
        200
    );
    drop(issuer);
    let before = portcullis.metric(&failed).await;
    eventually("it is away", async || {
        portcullis.metric(&failed).await > before
    })
    .await;
    assert_eq!(
        status(&portcullis, &key.bearer(&json!({ "a": 3 }))).await,
        200
    );
    let said = portcullis.stderr();
    assert!(
        !said.contains("hush"),
        "what is in a query may be a secret:\n{said}"
    );
    assert!(
        said.matches("the former keys hold").count() <= 6,
        "told once for each change:\n{said}"
    );
}

#[tokio::test]
async fn keys_change_when_a_token_is_signed_with_a_new_one_and_not_for_whoever_makes_names_up() {
    let (origin, old, new) = (
        origin().await,
        SigningKey::new("old"),
        SigningKey::new("new"),
    );
    let issuer = Issuer::start(0, None, &[&old]).await;
    let policy = format!("jwks: 'http://{}/keys', refresh: 1h", issuer.address);
    let portcullis = Portcullis::start(&guarded(&origin, &policy)).await;
    let started = Instant::now();
    let (by_old, by_new) = (old.bearer(&json!({})), new.bearer(&json!({})));
    assert_eq!(
        status(&portcullis, &by_old).await,
        200,
        "a start waits for the keys"
    );
    assert_eq!(issuer.asked(), 1);

    issuer.has(&[&new]);
    assert_eq!(status(&portcullis, &by_new).await, 401);
    eventually("the new key is known", async || {
        status(&portcullis, &by_new).await == 200
    })
    .await;
    assert_eq!(issuer.asked(), 2);
    assert_eq!(
        status(&portcullis, &by_old).await,
        401,
        "a key that is gone lets nobody in"
    );

    let mut client = http1(portcullis.listener("http")).await;
    for kid in 0..1_000 {
        let made_up = new.named(&kid.to_string(), &json!({}));
        assert_eq!(ask(&mut client, &made_up).await.status, 401);
    }
    assert_eq!(ask(&mut client, &by_new).await.status, 200);
    // One fetch in five seconds.
    let most = 2 + started.elapsed().as_secs() as usize / 5 + 1;
    assert!(
        issuer.asked() <= most,
        "{} fetches, at most {most}",
        issuer.asked()
    );
}

#[tokio::test]
async fn a_reload_keeps_the_keys_and_forgets_what_other_rules_found_good() {
    let (origin, key) = (origin().await, SigningKey::new("one"));
    let issuer = Issuer::start(0, None, &[&key]).await;
    let policy = format!("jwks: 'http://{}/keys', refresh: 1h", issuer.address);
    let portcullis = Portcullis::start(&guarded(&origin, &policy)).await;
    let bearer = key.bearer(&json!({ "aud": "web" }));
    assert_eq!(status(&portcullis, &bearer).await, 200);
    let cached = "portcullis_jwt_tokens_total{result=\"cached\"";

    portcullis
        .apply(&format!(
            "{}forwarding: {{via: false}}\n",
            guarded(&origin, &policy)
        ))
        .await;
    assert_eq!(status(&portcullis, &bearer).await, 200);
    assert_eq!(portcullis.metric(cached).await, 1.0, "the same rules");
    let strict = format!("{policy}, audience: api");
    portcullis.apply(&guarded(&origin, &strict)).await;
    assert_eq!(status(&portcullis, &bearer).await, 401);
    portcullis.apply(&guarded(&origin, &policy)).await;
    assert_eq!(status(&portcullis, &bearer).await, 200);
    assert_eq!(issuer.asked(), 1, "the keys outlive a reload");
}

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

#[tokio::test]
async fn a_limit_counts_by_what_a_verified_token_says() {
    let (origin, key) = (origin().await, SigningKey::new("one"));
    let limit = "rate_limits: [{name: per-user, rate: 1/h, burst: 2, key: claim.sub}]";
    let yaml = guarded(&origin, "jwks: keys.json").replace("jwt:", &format!("{limit}, jwt:"));
    let builder = Portcullis::builder(&yaml);
    let portcullis = builder
        .file("keys.json", SigningKey::set(&[&key]))
        .start()
        .await;
    for sub in ["ada", "bob"] {
        // Whoever forges a token takes nothing from its owner.
        let forged = SigningKey::new("one").bearer(&json!({ "sub": sub }));
        let own = key.bearer(&json!({ "sub": sub }));
        for (bearer, expected) in [(&forged, 401), (&own, 200), (&own, 200), (&own, 429)] {
            assert_eq!(status(&portcullis, bearer).await, expected, "{sub}");
        }
    }
}

#[tokio::test]
async fn keys_in_a_file_change_with_it() {
    let (origin, old, new) = (
        origin().await,
        SigningKey::new("old"),
        SigningKey::new("new"),
    );
    let yaml = guarded(&origin, "jwks: keys.json");
    let builder = Portcullis::builder(&yaml);
    let portcullis = builder
        .file("keys.json", SigningKey::set(&[&old]))
        .start()
        .await;
    let (by_old, by_new) = (old.bearer(&json!({})), new.bearer(&json!({})));
    assert_eq!(status(&portcullis, &by_old).await, 200);
    assert_eq!(status(&portcullis, &by_new).await, 401);
    portcullis.replace("keys.json", SigningKey::set(&[&new]));
    portcullis.apply(&yaml).await;
    assert_eq!(status(&portcullis, &by_old).await, 401);
    assert_eq!(status(&portcullis, &by_new).await, 200);
    portcullis.replace("keys.json", "{}");
    portcullis.rejected(&yaml).await;
    assert_eq!(status(&portcullis, &by_new).await, 200);
}

#[tokio::test]
async fn keys_are_fetched_over_tls_from_whom_the_system_trusts_and_from_nobody_else() {
    let (origin, key) = (origin().await, SigningKey::new("one"));
    let authority = Authority::new();
    let identity = authority.issue(&["localhost"]);
    let issuer = Issuer::start(0, Some(&identity), &[&key]).await;
    let port = issuer.address.port();
    let bearer = key.bearer(&json!({}));
    for (trusted, expected) in [(&authority, 200), (&Authority::new(), 503)] {
        let policy = format!("jwks: 'https://localhost:{port}/keys'");
        let builder = Portcullis::builder(&guarded(&origin, &policy)).file("ca.pem", trusted.pem());
        let roots = builder.directory().join("ca.pem");
        let roots = roots.to_str().expect("a path").to_owned();
        let portcullis = builder.env("SSL_CERT_FILE", &roots).start().await;
        assert_eq!(status(&portcullis, &bearer).await, expected);
    }
    assert_eq!(issuer.asked(), 1);
}
