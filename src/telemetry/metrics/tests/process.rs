//! What is told of the process, its build and its reloads?

use super::*;

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
