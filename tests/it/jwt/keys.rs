//! Where do the keys come from, how do they change, and what if their source is away?

use std::time::Instant;

use serde_json::json;

use super::*;

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
