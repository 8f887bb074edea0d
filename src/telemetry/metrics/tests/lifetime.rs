//! Is a series there for as long as somebody holds it, and no longer?

use super::*;

#[test]
fn every_series_of_a_listener_pool_and_endpoint_appears_and_vanishes() {
    let metrics = metrics();
    let empty = rendered(&metrics).matches("_total{").count();
    let listener = metrics.listener("edge");
    let pool = metrics.pool("api");
    let endpoint = metrics.endpoint("api", "10.0.0.7:8080");
    listener.accepted.inc();
    listener.refused(RefusedReason::TlsHandshake);
    listener.tls_handshake(TlsVersion::Tls13, true, Duration::from_millis(3));
    listener.flooded(Flood::Ping);
    listener.reset(ResetBy::Client, 3);
    listener.served(Protocol::Upgrade);
    let open = OpenConnection::new(listener.clone());
    let idle = Counted::new(&listener.idle);
    let http2 = Counted::new(&listener.http2_connections);
    let request = Counted::new(&listener.requests_in_flight);
    pool.connected(Duration::from_micros(300));
    pool.first_byte(Duration::from_millis(2));
    pool.refused(Reason::NoEndpoint);
    pool.queued(Duration::from_millis(3));
    let waiting = Counted::new(&pool.queue_length);
    endpoint.success.inc();
    endpoint.reused.inc();
    let attempt = Counted::new(&endpoint.in_flight);
    let breaker = metrics.breaker("api", "10.0.0.7:8080");
    let ejection = metrics.ejection("api", "10.0.0.7:8080");
    let fail_open = metrics.fail_open("api");
    breaker.opened();
    breaker.half_opened();
    ejection.ejections.inc();
    ejection.ejected.set(1);
    fail_open.open.set(1);
    let redis = metrics.shared_limit("10.0.0.9:6379");
    redis.reachable(true);
    redis.missed(Missed::Late);
    redis.answered(Duration::from_micros(300));
    for line in [
        "portcullis_connections{listener=\"edge\"} 1",
        "portcullis_connections_total{listener=\"edge\"} 1",
        "portcullis_connections_refused_total{listener=\"edge\",reason=\"tls_handshake\"} 1",
        "portcullis_connections_idle{listener=\"edge\"} 1",
        "portcullis_connection_duration_seconds_count{listener=\"edge\"} 0",
        "portcullis_tls_handshakes_total{listener=\"edge\",resumed=\"yes\",version=\"1.3\"} 1",
        "portcullis_tls_handshakes_total{listener=\"edge\",resumed=\"no\",version=\"1.3\"} 0",
        "portcullis_tls_handshake_duration_seconds_bucket{listener=\"edge\",le=\"0.005\"} 1",
        "portcullis_http2_connections{listener=\"edge\"} 1",
        "portcullis_http2_streams_reset_total{by=\"client\",listener=\"edge\"} 3",
        "portcullis_http2_streams_reset_total{by=\"portcullis\",listener=\"edge\"} 0",
        "portcullis_requests_by_protocol_total{listener=\"edge\",protocol=\"upgrade\"} 1",
        "portcullis_requests_by_protocol_total{listener=\"edge\",protocol=\"http/1.0\"} 0",
        "portcullis_upstream_idle_connections{pool=\"api\"} 0",
        "portcullis_http2_floods_total{kind=\"ping\",listener=\"edge\"} 1",
        "portcullis_requests_in_flight{listener=\"edge\"} 1",
        "portcullis_upstream_connect_duration_seconds_count{pool=\"api\"} 1",
        "portcullis_upstream_first_byte_duration_seconds_count{pool=\"api\"} 1",
        "portcullis_pool_refused_total{pool=\"api\",reason=\"no_endpoint\"} 1",
        "portcullis_pool_queue_length{pool=\"api\"} 1",
        "portcullis_pool_queue_wait_seconds_bucket{pool=\"api\",le=\"0.005\"} 1",
        "portcullis_upstream_requests_total{endpoint=\"10.0.0.7:8080\",outcome=\"success\",pool=\"api\"} 1",
        "portcullis_upstream_requests_total{endpoint=\"10.0.0.7:8080\",outcome=\"failure\",pool=\"api\"} 0",
        "portcullis_upstream_connections_total{endpoint=\"10.0.0.7:8080\",pool=\"api\",reused=\"true\"} 1",
        "portcullis_upstream_breaker_state{endpoint=\"10.0.0.7:8080\",pool=\"api\"} 1",
        "portcullis_upstream_breaker_transitions_total{endpoint=\"10.0.0.7:8080\",pool=\"api\",to=\"open\"} 1",
        "portcullis_upstream_breaker_transitions_total{endpoint=\"10.0.0.7:8080\",pool=\"api\",to=\"closed\"} 0",
        "portcullis_upstream_ejections_total{endpoint=\"10.0.0.7:8080\",pool=\"api\"} 1",
        "portcullis_upstream_ejected{endpoint=\"10.0.0.7:8080\",pool=\"api\"} 1",
        "portcullis_pool_fail_open{pool=\"api\"} 1",
        "portcullis_shared_limit_reachable{redis=\"10.0.0.9:6379\"} 1",
        "portcullis_shared_limit_fallbacks_total{cause=\"late\",redis=\"10.0.0.9:6379\"} 1",
        "portcullis_shared_limit_fallbacks_total{cause=\"away\",redis=\"10.0.0.9:6379\"} 0",
        "portcullis_shared_limit_duration_seconds_count{redis=\"10.0.0.9:6379\"} 1",
        "portcullis_upstream_in_flight{endpoint=\"10.0.0.7:8080\",pool=\"api\"} 1",
    ] {
        assert!(has_line(&metrics, line), "{line}");
    }
    drop((open, idle, http2, request, attempt, waiting));
    for line in [
        "portcullis_connections{listener=\"edge\"} 0",
        "portcullis_connections_idle{listener=\"edge\"} 0",
        "portcullis_connection_duration_seconds_bucket{listener=\"edge\",le=\"3600\"} 1",
        "portcullis_http2_connections{listener=\"edge\"} 0",
    ] {
        assert!(has_line(&metrics, line), "{line}");
    }
    drop((listener, pool, endpoint));
    drop((breaker, ejection, fail_open, redis));
    let text = rendered(&metrics);
    assert_eq!(text.matches("_total{").count(), empty);
    for label in ["listener=", "pool=", "endpoint=", "redis="] {
        assert!(!text.contains(label), "{label}");
    }
}

#[test]
fn a_route_keeps_its_numbers_while_an_old_configuration_holds_it() {
    let metrics = metrics();
    let old = metrics.route("api");
    old.finished(200, Duration::ZERO, 0, 0);
    let new = metrics.route("api");
    drop(old);
    new.finished(200, Duration::ZERO, 0, 0);
    let line = "portcullis_requests_total{code=\"2xx\",route=\"api\"} 2";
    assert!(has_line(&metrics, line));
    drop(new);
    assert!(!rendered(&metrics).contains("route="));
}
