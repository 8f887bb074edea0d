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
        let mut state = match (self.refusal.as_deref(), tried) {
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
            (Some(refusal), Some(tried)) => format!("{refusal}, {tried}"),
            (Some(refusal), None) => refusal.to_owned(),
        };
        if self.illness.is_some() && self.illness != self.refusal {
            let illness = self.illness.as_deref().unwrap_or_default();
            state += &format!(" ({illness})");
        }
        state
    }
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
            json!({"illness": "ejected", "refusal": "ejected"}),
            json!({"illness": "unhealthy", "refusal": "drained"}),
        ];
        let expected = [
            "available",
            "available, 40 %",
            "available (unhealthy)",
            "available, 40 % (ejected)",
            "unhealthy",
            "ejected",
            "drained (unhealthy)",
        ];
        assert_eq!(states(&told), expected);
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
