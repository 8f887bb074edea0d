//! Are buckets and limits settled once, and only to what can be used?

use super::*;

#[test]
fn buckets_and_the_number_of_endpoints_are_settled_once() {
    let metrics = metrics();
    let settings = Settings {
        request: vec![0.5],
        queue: vec![0.1, 2.0],
        endpoints: 1,
        ..Settings::default()
    };
    metrics.settle(&settings);
    metrics.settle(&Settings::default());
    let (route, pool) = (metrics.route("api"), metrics.pool("api"));
    route.finished(200, Duration::from_secs(1), 0, 0);
    pool.queued(Duration::from_secs(1));
    for line in [
        "portcullis_request_duration_seconds_bucket{route=\"api\",le=\"0.5\"} 0",
        "portcullis_request_duration_seconds_bucket{route=\"api\",le=\"+Inf\"} 1",
        "portcullis_pool_queue_wait_seconds_bucket{pool=\"api\",le=\"2\"} 1",
    ] {
        assert!(has_line(&metrics, line), "{line}");
    }
    let text = rendered(&metrics);
    let buckets = |name: &str| text.matches(&format!("\n{name}_bucket{{")).count();
    assert_eq!(buckets("portcullis_request_duration_seconds"), 2);
    assert_eq!(buckets("portcullis_pool_queue_wait_seconds"), 3);
    assert_eq!(buckets("portcullis_upstream_connect_duration_seconds"), 15);
}

#[test]
fn bounds_that_can_not_be_used_leave_the_usual_ones() {
    let metrics = metrics();
    let settings = Settings {
        request: vec![0.5, 0.1],
        ..Settings::default()
    };
    metrics.settle(&settings);
    let _route = metrics.route("api");
    let text = rendered(&metrics);
    let bucket = "\nportcullis_request_duration_seconds_bucket{";
    assert_eq!(text.matches(bucket).count(), 16);
}
