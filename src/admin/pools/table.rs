//! How is the state of the pools shown to people?

use std::fmt;
use std::time::Duration;

use serde_json::Value;

use super::{EndpointReport, PoolReport, PoolsReport};
use crate::config::Timespan;

impl fmt::Display for PoolsReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "generation {}", self.generation)?;
        self.pools.iter().try_for_each(|pool| pool.fmt(f))
    }
}

impl fmt::Display for PoolReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let balancer = match &self.balancer {
            Value::String(kind) => kind,
            settings => settings["kind"].as_str().unwrap_or_default(),
        };
        write!(
            f,
            "\n\npool {} ({balancer}): {} in flight",
            self.name, self.in_flight
        )?;
        if let Some(most) = self.max_requests {
            write!(f, " of {most}")?;
        }
        if self.queued > 0 {
            write!(f, ", {} waiting", self.queued)?;
        }
        if self.fail_open == Some(true) {
            write!(f, ", looks past health")?;
        }
        if self.endpoints.is_empty() {
            write!(f, "\n  no endpoint")?;
        } else {
            rows(&self.endpoints, f)?;
        }
        let mut unresolved = self.unresolved.iter();
        unresolved.try_for_each(|name| write!(f, "\n  {name}"))
    }
}

const HEAD: [&str; 8] = [
    "ENDPOINT",
    "STATE",
    "WEIGHT",
    "PRIORITY",
    "IN FLIGHT",
    "SUCCESS",
    "FAILURE",
    "NEUTRAL",
];

fn rows(endpoints: &[EndpointReport], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let mut rows = vec![HEAD.map(str::to_owned)];
    rows.extend(endpoints.iter().map(EndpointReport::row));
    let widths: [usize; HEAD.len()] = std::array::from_fn(|column| {
        let lengths = rows.iter().map(|row| row[column].chars().count());
        lengths.max().unwrap_or_default()
    });
    for row in rows {
        let cells = row.iter().zip(widths);
        let line: String = cells
            .map(|(cell, width)| format!("  {cell:width$}"))
            .collect();
        write!(f, "\n{}", line.trim_end())?;
    }
    Ok(())
}

impl EndpointReport {
    fn row(&self) -> [String; HEAD.len()] {
        let in_flight = match self.max_requests {
            Some(most) => format!("{}/{most}", self.in_flight),
            None => self.in_flight.to_string(),
        };
        [
            self.address.clone(),
            self.state(),
            self.weight.to_string(),
            self.priority.to_string(),
            in_flight,
            self.requests.success.to_string(),
            self.requests.failure.to_string(),
            self.requests.neutral.to_string(),
        ]
    }

    fn state(&self) -> String {
        let breaker = self.breaker.as_deref();
        let tried = match breaker {
            Some("open") => Some("open"),
            Some("half_open") => Some("half-open"),
            _ => None,
        };
        let refusal = self.refusal.as_deref();
        let mut state = match (refusal, tried) {
            (None, Some(tried)) => format!("{tried}, next request is a trial"),
            (None, None) if self.share == 100 => "available".to_owned(),
            (None, None) => format!("available, {} %", self.share),
            (Some("open"), tried) => {
                let (tried, next) = match tried {
                    Some("half-open") => ("half-open", "one more trial"),
                    _ => ("open", "trial"),
                };
                match self.trial_in {
                    Some(seconds) => format!("{tried}, {next} in {}", shown(seconds)),
                    None => tried.to_owned(),
                }
            }
            // What else keeps requests away; a breaker that has not closed is told with it.
            (Some(refusal), Some(tried)) => format!("{}, {tried}", self.detailed(refusal)),
            (Some(refusal), None) => self.detailed(refusal),
        };
        if let Some(illness) = self.illness.as_deref()
            && refusal != Some(illness)
        {
            state += &format!(" ({})", self.detailed(illness));
        }
        state
    }

    /// What keeps requests away, and what there is to be said about it.
    fn detailed(&self, refusal: &str) -> String {
        let mut text = refusal.to_owned();
        match refusal {
            "ejected" => {
                if let Some(seconds) = self.ejected_for {
                    text += &format!(", {} left", shown(seconds));
                }
            }
            "unhealthy" => {
                if let Some(seconds) = self.unhealthy_for {
                    text += &format!(" for {}", roughly(seconds));
                }
                if let Some(why) = &self.check_error {
                    text += &format!(": {}", cut(why));
                }
            }
            _ => {}
        }
        text
    }
}

/// How much of a check's error is shown: who needs all of it finds it in `/pools`.
const LONGEST: usize = 60;

fn cut(text: &str) -> String {
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// How long something has lasted, in whole units of which there are at least two.
fn roughly(seconds: f64) -> String {
    let seconds = Duration::try_from_secs_f64(seconds)
        .unwrap_or_default()
        .as_secs();
    let unit = [86_400, 3_600, 60]
        .into_iter()
        .find(|unit| seconds >= 2 * unit)
        .unwrap_or(1);
    Timespan::from(Duration::from_secs(seconds / unit * unit)).to_string()
}

/// A time in whole seconds, as a configuration has it.
pub(super) fn shown(seconds: f64) -> String {
    let time = Duration::try_from_secs_f64(seconds.ceil()).unwrap_or_default();
    Timespan::from(time).to_string()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// The states of endpoints of which this is told.
    fn states(told: &[Value]) -> Vec<String> {
        let state = |told: &Value| {
            let mut endpoint = json!({
                "address": "10.0.0.1:80", "weight": 1, "priority": 0, "max_requests": null, "in_flight": 0,
                "drained": false, "available": true, "refusal": null,
                "requests": {"success": 0, "failure": 0, "neutral": 0},
            });
            for (key, value) in told.as_object().expect("a mapping") {
                endpoint[key] = value.clone();
            }
            let endpoint: EndpointReport = serde_json::from_value(endpoint).expect("an endpoint");
            endpoint.state()
        };
        told.iter().map(state).collect()
    }

    #[test]
    fn who_is_ill_is_shown_whether_it_is_used_or_not() {
        let told = [
            json!({}),
            json!({"share": 40}),
            json!({"illness": "unhealthy"}),
            json!({"illness": "ejected", "share": 40}),
            json!({"illness": "unhealthy", "refusal": "unhealthy"}),
            json!({"illness": "ejected", "refusal": "ejected", "ejected_for": 4.2}),
            json!({"illness": "unhealthy", "refusal": "drained", "check_error": "status 500"}),
            json!({"refusal": "weight 0"}),
            json!({"refusal": "weight 0", "illness": "unhealthy", "unhealthy_for": 1.9, "check_error": "x".repeat(61)}),
            // It fails checks, and is not unhealthy yet.
            json!({"check_error": "status 500"}),
        ];
        let expected = [
            "available",
            "available, 40 %",
            "available (unhealthy)",
            "available, 40 % (ejected)",
            "unhealthy",
            "ejected, 5s left",
            "drained (unhealthy: status 500)",
            "weight 0",
            &format!("weight 0 (unhealthy for 1s: {}…)", "x".repeat(60)),
            "available",
        ];
        assert_eq!(states(&told), expected);
    }

    #[test]
    fn an_illness_is_told_with_its_cause_and_how_long_it_lasts() {
        for (seconds, lasts) in [
            (0.4, "0s"),
            (119.0, "119s"),
            (185.0, "3m"),
            (7_199.0, "119m"),
            (90_000.0, "25h"),
            (1e6, "11d"),
        ] {
            let told = json!({
                "illness": "unhealthy", "refusal": "unhealthy", "unhealthy_for": seconds,
                "check_error": "connection refused", "breaker": "open",
            });
            let expected = format!("unhealthy for {lasts}: connection refused, open");
            assert_eq!(states(&[told]), [expected]);
        }
    }

    #[test]
    fn a_breaker_that_is_not_closed_says_when_it_lets_a_trial_through() {
        let told = [
            json!({"breaker": "closed"}),
            json!({"breaker": "open", "trial_in": 4.2, "refusal": "open"}),
            json!({"breaker": "open", "trial_in": 0.0}),
            json!({"breaker": "half_open", "trial_in": 0.0}),
            json!({"breaker": "half_open", "trial_in": 90.0, "refusal": "open"}),
            json!({"breaker": "half_open", "trial_in": 0.0, "refusal": "full"}),
            json!({"breaker": "open", "trial_in": 4.2, "refusal": "drained"}),
            json!({"breaker": "open", "trial_in": 0.0, "illness": "unhealthy"}),
        ];
        let expected = [
            "available",
            "open, trial in 5s",
            "open, next request is a trial",
            "half-open, next request is a trial",
            "half-open, one more trial in 90s",
            "full, half-open",
            "drained, open",
            "open, next request is a trial (unhealthy)",
        ];
        assert_eq!(states(&told), expected);
    }

    #[test]
    fn a_pool_without_endpoints_says_why() {
        let report = json!({"generation": 3, "pools": [{
            "name": "p", "balancer": "round_robin", "in_flight": 0, "endpoints": [],
            "unresolved": [
                {"name": "a.test", "failing_for": null, "error": null, "partly": false, "addresses": 0},
            ],
        }]});
        let report: PoolsReport = serde_json::from_value(report).expect("a report");
        let expected = "generation 3\n\npool p (round_robin): 0 in flight\n  no endpoint\n  a.test is not resolved yet";
        assert_eq!(report.to_string(), expected);
    }
}
