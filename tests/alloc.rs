//! Does choosing an endpoint, taking and giving back a lease, finding a request's key, asking a rate limit, or deciding
//! whether a stored response may be used allocate? It is a binary of its own because it counts with a global allocator.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use allocation_counter::measure;
use http::header::{CACHE_CONTROL, COOKIE};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use portcullis::admission::rate::{Buckets, Limit, RateKey};
use portcullis::cache::rules::{Answered, Asked, Settings, Use, Wishes, keep, usable};
use portcullis::config::load::load_str;
use portcullis::config::{Config, Diagnostics};
use portcullis::pool::key::Digest;
use portcullis::pool::{Ask, Ending, KeyRule, Pool, Sticky, Tried, Wanted};
use portcullis::route::Request;
use portcullis::route::key::Source;
use portcullis::snapshot;
use portcullis::state::State;
use portcullis::telemetry::Metrics;

/// Settings of a balancer with which it goes another way, beside each kind as it is by default.
const SETTINGS: [&str; 3] = [
    "{ kind: least_requests, choose: all }",
    "{ kind: ring_hash, max_load: 0 }",
    "{ kind: maglev, max_load: 0 }",
];

/// Every balancer, as it is written: the kinds are those of the configuration's schema, so that none is left out.
fn balancers() -> Vec<String> {
    let schema = portcullis::config::schema::schema();
    let kinds = schema["$defs"]["BalancerKind"]["oneOf"].as_array().cloned();
    let kinds = kinds.expect("a list of kinds");
    let kinds = kinds.iter().map(|kind| kind["const"].as_str());
    let kinds = kinds.map(|kind| kind.expect("a word").to_owned());
    kinds.chain(SETTINGS.map(str::to_owned)).collect()
}

/// A pool of 20 endpoints with these settings, of which some have just come and one is a backup.
fn pool(settings: &str) -> Arc<Pool> {
    let endpoints: Vec<String> = (1..20)
        .map(|port| {
            format!(
                "{{ address: '127.0.0.1:{port}', weight: {} }}",
                port % 3 + 1
            )
        })
        .collect();
    let text = format!(
        "admin: {{ address: 'off' }}\n\
         listeners: [{{ name: http, address: '127.0.0.1:0' }}]\n\
         routes: [{{ name: all, pool: p }}]\n\
         pools: [{{ name: p, {settings}, slow_start: 1h, \
         endpoints: [{}, {{ address: '127.0.0.1:20', backup: true }}] }}]\n",
        endpoints.join(", ")
    );
    let mut diagnostics = Diagnostics::default();
    let loaded = load_str("test.yaml", &text, &|_| None, &mut diagnostics).expect("YAML");
    let config = Config::read(&loaded.root, &mut diagnostics);
    let metrics = Metrics::new().expect("every metric is registered once");
    let state = State::new(Arc::new(metrics));
    let compiled = snapshot::compile(&config, &state, &Default::default(), SystemTime::now());
    let snapshot = compiled
        .snapshot
        .unwrap_or_else(|| panic!("{}", compiled.diagnostics));
    let pool = Arc::clone(&snapshot.pools[0]);
    for endpoint in &pool.members().endpoints[..5] {
        endpoint.state.rises(Instant::now());
    }
    pool
}

/// Picks, and takes and gives back leases, with endpoints that are available, that are tried already and that are not
/// available at all.
fn work(pool: &Pool, tried: &[Tried]) -> usize {
    let members = pool.members();
    let start = Instant::now();
    let mut picked = 0;
    for step in 0..300u32 {
        let now = start + Duration::from_millis(7) * step;
        for tried in tried {
            let ask = Ask {
                now,
                tried,
                key: Some(u64::from(step)),
                fail_open: false,
            };
            picked += usize::from(members.pick(&ask).is_some());
            let wanted = Wanted {
                key: Some(u64::from(step)),
                ..Wanted::new(tried)
            };
            let first = pool.try_lease(&wanted, now);
            let second = pool.try_lease(&wanted, now);
            for (lease, status) in [(first, 200), (second, 503)] {
                if let Ok(mut lease) = lease {
                    lease.settle(Ending::Answered(status), now + Duration::from_millis(3));
                    picked += 1;
                }
            }
        }
    }
    picked
}

#[test]
fn no_pick_and_no_lease_allocates() {
    for balancer in &balancers() {
        let pool = pool(&format!("balancer: {balancer}"));
        let mut some = Tried::default();
        pool.members().endpoints[..3]
            .iter()
            .for_each(|endpoint| some.insert(endpoint));
        let tried = [Tried::default(), some];
        // Once before, for what is made when it is first used.
        work(&pool, &tried);
        let mut picked = 0;
        let all = measure(|| picked = work(&pool, &tried));
        assert_eq!(picked, 1800, "{balancer}");
        assert_eq!(all.count_total, 0, "{balancer}: {all:?}");

        // All but the last and the backup are down; then all but the backup; then all.
        for (down, wanted) in [(0..18, 1800), (18..19, 1800), (19..20, 0)] {
            for endpoint in &pool.members().endpoints[down] {
                endpoint.state.set_drained(true);
            }
            let all = measure(|| picked = work(&pool, &tried));
            assert_eq!(picked, wanted, "{balancer}");
            assert_eq!(all.count_total, 0, "{balancer}: {all:?}");
        }
    }
}

/// All that a pool can be guarded with, with ratios over windows wherever there are any.
const GUARDS: &str = "breaker: { consecutive_failures: 1000, error_ratio: 99, slow_ratio: 99, slow_after: 1s }, \
    ejection: { consecutive_failures: 1000, error_ratio: 99 }, limits: { requests: 100, endpoint_requests: 50 }, \
    retries: { limit: 3, on: [503] }, panic_threshold: 10, hedging: { after: p95 }, health: { path: / }";

/// The fields of a request from a client that has been there before.
fn fields(cookie: &str) -> HeaderMap {
    let mut fields = HeaderMap::new();
    fields.insert("x-user", HeaderValue::from_static("somebody"));
    let cookie = format!("theme=dark; {cookie}; id=\"7\"");
    fields.insert(
        "cookie",
        HeaderValue::from_str(&cookie).expect("legal letters"),
    );
    fields
}

#[test]
fn no_lease_of_a_pool_with_all_guards_allocates() {
    for sticky in ["cookie: { name: own }", "app_cookie: own", "header: x-user"] {
        let pool = pool(&format!("{GUARDS}, sticky: {{ {sticky} }}"));
        let rules = pool.sticky.as_deref().expect("it is sticky");
        let members = pool.members();
        let cookie = match rules {
            Sticky::Own(own) => {
                let mark = own.signer.mark(&members.endpoints[7].name);
                format!("own={}", own.signer.seal(mark.value, 1))
            }
            _ => "own=something".to_owned(),
        };
        let (fields, tried) = (fields(&cookie), Tried::default());
        let (start, wall) = (Instant::now(), SystemTime::now());
        // Longer than the windows, so that each of their parts is begun anew.
        let work = || {
            let (mut leases, mut retries) = (0, 0);
            for step in 0..300u32 {
                let now = start + Duration::from_millis(200) * step;
                let wanted = Wanted {
                    wish: rules.wish(&fields, wall),
                    ..Wanted::new(&tried)
                };
                let known = pool.try_lease(&wanted, now);
                let stranger = pool.try_lease(&Wanted::new(&tried), now);
                let held = pool.state.in_flight();
                assert_eq!((wanted.wish.is_some(), held), (true, 2));
                let after = now + Duration::from_millis(3);
                // Some fail, but not so many that a guard steps in: what that tells the log is no part of a lease.
                let other = if step % 2 == 0 { 503 } else { 200 };
                for (lease, status) in [(known, 200), (stranger, other)] {
                    let mut lease = lease.expect("nothing is in the way");
                    lease.settle(Ending::Answered(status), after);
                    leases += 1;
                }
                retries += u32::from(
                    pool.state
                        .retry_budget
                        .withdraw(&pool.retries.budget, after),
                );
            }
            (leases, retries)
        };
        work();
        let mut counted = (0, 0);
        let all = measure(|| counted = work());
        assert_eq!((counted.0, counted.1 > 0), (600, true), "{sticky}");
        assert_eq!(all.count_total, 0, "{sticky}: {all:?}");
    }
}

#[test]
fn no_key_of_a_request_allocates() {
    let fields = fields("session=abc");
    let request = Request {
        host: "a.test",
        path: "/a/path",
        query: None,
        method: &Method::GET,
        headers: &fields,
    };
    let client = Some("2001:db8::1".parse().expect("an address"));
    for text in [
        "header.X-User",
        "cookie.session",
        "client_ip",
        "{header.X-User}-{cookie.session}/{client_ip}{path}{host}",
    ] {
        for digest in [Digest::Crc32, Digest::Xxh3] {
            let rule = KeyRule::parse(text, digest).expect("a rule");
            let mut key = rule.of(&request, client);
            let all = measure(|| key = rule.of(&request, client));
            assert!(key.is_some(), "{text}");
            assert_eq!(all.count_total, 0, "{text}: {all:?}");
        }
    }
}

#[test]
fn what_allocates_is_counted() {
    let one = measure(|| drop(std::hint::black_box(Box::new(1))));
    assert_eq!(one.count_total, 1);
}

#[test]
fn asking_a_rate_limit_allocates_nothing() {
    let limit = Limit::new("1/h".parse().expect("a rate"), NonZeroU32::MIN).expect("a limit");
    let buckets = Buckets::new(100, Instant::now());
    let headers = HeaderMap::from_iter([(COOKIE, HeaderValue::from_static("a=1; sid=x"))]);
    let request = Request {
        host: "a.example",
        path: "/x",
        query: Some("a=1"),
        method: &Method::GET,
        headers: &headers,
    };
    let from = Source {
        request: &request,
        client: Some("2001:db8::1".parse().expect("an address")),
        claims: None,
    };
    for text in [
        "global",
        "client_ip",
        "{client_ip}-{cookie.sid}-{query.a}-{header.x}",
    ] {
        let key = RateKey::parse(text, 64).expect("a key");
        let now = Instant::now();
        let mut allowed = 0;
        let counted = measure(|| {
            for _ in 0..100 {
                let key = buckets.key(|hasher| key.feed(&from, hasher));
                allowed += u32::from(buckets.take(key, now, &limit).allowed);
            }
        });
        assert_eq!((counted.count_total, allowed), (0, 1), "{text}");
    }
}

#[test]
fn deciding_whether_a_stored_response_may_be_used_allocates_nothing() {
    let says = |value| HeaderMap::from_iter([(CACHE_CONTROL, HeaderValue::from_static(value))]);
    let now = SystemTime::now();
    let asked = Asked {
        method: &Method::GET,
        fields: &HeaderMap::new(),
        identified: false,
    };
    let answered = Answered {
        status: StatusCode::OK,
        fields: &says("max-age=60"),
        requested: now,
        received: now,
    };
    let terms = keep(&asked, &answered, &Settings::default()).expect("terms");
    for (fields, expected) in [
        (HeaderMap::new(), Use::Fresh),
        (says("max-age=60, min-fresh=5, x=\"y\""), Use::Fresh),
        (says("no-cache, no-store"), Use::Validate),
    ] {
        let mut fresh = 0;
        let counted = measure(|| {
            for _ in 0..100 {
                let used = usable(&terms, &Wishes::read(&fields), None, now);
                fresh += u32::from(used == expected);
            }
        });
        assert_eq!((counted.count_total, fresh), (0, 100), "{fields:?}");
    }
}
