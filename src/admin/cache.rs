//! What does the cache keep, and how much of the traffic does it answer?

use serde::{Deserialize, Serialize};

use crate::cache::CacheResult;
use crate::cache::report::Report;

/// How requests were served, by [`CacheResult`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Served {
    /// From the cache, fresh.
    pub hit: u64,
    /// From the cache, stale.
    pub stale: u64,
    /// From the cache, stale, while another was fetched.
    pub updating: u64,
    /// From the cache, after the endpoint said that it is still good.
    pub revalidated: u64,
    /// By the endpoint; what was stored was no longer good.
    pub expired: u64,
    /// By the endpoint; nothing was stored.
    pub miss: u64,
    /// By the endpoint; the cache was not asked.
    pub bypass: u64,
}

impl Served {
    fn of(counts: &[u64; CacheResult::ALL.len()]) -> Self {
        let of = |result: CacheResult| counts[result as usize];
        Self {
            hit: of(CacheResult::Hit),
            stale: of(CacheResult::Stale),
            updating: of(CacheResult::Updating),
            revalidated: of(CacheResult::Revalidated),
            expired: of(CacheResult::Expired),
            miss: of(CacheResult::Miss),
            bypass: of(CacheResult::Bypass),
        }
    }

    /// The share of those that asked the cache whose body came from it, from 0 to 1; `None` if there were none.
    fn hit_ratio(&self) -> Option<f64> {
        let found = self.hit + self.stale + self.updating + self.revalidated;
        let asked = found + self.expired + self.miss;
        (asked > 0).then(|| found as f64 / asked as f64)
    }
}

/// What `/cache` answers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CacheReport {
    /// What it keeps.
    #[serde(flatten)]
    pub kept: Report,
    /// The share of the requests that asked it whose body came from it, from 0 to 1, since the process started; `null` if
    /// there were none. Those that bypass it do not count.
    pub hit_ratio: Option<f64>,
    /// How requests were served, over all routes.
    pub requests: Served,
    /// The same for each route.
    pub routes: Vec<RouteReport>,
}

/// A route that answers from the cache.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RouteReport {
    /// Its name.
    pub route: String,
    /// Its hit ratio.
    pub hit_ratio: Option<f64>,
    /// How its requests were served.
    pub requests: Served,
}

impl CacheReport {
    /// What is kept, and how the requests of each route were served, in the order of [`CacheResult::ALL`].
    pub fn new(kept: Report, routes: &[(String, [u64; CacheResult::ALL.len()])]) -> Self {
        let mut all = [0; CacheResult::ALL.len()];
        for (_, counts) in routes {
            for (sum, count) in all.iter_mut().zip(counts) {
                *sum += count;
            }
        }
        let requests = Served::of(&all);
        let report = |(route, counts): &(String, [u64; CacheResult::ALL.len()])| {
            let requests = Served::of(counts);
            RouteReport {
                route: route.clone(),
                hit_ratio: requests.hit_ratio(),
                requests,
            }
        };
        Self {
            kept,
            hit_ratio: requests.hit_ratio(),
            requests,
            routes: routes.iter().map(report).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cache::report::{DiskReport, Kept};
    use serde_json::json;

    #[test]
    fn the_report_has_sizes_and_how_requests_were_served() {
        let kept = Kept {
            bytes: 10,
            limit_bytes: 20,
            objects: 1,
            evictions: 5,
        };
        let disk = DiskReport {
            on: false,
            error: Some("no space".to_owned()),
            kept,
        };
        let report = Report {
            memory: kept,
            disk: Some(disk),
            flights: 2,
            purges: 3,
        };
        let routes = [
            ("a".to_owned(), [4, 1, 1, 0, 1, 1, 90]),
            ("b".to_owned(), [0; 7]),
        ];
        let report = CacheReport::new(report, &routes);
        let value = serde_json::to_value(&report).expect("JSON");
        let memory = json!({"bytes": 10, "limit_bytes": 20, "objects": 1, "evictions": 5});
        assert_eq!(value["memory"], memory);
        assert_eq!(value["disk"]["error"], "no space");
        assert_eq!(value["disk"]["objects"], 1);
        assert_eq!(
            (&value["flights"], &value["purges"]),
            (&json!(2), &json!(3))
        );
        assert_eq!(value["hit_ratio"], 0.75);
        assert_eq!(value["requests"]["bypass"], 90);
        assert_eq!(value["routes"][0]["requests"]["hit"], 4);
        assert_eq!(value["routes"][1]["hit_ratio"], json!(null));
        let again: CacheReport = serde_json::from_value(value).expect("the same");
        assert_eq!(again, report);
    }
}
