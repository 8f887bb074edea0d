//! How do written health checks become a check?

mod http;

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;

use super::checks::at_least_one;
use super::host_rule;
use crate::config::Spanned;
use crate::config::pool::health::{CheckType, Health as Written, Initial as WrittenInitial};
use crate::config::pool::{Pool as WrittenPool, Protocol};
use crate::pool::HostRule;
use crate::pool::address::{self, Address, WrittenAddress};
use crate::pool::health::check::{Check, Place, Question, Rhythm};
use crate::pool::health::verdict::{Initial, Params};
use crate::pool::health::{Health, Measured, Unchecked, ejection};
use crate::snapshot::reporter::Reporter;

/// The shortest interval: below it the checks would be the load.
const SHORTEST: Duration = Duration::from_millis(10);

/// The longest: past a day nobody is being watched.
const LONGEST: Duration = Duration::from_secs(86_400);

/// What is made of what the checks measure.
pub(super) fn health(written: &WrittenPool, ejection: Option<ejection::Params>) -> Arc<dyn Health> {
    let initial = written.health.as_ref().map(|health| health.value.initial);
    if initial.is_none() && ejection.is_none() {
        return Arc::new(Unchecked);
    }
    Arc::new(Measured {
        checked: initial.is_some(),
        trusted: initial == Some(WrittenInitial::Healthy),
        ejection,
    })
}

/// Compiles the check; what is wrong is reported.
pub(super) fn check(
    pool: &WrittenPool,
    host: &HostRule,
    reporter: &mut Reporter<'_>,
) -> Option<Check> {
    let whole = pool.health.as_ref()?;
    let written = &whole.value;
    strangers(written, reporter);
    let tls = tls(pool, written, reporter);
    let host = match &written.host {
        Some(host) if matches!(host.as_str(), "keep" | "endpoint") => {
            reporter.error(
                "health.host",
                host,
                format!("`{}` is not a host name", host.value),
                Some("a check has no client; give a name, or nothing for the endpoint's address"),
            );
            HostRule::Endpoint
        }
        Some(name) => host_rule("health.host", name, reporter),
        None => host.clone(),
    };
    let question = match written.r#type {
        CheckType::Tcp => Question::Tcp,
        CheckType::Http => Question::Http(Arc::new(http::question(pool, written, host, reporter)?)),
        CheckType::Grpc => {
            if tls && pool.protocol == Protocol::Http1 {
                reporter.error(
                    "health.type",
                    whole,
                    "gRPC takes HTTP/2, and the pool offers HTTP/1.1 in its TLS handshakes",
                    Some("set `protocol: http2`, or `health: { tls: false }`"),
                );
            }
            let service = written.service.as_ref();
            let service = service.map_or("", |service| service.as_str());
            Question::Grpc {
                service: Arc::from(service),
                host,
            }
        }
    };
    let (rhythm, timeout) = times(written, reporter);
    Some(Check {
        question,
        place: place(pool, written, reporter)?,
        tls,
        timeout,
        rhythm,
        verdict: params(written, reporter),
        fingerprint: fingerprint(pool, written),
    })
}

/// Keys of other kinds of checks.
fn strangers(written: &Written, reporter: &mut Reporter<'_>) {
    const OF_HTTP: &str = "it belongs to `type: http`";
    let kind = written.r#type;
    let mut refuse = |key: &str, at: &Spanned<()>, of: &str| {
        reporter.error(
            &format!("health.{key}"),
            at,
            format!("`{key}` has no meaning here"),
            Some(of),
        );
    };
    fn place<T>(value: &Option<Spanned<T>>) -> Option<Spanned<()>> {
        value.as_ref().map(|value| Spanned {
            value: (),
            position: value.position.clone(),
        })
    }
    let header = written.headers.values().next().map(|value| Spanned {
        value: (),
        position: value.position.clone(),
    });
    if kind != CheckType::Http {
        for (key, at) in [
            ("method", place(&written.method)),
            ("path", place(&written.path)),
            ("headers", header),
            ("status", place(&written.status)),
            ("body", place(&written.body)),
            ("body_regex", place(&written.body_regex)),
        ] {
            if let Some(at) = at {
                refuse(key, &at, OF_HTTP);
            }
        }
    }
    if let (CheckType::Tcp, Some(at)) = (kind, place(&written.host)) {
        refuse("host", &at, "it belongs to `type: http` and `type: grpc`");
    }
    if let (CheckType::Tcp | CheckType::Http, Some(at)) = (kind, place(&written.service)) {
        refuse("service", &at, "it belongs to `type: grpc`");
    }
}

fn tls(pool: &WrittenPool, written: &Written, reporter: &mut Reporter<'_>) -> bool {
    match (&written.tls, &pool.tls) {
        (Some(wanted), None) if wanted.value => {
            reporter.error(
                "health.tls",
                wanted,
                "the pool has no TLS settings that the check could use",
                Some("give the pool a `tls` section"),
            );
            false
        }
        (Some(wanted), _) => wanted.value,
        (None, tls) => tls.is_some(),
    }
}

fn place(pool: &WrittenPool, written: &Written, reporter: &mut Reporter<'_>) -> Option<Place> {
    match (&written.port, &written.address) {
        (None, None) => Some(Place::Endpoint),
        (Some(_), Some(address)) => {
            reporter.error(
                "health.address",
                address,
                "`port` and `address` exclude each other",
                Some("the port stands in the address"),
            );
            None
        }
        (Some(port), None) => {
            let mut texts = pool.endpoints.iter().map(|one| one.value.address());
            if port.value == 0 {
                let hint = Some("give a port from 1 to 65535");
                reporter.error("health.port", port, "0 is not a port", hint);
            } else if texts.any(|text| text.starts_with("unix:")) {
                reporter.error(
                    "health.port",
                    port,
                    "a Unix socket among the endpoints has no port",
                    Some("use `address`, or a pool of its own"),
                );
            }
            Some(Place::Port(port.value))
        }
        (None, Some(written)) => match address::parse(written) {
            Ok(WrittenAddress::Known(Address::Inet(inet)))
                if inet.port() == 0 || inet.ip().is_unspecified() =>
            {
                let message = format!("`{}` can't be connected to", written.value);
                let hint = Some("give an address and a port");
                reporter.error("health.address", written, message, hint);
                None
            }
            Ok(WrittenAddress::Known(address)) => Some(Place::Address(address)),
            Ok(WrittenAddress::Named { .. } | WrittenAddress::Service { .. }) => {
                reporter.error(
                    "health.address",
                    written,
                    "a check does not look host names up",
                    Some("give an IP address and a port"),
                );
                None
            }
            Err(error) => {
                reporter.error("health.address", written, error.to_string(), None);
                None
            }
        },
    }
}

fn times(written: &Written, reporter: &mut Reporter<'_>) -> (Rhythm, Duration) {
    let interval = &written.interval;
    let down = written.interval_down.as_ref();
    for (key, time) in [
        ("health.interval", Some(interval)),
        ("health.interval_down", down),
    ] {
        let Some(time) = time else {
            continue;
        };
        let (message, hint) = match time.as_duration() {
            short if short < SHORTEST => (
                "so many checks would be a load of their own",
                "give 10ms at least; 5s is usual",
            ),
            long if long > LONGEST => (
                "so few checks would find nothing in time",
                "give 1d at most; 5s is usual",
            ),
            _ => continue,
        };
        reporter.error(key, time, message, Some(hint));
    }
    if let Some(timeout) = &written.timeout {
        if timeout.is_zero() {
            let hint = Some("give a time as `2s`");
            reporter.error("health.timeout", timeout, "no check is as quick", hint);
        } else if timeout.value > interval.value {
            // It is clear what happens: no check of an endpoint begins before its last one has ended.
            let interval = interval.value;
            reporter.warning(
                "health.timeout",
                timeout,
                format!("an endpoint that hangs is checked less often than every {interval}"),
                Some("give a longer `interval`, or a shorter `timeout`"),
            );
        }
    }
    let rhythm = Rhythm {
        interval: interval.as_duration().clamp(SHORTEST, LONGEST),
        interval_down: down
            .unwrap_or(interval)
            .as_duration()
            .clamp(SHORTEST, LONGEST),
        jitter: written.jitter.value.get(),
    };
    (rhythm, written.timeout().as_duration())
}

fn params(written: &Written, reporter: &mut Reporter<'_>) -> Params {
    at_least_one("health.rise", &written.rise, reporter);
    at_least_one("health.fall", &written.fall, reporter);
    Params {
        rise: written.rise.value,
        fall: written.fall.value,
        initial: match written.initial {
            WrittenInitial::Healthy => Initial::Healthy,
            WrittenInitial::Unhealthy => Initial::Unhealthy,
            WrittenInitial::Checking => Initial::Checking,
        },
    }
}

/// Of what is asked and how it is reached; not of how often, nor of what the results make of it.
fn fingerprint(pool: &WrittenPool, written: &Written) -> u64 {
    let usual = Written::default();
    let asked = Written {
        interval: usual.interval,
        interval_down: None,
        jitter: usual.jitter,
        timeout: None,
        rise: usual.rise,
        fall: usual.fall,
        initial: usual.initial,
        ..written.clone()
    };
    let mut hasher = DefaultHasher::new();
    let host = match written.host {
        Some(_) => None,
        None => Some(&pool.host),
    };
    // Plain values, whose keys are strings: writing them does not fail.
    let asked = serde_json::to_string(&(asked, pool.protocol, host, &pool.tls));
    asked.unwrap_or_default().hash(&mut hasher);
    // 0 stands for nothing.
    hasher.finish().max(1)
}
