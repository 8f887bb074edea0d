//! What has every metric? A Portcullis that has everything turned on that is counted, and what it needs around it.

use std::net::SocketAddr;

use bytes::Bytes;
use origin::{Origin, Scripted};
use std::time::Duration;

use crate::support::*;

/// The name that its certificate is for.
pub const NAME: &str = "a.test";

/// How much later the slow origin answers than the quick one.
const SLOW: Duration = Duration::from_millis(200);

/// The process, and who is before and behind it.
pub struct Whole {
    pub portcullis: Portcullis,
    pub authority: Authority,
    pub issuer: Issuer,
    pub key: SigningKey,
    /// Behind the pool `app`, beside a slow one.
    _quick: Origin,
    /// Behind the pools that hold what they are asked.
    pub holding: Origin,
    /// The endpoint of the pool `app` that is slow.
    pub slow: Origin,
    /// Behind the pool `checked`, which `quick` is behind as well.
    pub leaving: Option<Origin>,
    /// Its answers may be stored, and compressed.
    pub stored: Origin,
    _dns: Dns,
    yaml: String,
}

impl Whole {
    /// Starts it. Its shared limits are counted at `redis`, where there need be none.
    pub async fn start(redis: &str) -> Self {
        let (authority, key, dns) = (Authority::new(), SigningKey::new("one"), Dns::start().await);
        let issuer = Issuer::start(0, None, &[&key]).await;
        let (quick, holding, leaving, stored) =
            tokio::join!(origin(), origin(), origin(), origin());
        let slow = Origin::builder().delay(SLOW).start().await;
        let slow = slow.expect("an origin");
        let text = Bytes::from(text());
        let storable = Scripted::new(200)
            .field("cache-control", "max-age=3600")
            .field("content-type", "text/plain")
            .delay(Duration::from_millis(20))
            .body(text.clone());
        // Its second half comes when it is let go.
        let long = storable.clone().until("long").body(text);
        stored.script("/stored/long", [long]);
        stored.script("*", [storable]);
        dns.says("app.test", Says::addresses(1, &["127.0.0.1"]));
        let at = |origin: &Origin| origin.address().expect("TCP");
        let yaml = yaml(&Endpoints {
            quick: at(&quick),
            slow: at(&slow),
            holding: at(&holding),
            leaving: at(&leaving),
            stored: at(&stored),
            nobody: free_port(),
            issuer: issuer.address,
            redis,
            resolver: &dns.resolver(),
        });
        // Until the first reload every line of the log is lost, and nothing can be compressed.
        let first = yaml.replace("memory: 90%", "memory: 90%, compression: 1KiB");
        let first = format!("access_log: {{path: /dev/full}}\n{first}");
        let portcullis = Portcullis::builder(&first).identity("site", &authority.issue(&[NAME]));
        let portcullis = portcullis.start().await;
        Self {
            portcullis,
            authority,
            issuer,
            key,
            _quick: quick,
            holding,
            slow,
            leaving: Some(leaving),
            stored,
            _dns: dns,
            yaml,
        }
    }

    /// The configuration that is meant to be.
    pub fn yaml(&self) -> &str {
        &self.yaml
    }

    /// Where a listener is.
    pub fn at(&self, listener: &str) -> SocketAddr {
        self.portcullis.listener(listener)
    }
}

/// 64 KiB that can be compressed, but not to nothing.
fn text() -> String {
    let mut random = fastrand::Rng::with_seed(7);
    (0..64 << 10)
        .map(|_| random.choice(['a', 'b', 'c', 'd', '\n']).expect("a letter"))
        .collect()
}

struct Endpoints<'w> {
    quick: SocketAddr,
    slow: SocketAddr,
    holding: SocketAddr,
    leaving: SocketAddr,
    stored: SocketAddr,
    nobody: u16,
    issuer: SocketAddr,
    redis: &'w str,
    resolver: &'w str,
}

/// The route of each pool has its name, and a prefix of that name, which its endpoints do not see.
fn yaml(endpoints: &Endpoints<'_>) -> String {
    let Endpoints {
        quick,
        slow,
        holding,
        leaving,
        stored,
        nobody,
        issuer,
        redis,
        resolver,
    } = endpoints;
    let port = quick.port();
    let under =
        |name: &str| format!("match: {{paths: [{{prefix: /{name}}}]}}, rewrite: {{prefix: /}}");
    let routes = ["checked", "ejecting", "broken", "shut", "narrow", "named"];
    let routes: String = routes
        .iter()
        .map(|name| format!("- {{name: {name}, {}, pool: {name}}}\n", under(name)))
        .collect();
    let (holds, api) = (under("holding"), under("api"));
    format!(
        "overload: {{requests: 12, memory: 90%}}\n\
         cache: {{memory: 1MiB, disk: {{path: '@dir@/cache', size: 16MiB}}}}\n\
         redis: {{address: '{redis}', timeout: 1s}}\n\
         {resolver}\
         listeners:\n\
         - {{name: plain, address: '127.0.0.1:0'}}\n\
         - {{name: single, address: '127.0.0.1:0', limits: {{connections: 1}}}}\n\
         - {{name: tls, address: '127.0.0.1:0', tls: {{certificates: [{{certificate: site.crt, key: site.key}}]}}}}\n\
         routes:\n\
         - {{name: app, pool: app}}\n\
         {routes}\
         - {{name: holding, {holds}, priority: {{header: X-Priority}}, pool: holding}}\n\
         - name: limited\n\
         \x20 match: {{paths: [{{prefix: /limited}}]}}\n\
         \x20 rate_limits:\n\
         \x20 - {{name: few, rate: 1/h, burst: 1, key: header.X-Key, keys: 8}}\n\
         \x20 - {{name: watched, rate: 1/h, burst: 1, key: global, dry_run: true}}\n\
         \x20 respond: {{}}\n\
         - {{name: shared, match: {{paths: [{{prefix: /shared}}]}}, rate_limits: [{{name: all, rate: 100/s, store: redis}}], \
              respond: {{}}}}\n\
         - {{name: stored, match: {{paths: [{{prefix: /stored}}]}}, cache: {{}}, compress: {{}}, pool: stored}}\n\
         - {{name: api, {api}, jwt: {{jwks: 'http://{issuer}/keys', refresh: 1s}}, pool: app}}\n\
         pools:\n\
         - {{name: app, endpoints: ['{quick}', '{slow}'], hedging: {{after: 30ms, budget: 100}}}}\n\
         - {{name: checked, endpoints: ['{quick}', '{leaving}'], panic_threshold: 80, \
              health: {{type: tcp, interval: 200ms, fall: 1}}}}\n\
         - {{name: ejecting, endpoints: ['{quick}', '127.0.0.1:{nobody}'], ejection: {{consecutive_failures: 2}}}}\n\
         - {{name: broken, endpoints: ['127.0.0.1:{nobody}'], retries: {{budget: {{percent: 0, min_per_second: 1}}}}, \
              breaker: {{consecutive_failures: 20, open_for: 1m}}}}\n\
         - {{name: shut, endpoints: ['127.0.0.1:{nobody}'], \
              breaker: {{scope: pool, consecutive_failures: 3, open_for: 1m}}}}\n\
         - {{name: narrow, endpoints: ['{holding}'], limits: {{requests: 1, queue: 1, queue_timeout: 3s}}}}\n\
         - {{name: holding, endpoints: ['{holding}']}}\n\
         - {{name: named, endpoints: ['app.test:{port}', 'nowhere.test:{port}']}}\n\
         - {{name: stored, endpoints: ['{stored}']}}\n"
    )
}
