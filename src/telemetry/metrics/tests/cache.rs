//! What is told of the cache, by route and by tier?

use super::*;
use crate::cache::report::{DiskReport, Kept, Report, Tier};

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
