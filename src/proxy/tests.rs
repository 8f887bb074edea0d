//! Does a header become the right decision, without a socket?

use std::sync::Arc;

use http::Version;
use pingora::http::RequestHeader;

use super::about::{About, TlsAbout};
use super::ctx::RequestCtx;
use super::decide::{Next, Step, decide};
use crate::config::{Diagnostics, load};
use crate::error::Reason;
use crate::server::door::Door;
use crate::server::door::bind::Bound;
use crate::server::reload::prepare::prepare_loaded;
use crate::server::run::new_state;
use crate::snapshot::Snapshot;

const CONFIG: &str = "
forwarding: { trusted_proxies: [10.0.0.0/8] }
listeners:
  - { name: plain, address: '127.0.0.1:1', limits: { body: 100, uri: 64 } }
  - { name: away, address: '127.0.0.1:2', redirect: https, redirect_port: 8443 }
routes:
  - { name: all, pool: app }
  - { name: secure, match: { paths: [{ prefix: /secure }] }, https_redirect: true, pool: app }
  - { name: big, match: { paths: [{ prefix: /big }] }, max_body: 0, rewrite: { prefix: /b }, pool: app }
pools:
  - { name: app, endpoints: ['127.0.0.1:3'] }
";

fn snapshot() -> Arc<Snapshot> {
    compiled(CONFIG)
}

/// The generation that this configuration makes.
pub(super) fn compiled(config: &str) -> Arc<Snapshot> {
    let mut diagnostics = Diagnostics::default();
    let loaded = load::load_str("test", config, &|_| None, &mut diagnostics);
    let state = new_state().expect("every metric is registered once");
    let prepared = prepare_loaded(loaded, diagnostics, &state);
    Arc::new(
        prepared
            .snapshot
            .unwrap_or_else(|| panic!("{}", prepared.diagnostics)),
    )
}

pub(super) fn about(snapshot: &Snapshot, listener: &str, peer: &str, tls: bool) -> Arc<About> {
    let mut listeners = snapshot.listeners.iter();
    let listener = listeners.find(|one| *one.name == *listener);
    let listener = listener.expect("it is configured");
    let bound = Bound {
        address: listener.address.clone(),
        sockets: Vec::new(),
        file: None,
        passed: false,
    };
    let door = Arc::new(Door::new(listener, bound, 1));
    Arc::new(About {
        stay: door.welcome(0),
        door,
        peer: Some(peer.parse().expect("an address")),
        local_port: Some(1),
        tls: tls.then(|| TlsAbout {
            version: "TLSv1.3",
            cipher: "x".into(),
            name: None,
        }),
        too_slow: false.into(),
    })
}

pub(super) fn request(target: &str, fields: &[(&'static str, &str)]) -> RequestHeader {
    let mut header = RequestHeader::build("GET", target.as_bytes(), None).expect("a header");
    header.set_version(Version::HTTP_11);
    for (name, value) in fields {
        header.append_header(*name, *value).expect("a field");
    }
    header
}

/// What is decided: the route's name and the target for the endpoint, the redirect's location, or the reason.
fn decided(listener: &str, peer: &str, target: &str, fields: &[(&'static str, &str)]) -> String {
    let snapshot = snapshot();
    let about = about(&snapshot, listener, peer, false);
    let mut ctx = RequestCtx::new(snapshot);
    let next = match decide(&request(target, fields), &about, &mut ctx) {
        Ok(Step::Decided(next)) => next,
        Ok(Step::Wait(_) | Step::Ask(_)) => return "waits".to_owned(),
        Err(error) => return error.reason.to_string(),
    };
    match next {
        Next::Carry => {
            let route = ctx.route.as_ref().expect("it has a route");
            format!(
                "{} {}",
                route.name,
                ctx.target.as_deref().unwrap_or("as it came")
            )
        }
        Next::Redirect { status, location } => format!("{} {location}", status.as_u16()),
        Next::Respond(route) => format!("respond {}", route.name),
        Next::Answer(reply) => format!("answer {}", reply.status.as_u16()),
        Next::Purge(..) => "purge".to_owned(),
    }
}

const CLIENT: &str = "192.0.2.1:5";

#[test]
fn a_target_is_forwarded_as_it_was_matched() {
    let host = ("Host", "a.example");
    for (target, want) in [
        ("/x?q=1", "all as it came"),
        ("/a//b/../c?q=%2F", "all /a/c?q=%2F"),
        ("/big/x?y", "big /b/x?y"),
        ("/%62ig", "big /b"),
        ("http://a.example/big/x", "big /b/x"),
        ("http://a.example", "all /"),
    ] {
        assert_eq!(decided("plain", CLIENT, target, &[host]), want, "{target}");
    }
}

#[test]
fn what_has_no_single_reading_is_refused() {
    let host = ("Host", "a.example");
    for (target, fields, want) in [
        ("/a%2Fb", vec![host], Reason::AmbiguousPath),
        ("/../x", vec![host], Reason::AmbiguousPath),
        ("*", vec![host], Reason::BadRequest),
        ("/", vec![("Host", "a b")], Reason::BadRequest),
        ("/", vec![("Host", "user@a.example")], Reason::BadRequest),
        ("/", vec![], Reason::BadRequest),
        (
            "/",
            vec![host, ("Content-Length", "101")],
            Reason::BodyTooLarge,
        ),
    ] {
        assert_eq!(
            decided("plain", CLIENT, target, &fields),
            want.as_str(),
            "{target}"
        );
    }
    assert_eq!(
        decided("plain", CLIENT, "/big", &[host, ("Content-Length", "101")]),
        "big /b"
    );
}

#[test]
fn https_is_a_308_to_the_same_place_and_a_trusted_proxy_may_say_it_is_there_already() {
    let host = ("Host", "A.example:8080");
    assert_eq!(
        decided("away", CLIENT, "/x?y=1", &[host]),
        "308 https://a.example:8443/x?y=1"
    );
    assert_eq!(
        decided("plain", CLIENT, "/secure", &[host]),
        "308 https://a.example/secure"
    );
    let proto = ("X-Forwarded-Proto", "https");
    assert_eq!(
        decided("plain", "10.1.2.3:4", "/secure", &[host, proto]),
        "secure as it came"
    );
    assert_eq!(
        decided("plain", CLIENT, "/secure", &[host, proto]),
        "308 https://a.example/secure"
    );
}

#[test]
fn http2_has_no_fields_that_belong_to_a_connection_and_is_measured_after_it_was_parsed() {
    let snapshot = snapshot();
    let about = about(&snapshot, "plain", CLIENT, true);
    let mut header = request(&format!("/{}", "x".repeat(64)), &[("Host", "a")]);
    header.set_version(Version::HTTP_2);
    let mut ctx = RequestCtx::new(snapshot);
    let error = decide(&header, &about, &mut ctx)
        .err()
        .map(|error| error.reason);
    assert_eq!(error, Some(Reason::UriTooLong));
}

mod overtime {
    use std::sync::Arc;
    use std::time::{Duration, Instant};

    use super::{request, snapshot};
    use crate::proxy::ctx::RequestCtx;
    use crate::proxy::finish::Asked;
    use crate::proxy::{Overtime, watch};
    use crate::telemetry::metrics::Counted;

    fn soon() -> Option<Instant> {
        Some(Instant::now() + Duration::from_millis(20))
    }

    #[tokio::test]
    async fn a_session_without_a_deadline_ends_by_itself() {
        assert_eq!(watch(Arc::default(), snapshot, async { 1 }).await, Some(1));
    }

    #[tokio::test]
    async fn a_session_past_its_deadline_is_dropped_whenever_the_deadline_was_set() {
        let stuck = async {
            tokio::task::yield_now().await;
            Overtime::current().expect("it watches").set_total(soon());
            std::future::pending::<()>().await;
        };
        assert_eq!(watch(Arc::default(), snapshot, stuck).await, None);
    }

    #[tokio::test]
    async fn a_deadline_that_is_moved_or_taken_back_in_time_does_not_end_the_session() {
        let busy = async {
            let overtime = Overtime::current().expect("it watches");
            for _ in 0..10 {
                overtime.set_body(Some(Instant::now() + Duration::from_secs(5)));
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            overtime.set_body(soon());
            overtime.reset();
            tokio::time::sleep(Duration::from_millis(60)).await;
        };
        assert_eq!(watch(Arc::default(), snapshot, busy).await, Some(()));
    }

    #[tokio::test]
    async fn a_session_that_panics_ends_and_its_request_is_counted_and_not_in_flight() {
        let snapshot = snapshot();
        let now = || Arc::clone(&snapshot);
        let in_flight = &snapshot.listeners[0].metrics.requests_in_flight;
        let panics = async {
            let mut ctx = RequestCtx::new(now());
            ctx.in_flight = Some(Counted::new(in_flight.clone()));
            ctx.asked = Some(Box::new(Asked::of(&request("/", &[]), None)));
            tokio::task::yield_now().await;
            assert_eq!(in_flight.get(), 0, "as Pingora might");
        };
        assert_eq!(watch(Arc::default(), now, panics).await, None);
        assert!(Overtime::current().is_none());
        assert_eq!(in_flight.get(), 0);
        assert_eq!(snapshot.metrics.panics.get(), 1);
        let mut rendered = Vec::new();
        snapshot.metrics.render(&mut rendered);
        let rendered = String::from_utf8(rendered).expect("the text format is UTF-8");
        let failure = "portcullis_failures_total{reason=\"internal\",route=\"(none)\"} 1";
        assert!(rendered.contains(failure));
    }
}
