//! Which tokens let somebody in, what is made of their claims, and what is told to everybody else?

use serde_json::json;

use super::*;

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
