//! Does a request order a purge of what it asks for, and may its client?

use std::net::IpAddr;
use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Method, StatusCode};

use crate::admission::NetworkSet;
use crate::cache::purge::{Mode, What};
use crate::cache::report::PurgeReport;
use crate::error::{Phase, ProxyError, Reason};
use crate::policy::access::Reply;
use crate::snapshot::Snapshot;
use crate::telemetry::metrics::PurgeKind;

/// The method that Squid made known, and that editors' systems send.
const PURGE: &str = "PURGE";

/// Fields that ask for a soft purge: our own, and the one that modules for editors' systems know already.
const SOFT: [&str; 2] = ["soft-purge", "fastly-soft-purge"];

/// How the object that a request asks for is to be purged; `None` if that is not what the request wants. On a route without
/// a cache `PURGE` is a method like any other, and nobody asks this.
///
/// # Errors
///
/// Its client is none of those who may.
pub fn ordered(
    method: &Method,
    fields: &HeaderMap,
    client: Option<IpAddr>,
    purgers: &NetworkSet,
) -> Result<Option<Mode>, ProxyError> {
    if method.as_str() != PURGE {
        return Ok(None);
    }
    if !client.is_some_and(|client| purgers.contains(client)) {
        return Err(ProxyError::new(Reason::IpDenied, Phase::Route));
    }
    // Whatever is written there, less is lost by a soft purge.
    let is_soft = |name: &&str| match fields.get(*name).map(HeaderValue::as_bytes) {
        None | Some(b"0" | b"false") => false,
        Some(_) => true,
    };
    Ok(Some(match SOFT.iter().any(is_soft) {
        true => Mode::Soft,
        false => Mode::Hard,
    }))
}

/// Purges what a request asks for, to the end, whether its client waits for that or not.
pub async fn carry_out(snapshot: &Arc<Snapshot>, what: What, mode: Mode) -> Reply {
    let snapshot = Arc::clone(snapshot);
    let purging = tokio::spawn(async move {
        let (store, now) = (&snapshot.store, SystemTime::now());
        store.purge(&[what], mode, now).await;
        let report = store.remove_purged(mode, now).await;
        let metrics = &snapshot.metrics.cache;
        metrics.purged(PurgeKind::Url, 1);
        metrics.removed(report.memory + report.disk);
        report
    });
    // It takes effect even where looking for what was purged has panicked.
    answer(purging.await.unwrap_or_default(), mode)
}

/// What the client is told: what was found, in the words of the admin listener.
fn answer(report: PurgeReport, mode: Mode) -> Reply {
    let PurgeReport { memory, disk } = report;
    let soft = mode == Mode::Soft;
    let body = format!("{{\"memory\": {memory}, \"disk\": {disk}, \"soft\": {soft}}}\n");
    Reply {
        status: StatusCode::OK,
        fields: vec![
            (CONTENT_TYPE, HeaderValue::from_static("application/json")),
            (CACHE_CONTROL, HeaderValue::from_static("no-store")),
        ],
        body: Bytes::from(body),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admission::networks::parse;

    fn purge() -> Method {
        Method::from_bytes(b"PURGE").expect("a method")
    }

    fn address(text: &str) -> Option<IpAddr> {
        Some(text.parse().expect("an address"))
    }

    fn ask(
        method: &Method,
        field: Option<(&'static str, &'static str)>,
        client: Option<IpAddr>,
    ) -> Result<Option<Mode>, Reason> {
        let purgers =
            NetworkSet::new(["10.0.0.0/8", "::1/128"].map(|net| parse(net).expect("a network")));
        let mut fields = HeaderMap::new();
        if let Some((name, value)) = field {
            fields.insert(name, HeaderValue::from_static(value));
        }
        ordered(method, &fields, client, &purgers).map_err(|error| error.reason)
    }

    #[test]
    fn only_those_who_may_order_a_purge() {
        for client in ["10.1.2.3", "::1"] {
            assert_eq!(ask(&purge(), None, address(client)), Ok(Some(Mode::Hard)));
        }
        for client in [address("11.0.0.1"), address("::2"), None] {
            assert_eq!(ask(&purge(), None, client), Err(Reason::IpDenied));
        }
        let nobody = NetworkSet::default();
        let asked = ordered(&purge(), &HeaderMap::new(), address("10.0.0.1"), &nobody);
        assert_eq!(asked, Err(ProxyError::new(Reason::IpDenied, Phase::Route)));
    }

    #[test]
    fn every_other_method_is_none_of_its_business() {
        for method in [Method::GET, Method::POST, Method::DELETE] {
            assert_eq!(ask(&method, None, None), Ok(None));
        }
        let method = Method::from_bytes(b"purge").expect("a method");
        assert_eq!(
            ask(&method, None, None),
            Ok(None),
            "methods are as written (RFC 9110 §9.1)"
        );
    }

    #[test]
    fn a_field_makes_it_soft() {
        let client = address("10.0.0.1");
        for field in [
            ("Soft-Purge", "1"),
            ("fastly-soft-purge", "1"),
            ("soft-purge", "yes"),
        ] {
            assert_eq!(ask(&purge(), Some(field), client), Ok(Some(Mode::Soft)));
        }
        for field in [
            ("soft-purge", "0"),
            ("fastly-soft-purge", "false"),
            ("x-soft", "1"),
        ] {
            assert_eq!(ask(&purge(), Some(field), client), Ok(Some(Mode::Hard)));
        }
    }

    #[test]
    fn the_answer_says_what_was_found() {
        let reply = answer(PurgeReport { memory: 1, disk: 2 }, Mode::Soft);
        let value: serde_json::Value = serde_json::from_slice(&reply.body).expect("JSON");
        assert_eq!(
            value,
            serde_json::json!({"memory": 1, "disk": 2, "soft": true})
        );
        assert_eq!(reply.status, StatusCode::OK);
    }
}
