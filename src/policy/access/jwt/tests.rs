//! Who gets in with which token? Tokens are signed by another implementation than the one that verifies them.

mod signer;

use std::net::IpAddr;
use std::time::Instant;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::header::AUTHORIZATION;
use http::{HeaderMap, Method};
use jsonwebtoken::Algorithm as Signed;
use serde_json::json;

use super::algorithm::Algorithm;
use super::*;
use crate::policy::access::Ruling;
use crate::proxy::forward::Scheme;
use crate::route::Request;
use crate::telemetry::Metrics;
use signer::Signer;

const NOW: u64 = 1_800_000_000;

/// Those for public keys.
fn asymmetric() -> Box<[Algorithm]> {
    let all = Algorithm::ALL.into_iter();
    all.filter(|one| !one.is_symmetric()).collect()
}

fn policy(keys: Keys, algorithms: &[Algorithm]) -> Jwt {
    Jwt {
        place: Place::Header(AUTHORIZATION),
        keys,
        rules: Rules {
            algorithms: algorithms.into(),
            ..Rules::default()
        },
        headers: Box::default(),
        forward: true,
        optional: false,
        challenges: Challenges::new("test", &[]).expect("a realm"),
        verified: Arc::new(VerifiedTokens::new(100)),
        metrics: Metrics::new().expect("metrics").tokens("test"),
    }
}

fn given(set: KeySet) -> Keys {
    Keys::Given(Arc::new(set))
}

/// Asks at `NOW`, with these fields and this query.
fn ask_with(jwt: &Jwt, fields: &[(&str, &str)], query: Option<&str>) -> (Verdict, Granted) {
    let mut headers = HeaderMap::new();
    for (name, value) in fields {
        let name: HeaderName = name.parse().expect("a name");
        let value = HeaderValue::from_bytes(value.as_bytes());
        headers.append(name, value.expect("a value"));
    }
    let request = Request {
        host: "example.com",
        path: "/",
        query,
        method: &Method::GET,
        headers: &headers,
    };
    let asked = Asked {
        request: &request,
        told_query: request.query,
        target: b"/",
        client: Some(IpAddr::from([192, 0, 2, 1])),
        scheme: Scheme::Https,
        upgrade: false,
        now: Instant::now(),
        time: UNIX_EPOCH + Duration::from_secs(NOW),
    };
    let mut granted = Granted::default();
    let verdict = jwt.decide(&asked, &mut granted);
    (verdict, granted)
}

fn ask(jwt: &Jwt, token: &str) -> (Verdict, Granted) {
    ask_with(jwt, &[("authorization", &format!("Bearer {token}"))], None)
}

/// What a client is told that does not get in; `None` for one that does.
fn refused((verdict, granted): &(Verdict, Granted)) -> Option<(Reason, String)> {
    match verdict {
        Verdict::Now(Ruling::Pass) => None,
        Verdict::Now(Ruling::Refuse(refusal)) => {
            let told = granted.to_client.iter().find_map(|edit| match edit {
                Edit::Set(_, value) => Some(value.to_str().expect("text").to_owned()),
                _ => None,
            });
            Some((refusal.reason, told.unwrap_or_default()))
        }
        _ => panic!("a verdict that no token leads to"),
    }
}

#[track_caller]
fn assert_refused(jwt: &Jwt, token: &str, fault: Fault) {
    let (reason, told) = refused(&ask(jwt, token)).expect("a refusal");
    let expected = jwt.challenges.field(fault).1;
    assert_eq!(told, expected.to_str().expect("text"));
    assert_eq!(reason == Reason::Forbidden, fault.is_forbidden());
    assert!(jwt.verified.is_empty(), "what was refused is not known");
}

#[track_caller]
fn assert_passes(jwt: &Jwt, token: &str) -> Granted {
    let answer = ask(jwt, token);
    assert_eq!(refused(&answer), None);
    answer.1
}

fn claims() -> Value {
    json!({ "sub": "ada", "iss": "https://id.test/", "aud": ["api"], "exp": NOW + 60 })
}

#[test]
fn every_algorithm_lets_its_own_tokens_in_by_jwks_and_by_pem_and_no_changed_ones() {
    for signed in [
        Signed::RS256,
        Signed::RS384,
        Signed::RS512,
        Signed::PS256,
        Signed::PS384,
        Signed::PS512,
        Signed::ES256,
        Signed::ES384,
        Signed::EdDSA,
    ] {
        let signer = Signer::new(signed, "one");
        let token = signer.sign(&claims());
        let by_pem = KeySet::of_pem(&signer.pem).expect("a PEM key");
        for set in [signer::set(&[&signer]), by_pem] {
            let jwt = policy(given(set), &asymmetric());
            let granted = assert_passes(&jwt, &token);
            assert_eq!(granted.user.as_deref(), Some("ada"));
            assert_eq!(granted.claims.expect("claims")["aud"], json!(["api"]));
        }
        let jwt = policy(given(signer::set(&[&signer])), &asymmetric());
        let [header, payload, signature] = signer::parts(&token);
        let other = URL_SAFE_NO_PAD.encode(json!({ "sub": "eve", "exp": NOW + 60 }).to_string());
        assert_refused(
            &jwt,
            &format!("{header}.{other}.{signature}"),
            Fault::Signature,
        );
        assert_refused(&jwt, &format!("{header}.{payload}."), Fault::Signature);
        // An RSA key takes its time.
        if matches!(signed, Signed::RS256 | Signed::ES256 | Signed::EdDSA) {
            let foreign = Signer::new(signed, "one").sign(&claims());
            assert_refused(&jwt, &foreign, Fault::Signature);
        }
    }
}

#[test]
fn p521_and_the_secrets_let_their_tokens_in() {
    let (jwk, token) = signer::es512(&claims());
    let set = KeySet::of_jwks(json!({ "keys": [jwk] }).to_string().as_bytes()).expect("a set");
    assert_passes(&policy(given(set), &[Algorithm::Es512]), &token);

    let secret = [7; 64];
    for (signed, algorithm) in [
        (Signed::HS256, Algorithm::Hs256),
        (Signed::HS384, Algorithm::Hs384),
        (Signed::HS512, Algorithm::Hs512),
    ] {
        let jwt = policy(given(KeySet::of_secret(&secret)), &[algorithm]);
        assert_refused(
            &jwt,
            &signer::with_secret(signed, &[8; 64], &claims()),
            Fault::Signature,
        );
        let token = signer::with_secret(signed, &secret, &claims());
        assert_passes(&jwt, &token);
        let [header, payload, signature] = signer::parts(&token);
        let short = &signature[..signature.len() - 4];
        let (verdict, _) = ask(&jwt, &format!("{header}.{payload}.{short}"));
        assert!(
            matches!(verdict, Verdict::Now(Ruling::Refuse(_))),
            "a shortened MAC"
        );
    }
}

#[test]
fn a_public_key_is_never_taken_for_a_secret() {
    for signed in [Signed::RS256, Signed::ES256, Signed::EdDSA] {
        let signer = Signer::new(signed, "one");
        let everything = Algorithm::ALL;
        for set in [
            signer::set(&[&signer]),
            KeySet::of_pem(&signer.pem).expect("a key"),
        ] {
            // Even if the configuration allowed it, which it can't.
            let jwt = policy(given(set), &everything);
            for secret in [
                signer.pem.as_bytes(),
                signer.pem.trim().as_bytes(),
                &signer.der,
            ] {
                let forged = signer::with_secret(Signed::HS256, secret, &claims());
                assert_refused(&jwt, &forged, Fault::Algorithm);
            }
        }
    }
}

#[test]
fn a_key_is_used_with_no_algorithm_but_its_own() {
    let rsa = Signer::new(Signed::RS256, "one");
    let token = rsa.sign(&claims());
    let only_es = policy(given(signer::set(&[&rsa])), &[Algorithm::Es256]);
    assert_refused(&only_es, &token, Fault::Algorithm);
    let mut jwk = rsa.jwk.clone();
    jwk["alg"] = "PS256".into();
    let set = KeySet::of_jwks(json!({ "keys": [jwk] }).to_string().as_bytes()).expect("a set");
    assert_refused(&policy(given(set), &asymmetric()), &token, Fault::Algorithm);
    // The header says ES256, and the signature is the RSA key's.
    let [_, payload, signature] = signer::parts(&token);
    let header = URL_SAFE_NO_PAD.encode(json!({ "alg": "ES256", "kid": "one" }).to_string());
    let lying = format!("{header}.{payload}.{signature}");
    let jwt = policy(given(signer::set(&[&rsa])), &asymmetric());
    assert_refused(&jwt, &lying, Fault::Algorithm);
}

#[test]
fn a_token_without_a_signature_is_none() {
    let signer = Signer::new(Signed::ES256, "one");
    let jwt = policy(given(signer::set(&[&signer])), &asymmetric());
    let payload = URL_SAFE_NO_PAD.encode(claims().to_string());
    for alg in ["none", "None", "nOnE", ""] {
        let header = URL_SAFE_NO_PAD.encode(json!({ "alg": alg, "kid": "one" }).to_string());
        assert_refused(&jwt, &format!("{header}.{payload}."), Fault::Algorithm);
    }
    // A key of its own in the header is not looked at.
    let own = Signer::new(Signed::ES256, "one");
    let header =
        json!({ "alg": "ES256", "kid": "one", "jwk": own.jwk, "jku": "https://evil.test/" });
    assert_refused(&jwt, &own.sign_as(&header, &claims()), Fault::Signature);
    let header = json!({ "alg": "ES256", "kid": "one", "crit": ["exp"] });
    assert_refused(&jwt, &signer.sign_as(&header, &claims()), Fault::Critical);
}

#[test]
fn a_set_is_asked_for_the_key_that_the_token_names() {
    let (one, two) = (
        Signer::new(Signed::ES256, "one"),
        Signer::new(Signed::RS256, "two"),
    );
    let jwt = policy(given(signer::set(&[&one, &two])), &asymmetric());
    assert_passes(&jwt, &one.sign(&claims()));
    assert_passes(&jwt, &two.sign(&claims()));
    let jwt = policy(given(signer::set(&[&one, &two])), &asymmetric());
    let named = |kid: &str| one.sign_as(&json!({ "alg": "ES256", "kid": kid }), &claims());
    assert_refused(&jwt, &named("three"), Fault::UnknownKey);
    assert_refused(&jwt, &named("two"), Fault::Algorithm);
    // One that names none may be of any.
    assert_passes(&jwt, &two.sign_as(&json!({ "alg": "RS256" }), &claims()));
}

#[test]
fn rules_hold_for_tokens_that_are_signed_well() {
    let signer = Signer::new(Signed::EdDSA, "one");
    let mut jwt = policy(given(signer::set(&[&signer])), &asymmetric());
    jwt.rules.issuers = Box::new(["https://id.test/".into()]);
    jwt.rules.audiences = Box::new(["api".into()]);
    jwt.rules.scopes = Box::new(["read".into()]);
    let with = |name: &str, value: Value| {
        let mut claims = claims();
        claims["scope"] = "read".into();
        claims[name] = value;
        signer.sign(&claims)
    };
    assert_refused(&jwt, &with("exp", NOW.into()), Fault::Expired);
    assert_refused(&jwt, &with("nbf", (NOW + 1).into()), Fault::NotYet);
    assert_refused(&jwt, &with("aud", "web".into()), Fault::Audience);
    assert_refused(
        &jwt,
        &with("iss", "https://evil.test/".into()),
        Fault::Issuer,
    );
    assert_refused(&jwt, &with("scope", "write".into()), Fault::Scope);
    assert_passes(&jwt, &with("sub", "ada".into()));
}

#[test]
fn a_known_token_is_not_verified_again_and_expires_all_the_same() {
    let signer = Signer::new(Signed::ES256, "one");
    let jwt = policy(given(signer::set(&[&signer])), &asymmetric());
    let token = signer.sign(&claims());
    let first = assert_passes(&jwt, &token).claims.expect("claims");
    let second = assert_passes(&jwt, &token).claims.expect("claims");
    assert!(Arc::ptr_eq(&first, &second));
    assert_eq!(
        (jwt.metrics.verified.get(), jwt.metrics.cached.get()),
        (1, 1)
    );

    let id = verified::id(&token);
    let Keys::Given(set) = &jwt.keys else {
        panic!("given keys");
    };
    let end = NOW as f64 + 60.0;
    assert!(jwt.verified.find(&id, set.version(), end - 0.1).is_some());
    assert!(jwt.verified.find(&id, set.version(), end).is_none());
}

#[test]
fn a_known_token_is_refused_when_its_key_is_gone() {
    let (old, new) = (
        Signer::new(Signed::ES256, "old"),
        Signer::new(Signed::ES256, "new"),
    );
    let metrics = Metrics::new().expect("metrics").key_source("x");
    let source = Arc::new(KeySource::new("x".into(), metrics));
    let jwt = policy(Keys::Fetched(Arc::clone(&source)), &asymmetric());
    let token = old.sign(&claims());
    let (reason, _) = refused(&ask(&jwt, &token)).expect("a refusal");
    assert_eq!(reason, Reason::AuthUnavailable, "without keys nobody knows");
    source.answered(signer::set(&[&old]));
    assert_passes(&jwt, &token);
    source.answered(signer::set(&[&old, &new]));
    assert_passes(&jwt, &token);
    assert_passes(&jwt, &new.sign(&claims()));
    source.answered(signer::set(&[&new]));
    let (reason, told) = refused(&ask(&jwt, &token)).expect("a refusal");
    assert_eq!(reason, Reason::Unauthenticated);
    assert!(told.contains("unknown key"), "{told}");
}

#[test]
fn a_client_without_a_token_is_told_to_bring_one_unless_it_need_not() {
    let signer = Signer::new(Signed::ES256, "one");
    let mut jwt = policy(given(signer::set(&[&signer])), &asymmetric());
    for fields in [&[][..], &[("authorization", "Basic YTpi")]] {
        let (reason, told) = refused(&ask_with(&jwt, fields, None)).expect("a refusal");
        assert_eq!(reason, Reason::Unauthenticated);
        assert_eq!(told, "Bearer realm=\"test\"");
    }
    jwt.optional = true;
    let passed = ask_with(&jwt, &[], None);
    assert_eq!(refused(&passed), None);
    assert!(passed.1.claims.is_none() && passed.1.user.is_none());
    assert_refused(&jwt, "a.b.c", Fault::Malformed);
}

#[test]
fn what_an_endpoint_could_take_for_a_token_does_not_go_on_as_none() {
    let signer = Signer::new(Signed::ES256, "one");
    let mut jwt = policy(given(signer::set(&[&signer])), &asymmetric());
    jwt.optional = true;
    let good = signer.sign(&claims());
    let alone = |value: &str| ask_with(&jwt, &[("authorization", value)], None);
    for malformed in [
        "Bearer",
        "bearer ",
        "Bearer\ta.b.c",
        "Bearer \t a.b.c",
        "bEARER a.b.c",
    ] {
        let (reason, told) = refused(&alone(malformed)).expect(malformed);
        assert_eq!(reason, Reason::Unauthenticated);
        assert!(told.contains("malformed"), "{malformed}: {told}");
    }
    // A good token as well: it would get to the endpoint unseen.
    for else_there in [
        "",
        "Basic YTpi",
        &format!("Bearer:{good}"),
        &format!("Bearer\u{a0}{good}"),
        &format!("Token {good}"),
        &format!("XBearer {good}"),
        &good,
    ] {
        let (reason, told) = refused(&alone(else_there)).expect(else_there);
        assert_eq!(reason, Reason::Unauthenticated, "{else_there}");
        assert_eq!(told, "Bearer realm=\"test\"", "{else_there}");
    }
    let (verdict, granted) = alone(&format!("Bearer\t{good} "));
    assert!(matches!(verdict, Verdict::Now(Ruling::Pass)) && granted.claims.is_some());
}

#[test]
fn a_token_is_found_where_it_is_said_to_be_and_only_once() {
    let signer = Signer::new(Signed::ES256, "one");
    let token = signer.sign(&claims());
    let (bearer, query) = (format!("bEaReR  {token}"), format!("a=1&token={token}"));
    let cookie = format!("a=b; session={token}; c=d");
    type Fields<'f> = &'f [(&'f str, &'f str)];
    let cases: [(Place, Fields<'_>, Option<&str>); 5] = [
        (
            Place::Header(AUTHORIZATION),
            &[("authorization", &bearer)],
            None,
        ),
        (
            Place::Header(HeaderName::from_static("x-token")),
            &[("x-token", &token)],
            None,
        ),
        (
            Place::Header(HeaderName::from_static("x-token")),
            &[("x-token", &bearer)],
            None,
        ),
        (
            Place::Cookie("session".into()),
            &[("cookie", &cookie)],
            None,
        ),
        (Place::Query("token".into()), &[], Some(&query)),
    ];
    for (place, fields, query) in cases {
        let mut jwt = policy(given(signer::set(&[&signer])), &asymmetric());
        jwt.place = place;
        assert_eq!(
            refused(&ask_with(&jwt, fields, query)),
            None,
            "{:?}",
            jwt.place
        );
        assert!(refused(&ask_with(&jwt, &[], None)).is_some());
        let twice = [fields, fields].concat();
        let doubled = query.map(|query| format!("{query}&{query}"));
        let both = ask_with(&jwt, &twice, doubled.as_deref());
        let (_, told) = refused(&both).expect("a refusal");
        assert!(
            told.contains("more than one token"),
            "{:?}: {told}",
            jwt.place
        );
    }
}

#[test]
fn a_token_that_is_not_for_the_endpoint_is_taken_out() {
    let signer = Signer::new(Signed::ES256, "one");
    let token = signer.sign(&claims());
    let mut jwt = policy(given(signer::set(&[&signer])), &asymmetric());
    jwt.forward = false;
    let bearer = [("authorization", &*format!("Bearer {token}"))];
    let (_, granted) = ask_with(&jwt, &bearer, None);
    assert_eq!(granted.to_endpoint, [Edit::Remove(AUTHORIZATION)]);
    jwt.place = Place::Cookie("session".into());
    let cookie = format!("a=b; session={token}");
    let (_, granted) = ask_with(&jwt, &[("cookie", &cookie), ("cookie", "c=d")], None);
    // Of what is there when it is taken out, whatever others have changed by then.
    assert_eq!(granted.to_endpoint, [Edit::RemoveCookie("session".into())]);
}

#[test]
fn claims_become_fields_and_a_client_can_not_forge_them() {
    let signer = Signer::new(Signed::ES256, "one");
    let mut jwt = policy(given(signer::set(&[&signer])), &asymmetric());
    let field = |name, claim: &str| (HeaderName::from_static(name), claim.into());
    jwt.headers = Box::new([
        field("x-user", "sub"),
        field("x-roles", "realm.roles"),
        field("x-level", "level"),
        field("x-none", "none"),
        field("x-bad", "bad"),
        field("x-object", "realm"),
    ]);
    let mut claims = claims();
    claims["realm"] = json!({ "roles": ["a", "b,admin", 3, null] });
    claims["level"] = 2.into();
    claims["bad"] = "two\r\nlines".into();
    let bearer = format!("Bearer {}", signer.sign(&claims));
    let fields = [
        ("authorization", &*bearer),
        ("x-user", "eve"),
        ("X_USER", "eve"),
        ("x-none", "eve"),
        ("x-object", "eve"),
        ("x-users", "stays"),
    ];
    let (verdict, granted) = ask_with(&jwt, &fields, None);
    assert!(matches!(verdict, Verdict::Now(Ruling::Pass)));
    let mut sent = HeaderMap::new();
    for (name, value) in fields {
        let name: HeaderName = name.parse().expect("a name");
        sent.append(name, value.parse().expect("a value"));
    }
    for edit in &granted.to_endpoint {
        edit.apply(&mut sent);
    }
    sent.remove("authorization");
    let mut left: Vec<_> = sent
        .iter()
        .map(|(name, value)| (name.as_str(), value.to_str().expect("a text")))
        .collect();
    left.sort_unstable();
    let expected = [
        ("x-level", "2"),
        ("x-roles", "a,3"),
        ("x-user", "ada"),
        ("x-users", "stays"),
    ];
    assert_eq!(left, expected);
    // Without a token, where that may be, nothing is believed either.
    jwt.optional = true;
    let (_, granted) = ask_with(&jwt, &[("x-user", "eve")], None);
    let disowned = jwt.headers.iter().map(|(name, _)| name.clone());
    let disowned: Vec<_> = disowned.map(Edit::Disown).collect();
    assert_eq!(granted.to_endpoint, disowned);
}

#[test]
fn keys_that_are_not_for_signatures_are_left_out_of_a_set() {
    let good = Signer::new(Signed::RS256, "good").jwk;
    let with = |name: &str, value: Value| {
        let mut jwk = good.clone();
        jwk[name] = value;
        jwk
    };
    let n = URL_SAFE_NO_PAD
        .decode(good["n"].as_str().expect("n"))
        .expect("base64url");
    let leading_zero = URL_SAFE_NO_PAD.encode([&[0][..], &n].concat());
    let short = URL_SAFE_NO_PAD.encode(&n[..128]);
    for (jwk, fits) in [
        (good.clone(), true),
        (with("use", "sig".into()), true),
        (with("use", "enc".into()), false),
        (with("key_ops", json!(["verify"])), true),
        (with("key_ops", json!(["encrypt"])), false),
        (with("alg", "RS512".into()), true),
        (with("alg", "RSA-OAEP".into()), false),
        (with("alg", "HS256".into()), false),
        (with("kty", "EC".into()), false),
        (with("n", leading_zero.into()), true),
        (with("n", short.into()), false),
        (with("n", "".into()), false),
        (with("n", 5.into()), false),
        (with("e", "".into()), false),
        (
            json!({ "kty": "oct", "k": "c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0" }),
            false,
        ),
        (
            json!({ "kty": "EC", "crv": "P-256", "x": "AA", "y": "AA" }),
            false,
        ),
        (
            json!({ "kty": "EC", "crv": "secp256k1", "x": "AA", "y": "AA" }),
            false,
        ),
        (json!({ "kty": "OKP", "crv": "Ed25519", "x": "AA" }), false),
        (json!({ "kty": "OKP", "crv": "X25519", "x": "AA" }), false),
        (json!("text"), false),
    ] {
        let text = json!({ "keys": [jwk, json!({})] }).to_string();
        let set = KeySet::of_jwks(text.as_bytes());
        assert_eq!(set.is_ok(), fits, "{text}");
    }
    for (text, error) in [
        ("{}", "it is no JSON Web Key Set: missing field `keys`"),
        ("<html>", "it is no JSON Web Key Set: expected value"),
        (r#"{"keys":[]}"#, "none of its 0 keys can verify a token"),
    ] {
        let told = KeySet::of_jwks(text.as_bytes())
            .expect_err(text)
            .to_string();
        assert!(told.starts_with(error), "{told}");
    }
    let many = json!({ "keys": vec![good; keys::MOST_KEYS + 1] }).to_string();
    assert_eq!(
        KeySet::of_jwks(many.as_bytes()).expect_err("many"),
        keys::KeyError::TooMany(101)
    );
}

#[test]
fn only_a_public_key_is_taken_out_of_a_pem_file() {
    let signer = Signer::new(Signed::EdDSA, "one");
    let private = signer.pem.replace("PUBLIC", "PRIVATE");
    for text in ["", "text", private.as_str()] {
        assert_eq!(KeySet::of_pem(text).expect_err(text), keys::KeyError::NoPem);
    }
}

proptest::proptest! {
    #[test]
    fn no_text_is_a_token_and_none_leads_to_a_panic(text in "[ -~]{0,200}", dots in "[A-Za-z0-9_-]{0,60}(\\.[A-Za-z0-9_-]{0,60}){0,4}") {
        let jwt = policy(given(KeySet::of_secret(&[7; 64])), &Algorithm::ALL);
        for text in [text, dots] {
            proptest::prop_assert!(matches!(ask(&jwt, &text).0, Verdict::Now(Ruling::Refuse(_))));
        }
    }
}
