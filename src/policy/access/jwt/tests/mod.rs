//! Who gets in with which token? Tokens are signed by another implementation than the one that verifies them.

mod forwarding;
mod key_sets;
mod known;
mod places;
mod signatures;
mod signer;

use std::net::IpAddr;
use std::time::Instant;

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

proptest::proptest! {
    #[test]
    fn no_text_is_a_token_and_none_leads_to_a_panic(text in "[ -~]{0,200}", dots in "[A-Za-z0-9_-]{0,60}(\\.[A-Za-z0-9_-]{0,60}){0,4}") {
        let jwt = policy(given(KeySet::of_secret(&[7; 64])), &Algorithm::ALL);
        for text in [text, dots] {
            proptest::prop_assert!(matches!(ask(&jwt, &text).0, Verdict::Now(Ruling::Refuse(_))));
        }
    }
}
