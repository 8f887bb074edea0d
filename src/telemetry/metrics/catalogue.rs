//! Which metrics does Portcullis have? Every name, label and help text is in this file.

use std::sync::Mutex;

use prometheus::core::Collector;
use prometheus::{Error, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry};

use super::cache::{CacheMetrics, CachedRoutes};
use super::certificates::Certificates;
use super::compression::Compression;
use super::disk::{DiskMetrics, DiskRead, DiskWrite};
use super::families::{Checks, Endpoints, Pools, Routes};
use super::guards::{Breakers, Ejections, FailOpens};
use super::histograms::Histograms;
use super::labels::{DiskOperation, Fetch, PurgeKind};
use super::listeners::Listeners;
use super::overload::OverloadMetrics;
use super::process::Process;
use super::rates::RateLimits;
use super::settings::Settings;
use super::shared::SharedLimits;
use super::states::States;
use super::tokens::{KeySources, Tokens};
use super::{AccessLogMetrics, ReloadMetrics, ReloadResult};
use crate::admission::overload::Resource;
use crate::cache::report::Tier;
use crate::pool::Priority;

/// Upper bounds in seconds of what an answer of Redis may take: its deadline is some milliseconds.
const SHARED_LIMIT_BUCKETS: [f64; 9] = [
    0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05,
];
/// Upper bounds in seconds of what a TLS handshake may take: our own part is a millisecond, the rest is the way to the client.
const HANDSHAKE_BUCKETS: [f64; 11] = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0,
];
/// Upper bounds in seconds of how long a client may stay.
const CONNECTION_BUCKETS: [f64; 10] = [0.1, 0.5, 1.0, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0, 3600.0];

/// Makes each metric once and registers it.
pub(super) struct Catalogue {
    registry: Registry,
    usual: Settings,
}

impl Catalogue {
    /// With the buckets of these settings, until others are chosen.
    pub(super) fn new(usual: Settings) -> Self {
        Self {
            registry: Registry::new(),
            usual,
        }
    }

    /// The registry with every metric that was made.
    pub(super) fn into_registry(self) -> Registry {
        self.registry
    }

    pub(super) fn routes(&self) -> Result<Routes, Error> {
        Ok(Routes {
            requests: self.counters(
                "portcullis_requests_total",
                "Finished requests, by the class of the status code sent; none if the client left before one was.",
                &["route", "code"],
            )?,
            duration: self.histograms(
                "portcullis_request_duration_seconds",
                "From the header of a request to the end of its answer.",
                &["route"],
                &self.usual.request,
            )?,
            bytes_received: self.counters(
                "portcullis_request_body_bytes_total",
                "Bytes of request bodies received from clients.",
                &["route"],
            )?,
            bytes_sent: self.counters(
                "portcullis_response_body_bytes_total",
                "Bytes of response bodies sent to clients.",
                &["route"],
            )?,
            failures: self.counters(
                "portcullis_failures_total",
                "Requests that failed, by reason; the route is (none) where the request ended before one was found.",
                &["route", "reason"],
            )?,
        })
    }

    pub(super) fn listeners(&self) -> Result<Listeners, Error> {
        Ok(Listeners {
            connections: self.gauges(
                "portcullis_connections",
                "Open connections from clients.",
                &["listener"],
            )?,
            idle: self.gauges(
                "portcullis_connections_idle",
                "Open connections from clients that wait for a request, the first or another.",
                &["listener"],
            )?,
            accepted: self.counters(
                "portcullis_connections_total",
                "Connections accepted from clients.",
                &["listener"],
            )?,
            refused: self.counters(
                "portcullis_connections_refused_total",
                "Accepted connections closed before their first request, by cause.",
                &["listener", "reason"],
            )?,
            lasted: self.histograms(
                "portcullis_connection_duration_seconds",
                "How long connections from clients were open, of those that have ended; those at a limit are not taken in and not among them.",
                &["listener"],
                &CONNECTION_BUCKETS,
            )?,
            tls_handshakes: self.counters(
                "portcullis_tls_handshakes_total",
                "Completed TLS handshakes with clients, by version and by whether they went on with an earlier session; failed ones are among the refused connections.",
                &["listener", "version", "resumed"],
            )?,
            tls_duration: self.histograms(
                "portcullis_tls_handshake_duration_seconds",
                "How long completed TLS handshakes with clients took, with the way there and back.",
                &["listener"],
                &HANDSHAKE_BUCKETS,
            )?,
            http2_connections: self.gauges(
                "portcullis_http2_connections",
                "Open connections from clients that speak HTTP/2.",
                &["listener"],
            )?,
            resets: self.counters(
                "portcullis_http2_streams_reset_total",
                "HTTP/2 streams that were reset, by who did it.",
                &["listener", "by"],
            )?,
            floods: self.counters(
                "portcullis_http2_floods_total",
                "HTTP/2 connections ended with ENHANCE_YOUR_CALM, by what there was too much of.",
                &["listener", "kind"],
            )?,
            requests: self.counters(
                "portcullis_requests_by_protocol_total",
                "Finished requests, by what was spoken with the client; upgrade is what went on as something else, a WebSocket.",
                &["listener", "protocol"],
            )?,
            requests_in_flight: self.gauges(
                "portcullis_requests_in_flight",
                "Requests being served.",
                &["listener"],
            )?,
        })
    }

    pub(super) fn pools(&self) -> Result<Pools, Error> {
        Ok(Pools {
            connect: self.histograms(
                "portcullis_upstream_connect_duration_seconds",
                "Opening a connection to an endpoint, TLS included.",
                &["pool"],
                &self.usual.connect,
            )?,
            first_byte: self.histograms(
                "portcullis_upstream_first_byte_duration_seconds",
                "From the request sent, as far as it had come, to the first byte of the endpoint's response.",
                &["pool"],
                &self.usual.first_byte,
            )?,
            refused: self.counters(
                "portcullis_pool_refused_total",
                "Requests that a pool did not give an endpoint, by reason.",
                &["pool", "reason"],
            )?,
            idle_connections: self.gauges(
                "portcullis_upstream_idle_connections",
                "Connections to endpoints that wait for a request, counted once a second; without those of requests with a body, which Pingora keeps.",
                &["pool"],
            )?,
            queue_length: self.gauges(
                "portcullis_pool_queue_length",
                "Requests that wait for a slot of the pool.",
                &["pool"],
            )?,
            queue_wait: self.histograms(
                "portcullis_pool_queue_wait_seconds",
                "How long requests waited for a slot of the pool, of those that had to; those that gave up count as well.",
                &["pool"],
                &self.usual.queue,
            )?,
            hedges: self.counters(
                "portcullis_upstream_hedges_total",
                "Requests whose answer took so long that a second endpoint was wanted: sent to one, won by its answer, or why not sent.",
                &["pool", "result"],
            )?,
            retries: self.counters(
                "portcullis_upstream_retries_total",
                "Attempts that failed in a way that is retried, by result: sent if they were made again, else why not.",
                &["pool", "result"],
            )?,
        })
    }

    pub(super) fn endpoints(&self) -> Result<Endpoints, Error> {
        Ok(Endpoints {
            requests: self.counters(
                "portcullis_upstream_requests_total",
                "Attempts at an endpoint, by what they say about its health; neutral are also those outrun by a hedge.",
                &["pool", "endpoint", "outcome"],
            )?,
            in_flight: self.gauges(
                "portcullis_upstream_in_flight",
                "Attempts at an endpoint that have not ended.",
                &["pool", "endpoint"],
            )?,
            drained: self.states(
                "portcullis_upstream_drained",
                "1 if the operator has drained the endpoint, else 0.",
                &["pool", "endpoint"],
            )?,
            connections: self.counters(
                "portcullis_upstream_connections_total",
                "Connections taken for an attempt: reused from earlier ones or opened for it.",
                &["pool", "endpoint", "reused"],
            )?,
        })
    }

    pub(super) fn checks(&self) -> Result<Checks, Error> {
        Ok(Checks {
            healthy: self.states(
                "portcullis_upstream_healthy",
                "1 if health checks let an endpoint be used, 0 if not.",
                &["pool", "endpoint"],
            )?,
            checks: self.counters(
                "portcullis_upstream_checks_total",
                "Health checks of an endpoint, by result: passed or failed.",
                &["pool", "endpoint", "result"],
            )?,
            changes: self.counters(
                "portcullis_upstream_health_changes_total",
                "How often health checks made an endpoint healthy or unhealthy.",
                &["pool", "endpoint", "to"],
            )?,
        })
    }

    pub(super) fn breakers(&self) -> Result<Breakers, Error> {
        Ok(Breakers {
            state: self.states(
                "portcullis_upstream_breaker_state",
                "0 while a breaker is closed, 1 while it is half-open (from its first trial on), 2 while it is open (until the first trial, also when its time is over); a breaker of a whole pool has no endpoint.",
                &["pool", "endpoint"],
            )?,
            transitions: self.counters(
                "portcullis_upstream_breaker_transitions_total",
                "Changes of a breaker's state, by the state it changed to.",
                &["pool", "endpoint", "to"],
            )?,
        })
    }

    pub(super) fn ejections(&self) -> Result<Ejections, Error> {
        Ok(Ejections {
            ejections: self.counters(
                "portcullis_upstream_ejections_total",
                "How often an endpoint was ejected because its answers showed that it is ill.",
                &["pool", "endpoint"],
            )?,
            ejected: self.states(
                "portcullis_upstream_ejected",
                "1 while an endpoint is ejected, until the first request after that time.",
                &["pool", "endpoint"],
            )?,
        })
    }

    pub(super) fn fail_opens(&self) -> Result<FailOpens, Error> {
        Ok(FailOpens {
            open: self.gauges(
                "portcullis_pool_fail_open",
                "1 while a pool looks past health because fewer of its endpoints are healthy than its panic_threshold.",
                &["pool"],
            )?,
        })
    }

    pub(super) fn rate_limits(&self) -> Result<RateLimits, Error> {
        Ok(RateLimits {
            requests: self.counters(
                "portcullis_rate_limit_total",
                "Requests that a rate limit was asked about, by result; the scope is what the limit is a part of: a listener, a route or a pool.",
                &["scope", "name", "limit", "result"],
            )?,
            forgotten: self.counters(
                "portcullis_rate_limit_keys_forgotten_total",
                "Keys that a rate limit forgot before their debt was paid off, because others had come in their place; many mean that `keys` is small.",
                &["scope", "name", "limit"],
            )?,
        })
    }

    pub(super) fn shared_limits(&self) -> Result<SharedLimits, Error> {
        Ok(SharedLimits {
            reachable: self.gauges(
                "portcullis_shared_limit_reachable",
                "1 if the Redis that rate limits are shared through answers in time, 0 while each machine counts for itself.",
                &["redis"],
            )?,
            fallbacks: self.counters(
                "portcullis_shared_limit_fallbacks_total",
                "Requests of shared rate limits that this machine decided alone: Redis was away, its answer late, a failure or not asked for.",
                &["redis", "cause"],
            )?,
            duration: self.histograms(
                "portcullis_shared_limit_duration_seconds",
                "From the question to the answer of Redis, of answers that came in time.",
                &["redis"],
                &SHARED_LIMIT_BUCKETS,
            )?,
        })
    }

    pub(super) fn tokens(&self) -> Result<Tokens, Error> {
        Ok(Tokens {
            tokens: self.counters(
                "portcullis_jwt_tokens_total",
                "Requests on routes that ask for a token: good ones that were known (cached) or had to be verified, missing and refused ones, and those that came when there were no keys.",
                &["route", "result"],
            )?,
        })
    }

    pub(super) fn key_sources(&self) -> Result<KeySources, Error> {
        Ok(KeySources {
            fetches: self.counters(
                "portcullis_jwks_fetches_total",
                "Fetches of key sets for tokens, by result.",
                &["source", "result"],
            )?,
            keys: self.gauges(
                "portcullis_jwks_keys",
                "Keys in the set that was fetched last.",
                &["source"],
            )?,
            failing: self.gauges(
                "portcullis_jwks_failing",
                "1 while the last fetch of a key set has failed; the keys it had before hold.",
                &["source"],
            )?,
        })
    }

    pub(super) fn cached_routes(&self) -> Result<CachedRoutes, Error> {
        Ok(CachedRoutes {
            requests: self.counters(
                "portcullis_cache_requests_total",
                "Requests of routes that answer from the cache, by how they were served.",
                &["route", "result"],
            )?,
        })
    }

    pub(super) fn cache(&self) -> Result<CacheMetrics, Error> {
        let gauges = |name, help| -> Result<[IntGauge; Tier::ALL.len()], Error> {
            let gauges = self.gauges(name, help, &["tier"])?;
            Ok(Tier::ALL.map(|tier| gauges.with_label_values(&[tier.as_str()])))
        };
        let counters = |name, help| -> Result<[IntCounter; Tier::ALL.len()], Error> {
            let counters = self.counters(name, help, &["tier"])?;
            Ok(Tier::ALL.map(|tier| counters.with_label_values(&[tier.as_str()])))
        };
        let fetches = self.counters(
            "portcullis_cache_fetches_total",
            "Requests to endpoints that the cache made or let pass, by what for: nothing was stored, it had expired, it was refreshed in the background, or it is known not to be storable.",
            &["why"],
        )?;
        let purges = self.counters(
            "portcullis_cache_purges_total",
            "Orders to purge, by what they named.",
            &["kind"],
        )?;
        let disk_errors = self.counters(
            "portcullis_cache_disk_errors_total",
            "Failures of the cache's disk, by what was tried; but for want of room, each turns it off for a while.",
            &["operation"],
        )?;
        Ok(CacheMetrics {
            bytes: gauges(
                "portcullis_cache_bytes",
                "Bytes that the objects of the cache take, by where they are.",
            )?,
            objects: gauges(
                "portcullis_cache_objects",
                "Objects in the cache, by where they are; one may be in both.",
            )?,
            limit: gauges(
                "portcullis_cache_limit_bytes",
                "Bytes that the objects of the cache may take; 0 if nothing is kept there.",
            )?,
            stored: counters(
                "portcullis_cache_stored_total",
                "Objects that were stored, by where.",
            )?,
            evictions: counters(
                "portcullis_cache_evictions_total",
                "Objects that had to go so that others found room, by where they were.",
            )?,
            evicted: Mutex::default(),
            fetches: Fetch::ALL.map(|fetch| fetches.with_label_values(&[fetch.as_str()])),
            followers: self.registered(IntCounter::new(
                "portcullis_cache_followers_total",
                "Requests that had their answer from the fetch of another.",
            ))?,
            purges: PurgeKind::ALL.map(|kind| purges.with_label_values(&[kind.as_str()])),
            purged: self.registered(IntCounter::new(
                "portcullis_cache_purged_objects_total",
                "Objects that purges have removed or made stale; one in memory and on disk counts twice.",
            ))?,
            disk_errors: DiskOperation::ALL
                .map(|operation| disk_errors.with_label_values(&[operation.as_str()])),
            disk_on: self.gauge(
                "portcullis_cache_disk_on",
                "1 while the cache uses its disk, 0 if it has none or errors have turned it off.",
            )?,
        })
    }

    pub(super) fn compression(&self) -> Result<Compression, Error> {
        Ok(Compression {
            answers: self.counters(
                "portcullis_compression_answers_total",
                "Answers that Portcullis gave in a coding of its own making, by coding.",
                &["route", "coding"],
            )?,
            encodings: self.counters(
                "portcullis_compression_encodings_total",
                "Bodies that were compressed, by coding; fewer than answers where they are kept.",
                &["route", "coding"],
            )?,
            bytes_in: self.counters(
                "portcullis_compression_in_bytes_total",
                "Bytes of bodies before they were compressed, by coding.",
                &["route", "coding"],
            )?,
            bytes_out: self.counters(
                "portcullis_compression_out_bytes_total",
                "Bytes of bodies after they were compressed, by coding.",
                &["route", "coding"],
            )?,
            without_room: self.counters(
                "portcullis_compression_without_room_total",
                "Answers that were not compressed because that would have taken more memory than overload.compression allows.",
                &["route"],
            )?,
        })
    }

    pub(super) fn compression_memory(&self) -> Result<IntGauge, Error> {
        self.gauge(
            "portcullis_compression_memory_bytes",
            "Memory that encoders of answers under way take, about.",
        )
    }

    pub(super) fn reload(&self) -> Result<ReloadMetrics, Error> {
        let reloads = self.counters(
            "portcullis_reloads_total",
            "Reloads of the configuration, by result.",
            &["result"],
        )?;
        Ok(ReloadMetrics {
            by_result: ReloadResult::ALL
                .map(|result| reloads.with_label_values(&[result.as_str()])),
            generation: self.gauge(
                "portcullis_config_generation",
                "The number of the configuration in force.",
            )?,
            hash: self.gauge(
                "portcullis_config_hash",
                "48 bits of a hash of the configuration in force, certificates and keys included: equal where the same is written.",
            )?,
            last_successful: self.gauge(
                "portcullis_config_last_reload_successful",
                "1 if the configuration read last is in force, 0 if it was refused.",
            )?,
            last_timestamp: self.gauge(
                "portcullis_config_last_reload_timestamp_seconds",
                "When the configuration was read last, in seconds since 1970.",
            )?,
            last_success_timestamp: self.gauge(
                "portcullis_config_last_reload_success_timestamp_seconds",
                "When the configuration in force was read, in seconds since 1970.",
            )?,
        })
    }

    pub(super) fn generations(&self) -> Result<IntGauge, Error> {
        self.gauge(
            "portcullis_config_generations_in_use",
            "Configurations in memory: the one in force, and former ones that requests still run under.",
        )
    }

    pub(super) fn predecessor_connections(&self) -> Result<IntGauge, Error> {
        self.gauge(
            "portcullis_predecessor_connections",
            "Connections that the process before the last upgrade still has; 0 when it has ended.",
        )
    }

    pub(super) fn workers(&self) -> Result<IntGauge, Error> {
        self.gauge("portcullis_workers", "Threads that serve connections.")
    }

    pub(super) fn certificates(&self) -> Result<Certificates, Error> {
        let opts = Opts::new(
            "portcullis_certificate_expiry_timestamp_seconds",
            "When a certificate of a listener ends, in seconds since 1970; by the first name it is for.",
        );
        self.registered(Certificates::new(opts, ["listener", "certificate"]))
    }

    pub(super) fn connections_limit(&self) -> Result<IntGauge, Error> {
        self.gauge(
            "portcullis_connections_limit",
            "Connections from clients that the process takes at most, over all listeners; 0 for no limit.",
        )
    }

    pub(super) fn accept_pauses(&self) -> Result<IntCounter, Error> {
        self.registered(IntCounter::new(
            "portcullis_accept_pauses_total",
            "How often a worker left connections waiting because hardly a descriptor was left.",
        ))
    }

    pub(super) fn panics(&self) -> Result<IntCounter, Error> {
        self.registered(IntCounter::new(
            "portcullis_panics_total",
            "Requests that ended in a panic, which is a defect of Portcullis.",
        ))
    }

    pub(super) fn access_log(&self) -> Result<AccessLogMetrics, Error> {
        let lines = self.counters(
            "portcullis_access_log_lines_total",
            "Lines of the access log, by what became of them.",
            &["result"],
        )?;
        Ok(AccessLogMetrics {
            written: lines.with_label_values(&["written"]),
            dropped: lines.with_label_values(&["dropped"]),
            write_errors: self.registered(IntCounter::new(
                "portcullis_access_log_write_errors_total",
                "Writes to the access log that failed.",
            ))?,
        })
    }

    pub(super) fn overload(&self) -> Result<OverloadMetrics, Error> {
        let shed = self.counters(
            "portcullis_overload_shed_total",
            "Requests shed because the process had too much to do or to hold, by what there was too little of and by their priority.",
            &["resource", "priority"],
        )?;
        let of_each = |gauges: &IntGaugeVec| {
            Resource::ALL.map(|resource| gauges.with_label_values(&[resource.as_str()]))
        };
        Ok(OverloadMetrics {
            shed: Resource::ALL.map(|resource| {
                Priority::ALL.map(|priority| {
                    shed.with_label_values(&[resource.as_str(), priority.as_str()])
                })
            }),
            level: of_each(&self.gauges(
                "portcullis_overload_level",
                "0 while nothing is shed, 1 while requests of low priority are, 2 while those of normal priority are as well, 3 while all are.",
                &["resource"],
            )?),
            usage: of_each(&self.gauges(
                "portcullis_overload_usage",
                "Requests under way, or bytes of resident memory, as compared with the limit; 0 without one.",
                &["resource"],
            )?),
            limit: of_each(&self.gauges(
                "portcullis_overload_limit",
                "The limit on requests under way, or on bytes of resident memory; 0 if there is none.",
                &["resource"],
            )?),
        })
    }

    pub(super) fn disk(&self, cache: &CacheMetrics) -> Result<DiskMetrics, Error> {
        let reads = self.counters(
            "portcullis_cache_disk_reads_total",
            "Look-ups in the cache's disk tier, by result; damaged is what was not as it had been written, and was removed.",
            &["result"],
        )?;
        let writes = self.counters(
            "portcullis_cache_disk_writes_total",
            "Objects that were to be written to the cache's disk tier, by result.",
            &["result"],
        )?;
        Ok(DiskMetrics {
            errors: cache.disk_errors.clone(),
            stored: cache.stored[Tier::Disk as usize].clone(),
            reads: DiskRead::ALL.map(|result| reads.with_label_values(&[result.as_str()])),
            writes: DiskWrite::ALL.map(|result| writes.with_label_values(&[result.as_str()])),
        })
    }

    pub(super) fn lookups(&self) -> Result<[IntCounter; 2], Error> {
        let lookups = self.counters(
            "portcullis_resolver_lookups_total",
            "Look-ups of host names and SRV records among the endpoints, by result; one may take several questions.",
            &["result"],
        )?;
        Ok(["failed", "ok"].map(|result| lookups.with_label_values(&[result])))
    }

    pub(super) fn build_info(&self) -> Result<(), Error> {
        let info = self.gauges(
            "portcullis_build_info",
            "1, with what was built as labels.",
            &["version", "arch"],
        )?;
        let build = [env!("CARGO_PKG_VERSION"), std::env::consts::ARCH];
        info.with_label_values(&build).set(1);
        Ok(())
    }

    /// `process_*`: memory, file descriptors, threads, CPU time and start of this process.
    pub(super) fn process(&self) -> Result<(), Error> {
        let cpu = Opts::new(
            "process_cpu_seconds_total",
            "Total user and system CPU time spent in seconds.",
        );
        self.registry.register(Box::new(Process::new(cpu)))
    }

    fn counters(&self, name: &str, help: &str, labels: &[&str]) -> Result<IntCounterVec, Error> {
        self.registered(IntCounterVec::new(Opts::new(name, help), labels))
    }

    fn gauges(&self, name: &str, help: &str, labels: &[&str]) -> Result<IntGaugeVec, Error> {
        self.registered(IntGaugeVec::new(Opts::new(name, help), labels))
    }

    /// Gauges of endpoints that tell a state.
    fn states(&self, name: &str, help: &str, labels: &[&str]) -> Result<States, Error> {
        States::new(self.gauges(name, help, labels)?)
    }

    fn gauge(&self, name: &str, help: &str) -> Result<IntGauge, Error> {
        self.registered(IntGauge::new(name, help))
    }

    fn histograms(
        &self,
        name: &str,
        help: &str,
        labels: &[&str],
        buckets: &[f64],
    ) -> Result<Histograms, Error> {
        self.registered(Histograms::new(name, help, labels, buckets))
    }

    fn registered<M>(&self, metric: Result<M, Error>) -> Result<M, Error>
    where
        M: Collector + Clone + 'static,
    {
        let metric = metric?;
        self.registry.register(Box::new(metric.clone()))?;
        Ok(metric)
    }
}
