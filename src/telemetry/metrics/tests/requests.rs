//! Is each request of a route counted once, in its class, its bucket and its reason?

use super::*;

#[test]
fn every_reason_is_there_before_its_first_failure_and_at_a_route_from_it_on() {
    let metrics = metrics();
    let (_unrouted, api) = (metrics.route(NO_ROUTE), metrics.route("api"));
    for reason in Reason::ALL {
        let line = format!("portcullis_failures_total{{reason=\"{reason}\",route=\"(none)\"}} 0");
        assert!(has_line(&metrics, &line));
    }
    let failures = || rendered(&metrics).matches("_failures_total{").count();
    assert_eq!(failures(), Reason::ALL.len());
    api.failed(Reason::TotalTimeout);
    api.failed(Reason::TotalTimeout);
    let line = "portcullis_failures_total{reason=\"total_timeout\",route=\"api\"} 2";
    assert!(has_line(&metrics, line));
    drop(api);
    assert_eq!(failures(), Reason::ALL.len());
}

#[test]
fn a_finished_request_is_counted_in_its_class_and_bucket() {
    let metrics = metrics();
    let route = metrics.route("api");
    route.finished(204, Duration::from_millis(3), 10, 20);
    for (class, count) in [("2xx", 1), ("1xx", 0), ("none", 0)] {
        let line = format!("portcullis_requests_total{{code=\"{class}\",route=\"api\"}} {count}");
        assert!(has_line(&metrics, &line), "{line}");
    }
    for line in [
        "portcullis_request_duration_seconds_bucket{route=\"api\",le=\"0.0025\"} 0",
        "portcullis_request_duration_seconds_bucket{route=\"api\",le=\"0.005\"} 1",
        "portcullis_request_duration_seconds_sum{route=\"api\"} 0.003",
        "portcullis_request_body_bytes_total{route=\"api\"} 10",
        "portcullis_response_body_bytes_total{route=\"api\"} 20",
    ] {
        assert!(has_line(&metrics, line), "{line}");
    }
}

#[test]
fn a_request_without_an_answer_has_no_class() {
    let metrics = metrics();
    let route = metrics.route(NO_ROUTE);
    for status in [0, 499, 600, u16::MAX] {
        route.finished(status, Duration::ZERO, 0, 0);
    }
    let line = "portcullis_requests_total{code=\"none\",route=\"(none)\"} 4";
    assert!(has_line(&metrics, line));
}
