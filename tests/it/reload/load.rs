//! Does anyone notice fifty reloads, good ones and broken ones, and does anything of them stay behind?

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::time::Duration;

use origin::Origin;
use rustls::ALL_VERSIONS;

use super::*;

const TLS: &str = "{name: tls, address: \"127.0.0.1:0\", \
                   tls: {certificates: [{certificate: a.crt, key: a.key}]}}";

/// How many reloads there are, and how long they take altogether.
fn storm() -> (u32, Duration) {
    match std::env::var_os("CI") {
        Some(_) => (25, Duration::from_secs(5)),
        None => (50, Duration::from_secs(10)),
    }
}

/// What stands around Portcullis, and the configurations that come one after the other.
struct Stage {
    authority: Authority,
    /// Two certificates for one name, shown in turn.
    identities: [Identity; 2],
    /// A port that comes and goes.
    extra: u16,
    /// A port that another process has.
    taken: TcpListener,
}

/// What is to come of a round.
#[derive(PartialEq)]
enum Expected {
    Applied,
    /// Rejected, and this is in the answer.
    Rejected(String),
}

impl Stage {
    fn new() -> Self {
        let authority = Authority::new();
        Self {
            identities: [authority.issue(&["a.test"]), authority.issue(&["a.test"])],
            authority,
            extra: free_port(),
            taken: TcpListener::bind("127.0.0.1:0").expect("a port"),
        }
    }

    /// The configuration of a round, which differs in several ways from that of the round before.
    fn yaml(&self, round: u32, origins: &[Origin; 2]) -> (String, Expected) {
        let [a, b] = [&origins[0], &origins[1]].map(|origin| origin.address().expect("TCP"));
        let endpoints = match round % 3 {
            0 => format!("\"{a}\""),
            1 => format!("\"{a}\", {{address: \"{b}\", weight: 3}}"),
            _ => format!("\"{b}\""),
        };
        let mut listeners = vec![HTTP.to_owned(), TLS.to_owned()];
        if round % 2 == 1 {
            listeners.push(format!(
                "{{name: extra, address: \"127.0.0.1:{}\"}}",
                self.extra
            ));
        }
        let mut expected = Expected::Applied;
        let mut first = String::new();
        match round % 10 {
            4 => {
                first = "include: [missing.yaml]\n".to_owned();
                expected = Expected::Rejected("portcullis.yaml:1:11: error: ".to_owned());
            }
            6 => {
                first = "routes: [\n".to_owned();
                expected = Expected::Rejected("portcullis.yaml:2:".to_owned());
            }
            8 => {
                let taken = self.taken.local_addr().expect("an address");
                listeners.push(format!("{{name: taken, address: \"{taken}\"}}"));
                expected =
                    Expected::Rejected("portcullis.yaml:4:26: error: listeners[taken]".to_owned());
            }
            _ => {}
        }
        let listeners: Vec<&str> = listeners.iter().map(String::as_str).collect();
        let route =
            format!("{{name: all, pool: p, response_headers: {{set: {{x-round: \"{round}\"}}}}}}");
        let more = format!("{{name: route-{round}, match: {{hosts: [h{round}.test]}}, pool: p}}");
        let pool = format!("{{name: p, endpoints: [{endpoints}]}}");
        (
            first + &config(&listeners, &[&route, &more], &[&pool]),
            expected,
        )
    }

    /// Reloads again and again, and checks each time that it came as it should.
    async fn reload(
        &self,
        portcullis: &Portcullis,
        origins: &[Origin; 2],
        rounds: u32,
        time: Duration,
    ) {
        let extra = SocketAddr::from(([127, 0, 0, 1], self.extra));
        let mut applied = 0;
        let mut ticks = tokio::time::interval(time / rounds);
        for round in 1..=rounds {
            ticks.tick().await;
            let identity = &self.identities[(round / 5 % 2) as usize];
            portcullis.replace("a.crt", &identity.certificate);
            portcullis.replace("a.key", &identity.key);
            let (yaml, expected) = self.yaml(round, origins);
            match expected {
                Expected::Applied => {
                    portcullis.apply(&yaml).await;
                    applied = round;
                }
                Expected::Rejected(place) => {
                    let said = portcullis.rejected(&yaml).await;
                    assert!(said.text.contains(&place), "{place}: {said:?}");
                }
            }
            let answer = http1(portcullis.listener("http")).await.get("/").await;
            assert_eq!(answer.header("x-round"), Some(applied.to_string().as_str()));
            if applied % 2 == 1 {
                let answer = http1(extra).await.get("/").await;
                assert_eq!(answer.header("x-round"), Some(applied.to_string().as_str()));
            } else {
                eventually("the extra listener is gone", async || {
                    is_refused(extra).await
                })
                .await;
            }
            let shown = self.shown(portcullis).await;
            let last_applied = &self.identities[(applied / 5 % 2) as usize];
            assert_eq!(
                shown,
                last_applied.der(),
                "the certificate of round {applied}"
            );
        }
    }

    /// The certificate that a new client sees.
    async fn shown(&self, portcullis: &Portcullis) -> rustls::pki_types::CertificateDer<'static> {
        let config = client_config(&self.authority.roots(), ALL_VERSIONS, &[]).into();
        let stream = tls(portcullis.listener("tls"), "a.test", &config).await;
        let stream = stream.expect("a handshake");
        stream
            .get_ref()
            .1
            .peer_certificates()
            .expect("a certificate")[0]
            .clone()
    }

    /// Reloads under load. The origins end with it, so that no idle connection to them is left.
    async fn storm(&self, portcullis: &Portcullis, rounds: u32, time: Duration) {
        let origins = [origin().await, origin().await];
        portcullis.apply(&self.yaml(0, &origins).0).await;
        let plain = Ledger::start(portcullis.listener("http"));
        let secure = Ledger::builder(portcullis.listener("tls"))
            .https("a.test", &self.authority.roots())
            .kinds(&[Kind::Keepalive, Kind::Fresh, Kind::Http2, Kind::WebSocket])
            .start();
        plain.settled().await;
        secure.settled().await;
        self.reload(portcullis, &origins, rounds, time).await;
        let (plain, secure) = tokio::join!(plain.stop(), secure.stop());
        plain.assert_clean();
        secure.assert_clean();
        // The same connections all the time: nothing was a reason to close one.
        assert!(
            plain.reconnects.is_empty() && secure.reconnects.is_empty(),
            "{plain}{secure}"
        );
        assert!(
            origins
                .iter()
                .all(|origin| origin.journal().cancelled() == 0)
        );
    }
}

/// What a process holds when nobody uses it: its memory in bytes, and its descriptors.
async fn at_rest(portcullis: &Portcullis) -> (u64, BTreeMap<String, usize>) {
    let yaml = config(&[HTTP, TLS], &[&says("rest", &[])], &[]);
    assert_eq!(portcullis.reload(&yaml).await.code, 0);
    for series in ["portcullis_connections{", "portcullis_upstream_in_flight"] {
        eventually(series, async || portcullis.metric(series).await == 0.0).await;
    }
    eventually("one generation", async || {
        let generations = "portcullis_config_generations_in_use ";
        portcullis.metric(generations).await == 1.0
    })
    .await;
    // The allocator gives pages back when it comes to it, and connections that are over are closed when their thread
    // gets the processor: the smallest of several looks counts.
    let (mut memory, mut looks) = (u64::MAX, Vec::new());
    for _ in 0..10 {
        tokio::time::sleep(Duration::from_millis(100)).await;
        memory = memory.min(portcullis.rss());
        looks.push(portcullis.descriptors());
    }
    let fewest = looks
        .into_iter()
        .min_by_key(|look| look.values().sum::<usize>());
    (memory, fewest.expect("a look"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_reloads_under_load_fail_no_request_and_leave_nothing_behind() {
    let stage = Stage::new();
    let (rounds, time) = storm();
    let portcullis = Portcullis::builder(&config(&[HTTP, TLS], &[&says("start", &[])], &[]))
        .identity("a", &stage.identities[0])
        .start()
        .await;
    // Once to fill what is filled once: buffers of threads, caches, arenas of the allocator.
    stage.storm(&portcullis, rounds / 5, time / 5).await;
    let (memory, descriptors) = at_rest(&portcullis).await;
    stage.storm(&portcullis, rounds, time).await;
    let mut held = vec![memory];
    loop {
        let (memory, _) = at_rest(&portcullis).await;
        portcullis.has_descriptors(&descriptors).await;
        let most = held.iter().copied().max().unwrap_or_default();
        held.push(memory);
        if memory < most + most / 20 {
            break;
        }
        // What is left behind adds up, storm by storm. How well the heaps of threads that free for one another are filled
        // is chance: without reloads it makes 2 % between two storms, with them it has made 14 %, and less after the next.
        assert!(held.len() < 5, "more with each storm, in bytes: {held:?}");
        stage.storm(&portcullis, rounds / 5, time / 5).await;
    }
    eprintln!("memory after each storm, in bytes: {held:?}");
    let rejected = "portcullis_reloads_total{result=\"rejected\"}";
    assert!(portcullis.metric(rejected).await >= f64::from(rounds / 10 * 3));
    assert_eq!(portcullis.metric("portcullis_panics_total ").await, 0.0);
}
