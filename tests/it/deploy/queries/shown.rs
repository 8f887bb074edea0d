//! Is every metric shown that there is, and is there every metric that is shown?

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use regex::Regex;

use super::expressions::*;
use super::whole::Whole;
use crate::deploy::shipped::*;
use crate::support::*;

/// Metrics that no dashboard has, and why.
const NOT_SHOWN: &[(&str, &str)] = &[(
    "process_virtual_memory_bytes",
    "address space says nothing about memory that is used",
)];

/// What Prometheus makes itself, with its labels.
const PROMETHEUS_OWN: &[(&str, &[&str])] = &[("up", &[]), ("ALERTS", &["alertname", "alertstate"])];

/// Labels that every scraped series gets.
const SCRAPED: &[&str] = &["job", "instance"];

static LABEL: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r#"(\w+)="(?:[^"\\]|\\.)*""#).expect("a pattern"));

/// The labels of each metric that a running Portcullis tells of. Those of a histogram stand under its three names.
async fn exposed() -> BTreeMap<String, BTreeSet<String>> {
    // Limits that are counted nowhere have metrics as well.
    let whole = Whole::start(&format!("127.0.0.1:{}", free_port())).await;
    let admin = whole.portcullis.admin();
    let text = Raw::connect(admin).await.get("/metrics").await.text();
    let mut metrics: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let end = line.find(['{', ' ']).expect("a series");
        let labels = LABEL.captures_iter(line).map(|label| label[1].to_owned());
        let labels = labels.chain(SCRAPED.iter().map(|&label| label.to_owned()));
        metrics
            .entry(line[..end].to_owned())
            .or_default()
            .extend(labels);
    }
    metrics
}

/// The metric that a series belongs to: `x` for `x_bucket`, `x_sum` and `x_count` of a histogram.
fn metric_of<'s>(series: &'s str, exposed: &BTreeMap<String, BTreeSet<String>>) -> &'s str {
    let parts = ["_bucket", "_sum", "_count"];
    let histogram = parts.iter().find_map(|part| series.strip_suffix(part));
    match histogram {
        Some(name) if exposed.contains_key(&format!("{name}_bucket")) => name,
        _ => series,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_dashboards_rules_alerts_and_the_guide_ask_for_is_there_and_what_is_there_is_shown() {
    let exposed = exposed().await;
    let records: BTreeSet<String> = rules("rules.yml")
        .iter()
        .map(|rule| word(rule, "record").to_owned())
        .collect();
    let panels = dashboard_queries();
    let mut wrong = Vec::new();
    let recorded = rule_queries("rules.yml", "record");
    let alerts = rule_queries("alerts.yml", "alert");
    let (variables, guide) = (variable_queries(), guide_queries());
    let others = recorded.iter().chain(&alerts);
    let others = others.chain(&variables).chain(&guide);
    for query in panels.iter().chain(others) {
        let mut there: BTreeSet<String> = SCRAPED.iter().map(|&label| label.to_owned()).collect();
        let mut is_recorded = false;
        for Selector { metric, labels } in selectors(&query.expr) {
            if records.contains(&metric) {
                is_recorded = true;
                continue;
            }
            let own = PROMETHEUS_OWN.iter().find(|(name, _)| *name == metric);
            let of_metric: BTreeSet<String> = match (exposed.get(&metric), own) {
                (Some(labels), _) => labels.clone(),
                (None, Some((_, labels))) => labels
                    .iter()
                    .chain(SCRAPED)
                    .map(|&label| label.to_owned())
                    .collect(),
                (None, None) => {
                    wrong.push(format!("{}: there is no {metric}", query.place));
                    continue;
                }
            };
            for label in labels.iter().filter(|label| !of_metric.contains(*label)) {
                wrong.push(format!("{}: {metric} has no label {label}", query.place));
            }
            there.extend(of_metric);
        }
        let named = groupings(&query.expr);
        if is_recorded {
            // A recorded metric begins with its labels: job_route:…
            let names = query
                .expr
                .split(|c: char| !(c.is_alphanumeric() || "_:".contains(c)));
            let levels = names.filter_map(|name| name.split_once(':'));
            there.extend(levels.flat_map(|(level, _)| level.split('_').map(str::to_owned)));
        }
        let shown = shown(&query.legend);
        for label in named
            .iter()
            .chain(&shown)
            .filter(|label| !there.contains(*label))
        {
            wrong.push(format!("{}: no label {label}", query.place));
        }
        let aggregated = query.expr.contains("by (");
        for label in shown
            .iter()
            .filter(|label| aggregated && !named.contains(label))
        {
            wrong.push(format!("{}: {label} is summed up", query.place));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));

    let of_panels: BTreeSet<String> = panels
        .iter()
        .flat_map(|query| selectors(&query.expr))
        .map(|selector| metric_of(&selector.metric, &exposed).to_owned())
        .collect();
    let every: BTreeSet<&str> = exposed
        .keys()
        .map(|series| metric_of(series, &exposed))
        .collect();
    for metric in &every {
        let reason = NOT_SHOWN.iter().find(|(name, _)| name == metric);
        match reason {
            None => assert!(of_panels.contains(*metric), "{metric} is on no dashboard"),
            Some((_, why)) => assert!(
                !of_panels.contains(*metric),
                "{metric} is shown, and not because {why}"
            ),
        }
    }
    for (metric, _) in NOT_SHOWN {
        assert!(every.contains(metric), "there is no {metric}");
    }
    // Else this test would not see what is only there when it is turned on.
    let catalogue = include_str!("../../../../src/telemetry/metrics/catalogue.rs");
    for name in catalogue
        .split('"')
        .filter(|text| text.starts_with("portcullis_"))
    {
        assert!(every.contains(name), "{name} is not turned on in this test");
    }
}
