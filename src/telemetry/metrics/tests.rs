//! Is everything counted once, under its name, and gone when its subject is?

use super::*;
use crate::cache::report::{DiskReport, Kept, Report, Tier};
use crate::error::Reason;

fn rendered(metrics: &Metrics) -> String {
    let mut out = Vec::new();
    metrics.render(&mut out);
    String::from_utf8(out).expect("the text format is UTF-8")
}

fn has_line(metrics: &Metrics, line: &str) -> bool {
    rendered(metrics).lines().any(|other| other == line)
}

fn metrics() -> Metrics {
    Metrics::new().expect("metrics")
}

#[test]
fn two_sets_of_metrics_know_nothing_of_each_other() {
    let (one, other) = (metrics(), metrics());
    let (unrouted, _held) = (one.route(NO_ROUTE), other.route(NO_ROUTE));
    unrouted.failed(Reason::NoRoute);
    let line = "portcullis_failures_total{reason=\"no_route\",route=\"(none)\"} 1";
    assert!(has_line(&one, line));
    assert!(!has_line(&other, line));
}

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
    let idle = CountedIn::new(&listener.idle);
    let http2 = CountedIn::new(&listener.http2_connections);
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
fn a_reload_tells_its_result_and_generation() {
    let metrics = metrics();
    let time = UNIX_EPOCH + Duration::from_secs(1_735_787_045);
    metrics.configured(1, 0, UNIX_EPOCH);
    metrics.configured(2, u64::MAX, time);
    metrics.reloaded(ReloadResult::Applied, time);
    metrics.reloaded(ReloadResult::Unchanged, time);
    let later = time + Duration::from_secs(10);
    metrics.reloaded(ReloadResult::Rejected, later);
    for line in [
        "portcullis_reloads_total{result=\"applied\"} 1",
        "portcullis_reloads_total{result=\"unchanged\"} 1",
        "portcullis_reloads_total{result=\"rejected\"} 1",
        "portcullis_reloads_total{result=\"needs_upgrade\"} 0",
        "portcullis_config_generation 2",
        "portcullis_config_hash 281474976710655",
        "portcullis_config_last_reload_successful 0",
        "portcullis_config_last_reload_timestamp_seconds 1735787055",
        "portcullis_config_last_reload_success_timestamp_seconds 1735787045",
    ] {
        assert!(has_line(&metrics, line), "{line}");
    }
}

#[test]
fn the_process_and_the_build_are_described() {
    let text = rendered(&metrics());
    assert!(text.contains("\nprocess_resident_memory_bytes "));
    let version = format!("version=\"{}\"}} 1\n", env!("CARGO_PKG_VERSION"));
    assert!(text.contains(&version));
}

#[test]
fn a_route_that_answers_from_the_cache_counts_how() {
    let metrics = metrics();
    let shop = metrics.cached_route("shop");
    let blog = metrics.cached_route("blog");
    shop.served(CacheResult::Hit);
    shop.served(CacheResult::Hit);
    shop.served(CacheResult::Bypass);
    let line = "portcullis_cache_requests_total{result=\"hit\",route=\"shop\"} 2";
    assert!(has_line(&metrics, line));
    let line = "portcullis_cache_requests_total{result=\"miss\",route=\"blog\"} 0";
    assert!(has_line(&metrics, line));
    let served = metrics.served_from_cache();
    let expected = [
        ("blog".to_owned(), [0; 7]),
        ("shop".to_owned(), [2, 0, 0, 0, 0, 0, 1]),
    ];
    assert_eq!(served, expected);
    drop((shop, blog));
    assert!(metrics.served_from_cache().is_empty());
    assert!(!rendered(&metrics).contains("cache_requests_total{"));
}

#[test]
fn what_the_cache_keeps_is_told_by_tier() {
    let metrics = metrics();
    let cache = &metrics.cache;
    let kept = |evictions| Kept {
        bytes: 300,
        limit_bytes: 1_000,
        objects: 3,
        evictions,
    };
    let mut report = Report {
        memory: kept(5),
        ..Report::default()
    };
    cache.read(&report);
    // What was read before a later one may come after it.
    report.memory.evictions = 7;
    cache.read(&report);
    report.memory.evictions = 6;
    cache.read(&report);
    for line in [
        "portcullis_cache_bytes{tier=\"memory\"} 300",
        "portcullis_cache_limit_bytes{tier=\"memory\"} 1000",
        "portcullis_cache_objects{tier=\"memory\"} 3",
        "portcullis_cache_evictions_total{tier=\"memory\"} 7",
        "portcullis_cache_limit_bytes{tier=\"disk\"} 0",
        "portcullis_cache_disk_on 0",
    ] {
        assert!(has_line(&metrics, line), "{line}");
    }
    report.disk = Some(DiskReport {
        on: true,
        error: None,
        kept: kept(0),
    });
    cache.read(&report);
    cache.stored(Tier::Disk);
    cache.fetched(Fetch::Background);
    cache.followers.inc();
    cache.purged(PurgeKind::Tag, 1);
    cache.removed(10_000);
    cache.disk_failed(DiskOperation::Write);
    for line in [
        "portcullis_cache_objects{tier=\"disk\"} 3",
        "portcullis_cache_disk_on 1",
        "portcullis_cache_stored_total{tier=\"disk\"} 1",
        "portcullis_cache_stored_total{tier=\"memory\"} 0",
        "portcullis_cache_fetches_total{why=\"background\"} 1",
        "portcullis_cache_followers_total 1",
        "portcullis_cache_purges_total{kind=\"tag\"} 1",
        "portcullis_cache_purges_total{kind=\"all\"} 0",
        "portcullis_cache_purged_objects_total 10000",
        "portcullis_cache_disk_errors_total{operation=\"write\"} 1",
    ] {
        assert!(has_line(&metrics, line), "{line}");
    }
}

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

#[test]
fn the_first_end_counts_of_certificates_of_one_name_and_those_not_in_force_are_not_told() {
    let metrics = metrics();
    let after = |seconds| UNIX_EPOCH + Duration::from_secs(seconds);
    let certificates = [
        ("edge", "a.test", after(2_000_000_000)),
        ("edge", "a.test", after(1_900_000_000)),
        ("inner", "a.test", after(2_000_000_000)),
        ("edge", "old.test", UNIX_EPOCH - Duration::from_secs(1)),
    ];
    metrics.certificates.put_in_force(certificates.into_iter());
    let name = "portcullis_certificate_expiry_timestamp_seconds";
    for (certificate, listener, end) in [
        ("a.test", "edge", 1_900_000_000),
        ("a.test", "inner", 2_000_000_000),
        ("old.test", "edge", -1_i64),
    ] {
        let line = format!("{name}{{certificate=\"{certificate}\",listener=\"{listener}\"}} {end}");
        assert!(has_line(&metrics, &line), "{line}");
    }
    metrics
        .certificates
        .put_in_force(certificates.into_iter().take(1));
    assert_eq!(
        rendered(&metrics).matches(&format!("\n{name}{{")).count(),
        1
    );
    metrics.certificates.put_in_force(std::iter::empty());
    assert!(!rendered(&metrics).contains(name));
}

#[test]
fn certificates_past_the_limit_share_a_name_and_the_first_end_of_theirs_counts() {
    let metrics = metrics();
    let names: Vec<String> = (0..NAME_LIMIT + 5)
        .map(|number| format!("{number}.test"))
        .collect();
    let end = UNIX_EPOCH + Duration::from_secs(2_000_000_000);
    let ends = (0..).map(|number| end - Duration::from_secs(number));
    let certificates = names.iter().zip(ends);
    metrics
        .certificates
        .put_in_force(certificates.map(|(name, end)| ("edge", name.as_str(), end)));
    let text = rendered(&metrics);
    let name = "portcullis_certificate_expiry_timestamp_seconds";
    assert_eq!(text.matches(&format!("\n{name}{{")).count(), NAME_LIMIT + 1);
    let first = 2_000_000_000 - (NAME_LIMIT + 4);
    let line = format!("{name}{{certificate=\"(other)\",listener=\"edge\"}} {first}");
    assert!(has_line(&metrics, &line), "{line}");
}

/// The names of metrics are in one file, where help and labels are.
#[test]
fn no_other_file_of_the_source_has_the_name_of_a_metric() {
    fn files(directory: &std::path::Path, found: &mut Vec<std::path::PathBuf>) {
        for entry in std::fs::read_dir(directory).expect("a directory") {
            let path = entry.expect("an entry").path();
            match path.is_dir() {
                true => files(&path, found),
                false => found.push(path),
            }
        }
    }
    let source = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = Vec::new();
    files(&source, &mut found);
    let is_test = |path: &std::path::Path| {
        let mut parts = path.components();
        parts.any(|part| matches!(part.as_os_str().to_str(), Some("tests" | "tests.rs")))
    };
    let mut named = Vec::new();
    for path in found {
        let is_rust = path.extension().is_some_and(|kind| kind == "rs");
        if !is_rust || is_test(path.strip_prefix(&source).expect("within")) {
            continue;
        }
        let text = std::fs::read_to_string(&path).expect("text");
        let code = text.split("#[cfg(test)]").next().expect("a first part");
        if code.contains("\"portcullis_") {
            named.push(path.file_name().expect("a name").to_owned());
        }
    }
    assert_eq!(named, ["catalogue.rs"]);
}
