//! What does a limit say about a request, and what does it tell the client?

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::time::{Instant, SystemTime};

use http::{HeaderMap, Method};

use super::*;
use crate::admission::networks::parse;
use crate::proxy::forward::Scheme;
use crate::route::Request;
use crate::telemetry::Metrics;

/// Two at once, one in a minute.
fn limiter(key: &str, exempt_keys: &[&str]) -> RateLimit {
    let burst = NonZeroU32::new(2).expect("two");
    let limit = Limit::new("1/m".parse().expect("a rate"), burst).expect("a limit");
    RateLimit {
        limit,
        key: RateKey::parse(key, 64).expect("a key"),
        buckets: Arc::new(Buckets::new(10, Instant::now())),
        exempt: NetworkSet::new([parse("10.0.0.0/8").expect("a network")]),
        exempt_keys: ExemptKeys::new(exempt_keys.iter().copied()),
        dry_run: false,
        told: Told::new("slow", &limit, false).expect("ASCII"),
        metrics: Metrics::new()
            .expect("metrics")
            .rate_limit("route", "r", "slow"),
    }
}

/// What it says about a request of `client` with this key, and what the client is told.
fn ask(limiter: &RateLimit, client: Option<&str>, key: &str) -> (Option<Refusal>, Vec<String>) {
    let mut headers = HeaderMap::new();
    headers.insert("x-key", HeaderValue::from_str(key).expect("a value"));
    let request = Request {
        host: "a.example",
        path: "/",
        query: None,
        method: &Method::GET,
        headers: &headers,
    };
    let asked = Asked {
        request: &request,
        told_query: request.query,
        target: b"/",
        client: client.map(|client| client.parse::<IpAddr>().expect("an address")),
        scheme: Scheme::Http,
        upgrade: false,
        now: Instant::now(),
        time: SystemTime::UNIX_EPOCH,
    };
    let mut granted = Granted::default();
    let refusal = match limiter.decide(&asked, &mut granted) {
        Verdict::Now(Ruling::Pass) => None,
        Verdict::Now(Ruling::Refuse(refusal)) => Some(refusal),
        _ => panic!("it decides at once"),
    };
    let told = granted.to_client.iter().map(|edit| match edit {
        Edit::Append(name, value) => format!("{name}: {}", value.to_str().expect("ASCII")),
        other => panic!("{other:?}"),
    });
    (refusal, told.collect())
}

#[test]
fn what_is_too_much_is_refused_and_told() {
    let limiter = limiter("client_ip", &[]);
    let client = Some("192.0.2.1");
    assert_eq!(ask(&limiter, client, "a"), (None, vec![]));
    assert_eq!(ask(&limiter, client, "b"), (None, vec![]));
    let (refusal, told) = ask(&limiter, client, "c");
    let refusal = refusal.expect("a refusal");
    assert_eq!(refusal.reason, Reason::RateLimited);
    let wait = refusal.retry_after.expect("a time");
    assert!(wait > Duration::from_secs(50) && wait <= Duration::from_secs(60));
    assert_eq!(told[0], "ratelimit-policy: \"slow\";q=2;w=120");
    let seconds = whole_seconds(wait);
    assert_eq!(told[1], format!("ratelimit: \"slow\";r=0;t={seconds}"));
    // Another one has a bucket of its own.
    assert_eq!(ask(&limiter, Some("192.0.2.2"), "a"), (None, vec![]));
    assert_eq!(
        (limiter.metrics.allowed.get(), limiter.metrics.refused.get()),
        (3, 1)
    );
}

#[test]
fn every_answer_tells_if_that_is_wanted() {
    let mut limiter = limiter("client_ip", &[]);
    limiter.told.always = true;
    let (refusal, told) = ask(&limiter, None, "a");
    assert_eq!(refusal, None);
    assert_eq!(told[1], "ratelimit: \"slow\";r=1;t=60");
}

#[test]
fn a_dry_run_refuses_and_tells_nothing() {
    let mut limiter = limiter("header.x-key", &[]);
    limiter.dry_run = true;
    limiter.told.always = true;
    for _ in 0..5 {
        assert_eq!(ask(&limiter, None, "a"), (None, vec![]));
    }
    let metrics = &limiter.metrics;
    assert_eq!((metrics.allowed.get(), metrics.would_refuse.get()), (2, 3));
    assert_eq!(metrics.refused.get(), 0);
}

#[test]
fn who_is_exempt_is_not_counted() {
    let limiter = limiter("header.x-key", &["gold"]);
    for _ in 0..5 {
        assert_eq!(ask(&limiter, Some("10.1.2.3"), "a"), (None, vec![]));
        assert_eq!(ask(&limiter, Some("192.0.2.1"), "gold"), (None, vec![]));
    }
    assert_eq!(limiter.metrics.exempt.get(), 10);
    // Nothing of that was put on anyone's account.
    assert_eq!(ask(&limiter, Some("192.0.2.1"), "a"), (None, vec![]));
    assert_eq!(ask(&limiter, None, "a"), (None, vec![]));
    assert!(ask(&limiter, None, "a").0.is_some());
}

#[test]
fn a_limit_may_go_by_what_a_token_says() {
    let limiter = limiter("claim.tier.name", &[]);
    let ask = |name: &str, client: [u8; 4]| {
        let claims = serde_json::json!({"tier": {"name": name}});
        let request = Request {
            host: "a.example",
            path: "/",
            query: None,
            method: &Method::GET,
            headers: &HeaderMap::new(),
        };
        let asked = Asked {
            request: &request,
            told_query: request.query,
            target: b"/",
            client: Some(IpAddr::from(client)),
            scheme: Scheme::Https,
            upgrade: false,
            now: Instant::now(),
            time: SystemTime::UNIX_EPOCH,
        };
        let mut granted = Granted {
            claims: claims.as_object().cloned().map(Arc::new),
            ..Granted::default()
        };
        matches!(
            limiter.decide(&asked, &mut granted),
            Verdict::Now(Ruling::Pass)
        )
    };
    assert!(ask("gold", [192, 0, 2, 1]) && ask("gold", [192, 0, 2, 2]));
    assert!(!ask("gold", [192, 0, 2, 3]));
    assert!(ask("iron", [192, 0, 2, 3]));
}
