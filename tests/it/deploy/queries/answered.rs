//! Does a real Prometheus have an answer to every query of every dashboard, rule and alert, and of the guide?

use std::collections::BTreeSet;

use super::expressions::{filled_in, operands};
use super::load::provoke;
use super::whole::Whole;
use crate::deploy::prometheus::{Prometheus, is_installed, unix_time};
use crate::deploy::shipped::*;
use crate::support::*;

/// Queries that have no data, and why.
const NO_DATA: &[(&str, &str)] = &[(
    "absent(portcullis_build_info)",
    "has data only when there is no Portcullis; tests.yml has that case",
)];

/// Queries whose answer is zero all the time, and why; every other one moves.
const ZERO: &[(&str, &str)] = &[
    (
        "sum by (operation) (rate(portcullis_cache_disk_errors_total{job=~\"$job\",instance=~\"$instance\"}[$__rate_interval]))",
        "takes a broken disk",
    ),
    (
        "rate(portcullis_accept_pauses_total{job=~\"$job\",instance=~\"$instance\"}[$__rate_interval])",
        "takes a process without descriptors, which could be asked nothing else",
    ),
    (
        "increase(portcullis_accept_pauses_total[5m])",
        "takes a process without descriptors, which could be asked nothing else",
    ),
    (
        "rate(portcullis_panics_total{job=~\"$job\",instance=~\"$instance\"}[$__rate_interval])",
        "takes a defect",
    ),
    ("increase(portcullis_panics_total[1h])", "takes a defect"),
];

/// Alerts that what was provoked leads to: pending, as it does not last long enough, or firing.
const PROVOKED: &[&str] = &[
    "PortcullisAvailabilityBurn",
    "PortcullisBreakerOpen",
    "PortcullisConfigurationRefused",
    "PortcullisConnectionsRefused",
    "PortcullisEndpointLeftDrained",
    "PortcullisEndpointsLost",
    "PortcullisJwksFailing",
    "PortcullisLogLinesDropped",
    "PortcullisLogWriteErrors",
    "PortcullisPoolBreakerOpen",
    "PortcullisPoolDown",
    "PortcullisPoolFailsOpen",
    "PortcullisPoolRefuses",
    "PortcullisRetryBudgetExhausted",
    "PortcullisSharedLimitUnreachable",
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_query_of_every_dashboard_rule_and_alert_has_data_after_a_load_that_provokes_it() {
    if !is_installed() {
        return;
    }
    let Some(mut redis) = Redis::start(&[]).await else {
        return;
    };
    let mut whole = Whole::start(&redis.address()).await;
    let prometheus = Prometheus::start(whole.portcullis.admin()).await;
    // Not before it was seen for the first time.
    let began = unix_time() + 1;
    provoke(&mut whole, &prometheus, &mut redis).await;
    // What came last was scraped, and what is made of it was worked out.
    for expr in [
        "portcullis_config_last_reload_successful == 0",
        "portcullis_jwks_failing == 1",
        "ALERTS{alertname=\"PortcullisConfigurationRefused\"}",
        "ALERTS{alertname=\"PortcullisJwksFailing\"}",
        "ALERTS{alertname=\"PortcullisSharedLimitUnreachable\"}",
        "job_route:portcullis_requests_failed:ratio_rate3d > 0",
    ] {
        prometheus.sees(expr).await;
    }

    let mut asked: Vec<Query> = dashboard_queries();
    asked.extend(rule_queries("rules.yml", "record"));
    asked.extend(variable_queries());
    let compared = rule_queries("alerts.yml", "alert").into_iter();
    for query in compared.chain(guide_queries()) {
        let place = &query.place;
        asked.extend(operands(&query.expr).into_iter().map(|expr| Query {
            place: place.clone(),
            expr,
            legend: String::new(),
        }));
    }
    let (mut wrong, mut argued) = (Vec::new(), BTreeSet::new());
    for Query { place, expr, .. } in &asked {
        let values = match prometheus.values(&filled_in(expr), began).await {
            Ok(values) => values,
            Err(error) => {
                wrong.push(format!("{place}: {error}: {expr}"));
                continue;
            }
        };
        let listed = |list: &[(&'static str, &str)]| {
            list.iter()
                .find(|(own, _)| own == expr)
                .map(|(own, _)| *own)
        };
        let values: Vec<f64> = values.into_iter().flatten().collect();
        let (found, list) = if values.is_empty() {
            ("no data", NO_DATA)
        } else if values.iter().all(|&value| value == 0.0) {
            ("zero all the time", ZERO)
        } else {
            continue;
        };
        match listed(list) {
            Some(own) => _ = argued.insert(own),
            None => wrong.push(format!("{place}: {found}: {expr}")),
        }
    }
    assert!(
        wrong.is_empty(),
        "{} of {}:\n{}",
        wrong.len(),
        asked.len(),
        wrong.join("\n")
    );
    for (expr, why) in NO_DATA.iter().chain(ZERO) {
        assert!(
            argued.contains(expr),
            "{expr} moves, and it was said: {why}"
        );
    }

    let alerts = prometheus.alerts().await;
    let active: BTreeSet<&str> = alerts
        .iter()
        .map(|alert| word(&alert["labels"], "alertname"))
        .collect();
    for name in PROVOKED {
        assert!(active.contains(name), "{name} is not active: {active:?}");
    }
    for alert in &alerts {
        let says = alert["annotations"].to_string();
        assert!(
            !says.contains("<no value>") && !says.contains("<error"),
            "{says}"
        );
    }
}
