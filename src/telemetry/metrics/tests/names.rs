//! Can the names of a configuration, however many and however odd, spoil the output?

use super::*;

#[test]
fn names_past_the_limit_share_a_series() {
    let metrics = metrics();
    let routes: Vec<_> = (0..NAME_LIMIT + 5)
        .map(|number| metrics.route(&number.to_string()))
        .collect();
    for route in &routes {
        route.finished(200, Duration::ZERO, 0, 0);
    }
    let line = "portcullis_requests_total{code=\"2xx\",route=\"(other)\"} 5";
    assert!(has_line(&metrics, line));
}

#[test]
fn a_label_value_cannot_forge_a_line() {
    let metrics = metrics();
    let _route = metrics.route("a\"} 1\nforged{x=\"\\");
    let line = r#"portcullis_response_body_bytes_total{route="a\"} 1\nforged{x=\"\\"} 0"#;
    assert!(has_line(&metrics, line));
    assert!(
        !rendered(&metrics)
            .lines()
            .any(|line| line.starts_with("forged"))
    );
}

#[test]
fn endpoints_past_the_limit_share_what_adds_up_and_tell_no_state() {
    let metrics = metrics();
    let settings = Settings {
        endpoints: 1,
        ..Settings::default()
    };
    metrics.settle(&settings);
    let endpoints: Vec<_> = ["a", "b", "c"]
        .into_iter()
        .map(|name| {
            let endpoint = metrics.endpoint("api", name);
            endpoint.in_flight.inc();
            endpoint.drained.set(1);
            let (check, breaker) = (metrics.check("api", name), metrics.breaker("api", name));
            let ejection = metrics.ejection("api", name);
            check.healthy.set(1);
            check.failed.inc();
            breaker.opened();
            ejection.ejected.set(1);
            (endpoint, check, breaker, ejection)
        })
        .collect();
    for line in [
        "portcullis_upstream_in_flight{endpoint=\"a\",pool=\"api\"} 1",
        "portcullis_upstream_in_flight{endpoint=\"(other)\",pool=\"api\"} 2",
        "portcullis_upstream_checks_total{endpoint=\"(other)\",pool=\"api\",result=\"failed\"} 2",
        "portcullis_upstream_breaker_transitions_total{endpoint=\"(other)\",pool=\"api\",to=\"open\"} 2",
        "portcullis_upstream_healthy{endpoint=\"a\",pool=\"api\"} 1",
        "portcullis_upstream_drained{endpoint=\"a\",pool=\"api\"} 1",
        "portcullis_upstream_ejected{endpoint=\"a\",pool=\"api\"} 1",
        "portcullis_upstream_breaker_state{endpoint=\"a\",pool=\"api\"} 2",
    ] {
        assert!(has_line(&metrics, line), "{line}");
    }
    let text = rendered(&metrics);
    for state in ["healthy", "drained", "ejected", "breaker_state"] {
        let other = format!("portcullis_upstream_{state}{{endpoint=\"(other)\"");
        assert!(!text.contains(&other), "{other}");
    }
    drop(endpoints);
    assert!(!rendered(&metrics).contains("endpoint="));
}
