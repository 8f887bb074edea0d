//! Does a limit hold for all machines together, and does nobody notice when Redis goes?

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::{client_at, status};
use crate::support::*;

/// A machine whose route `all` has this limit (in YAML's flow style), shared through the Redis at `address`.
fn machine(address: &str, redis: &str, limit: &str) -> String {
    format!(
        "redis: {{address: '{address}', {redis}}}\n\
         listeners: [{{name: http, address: '127.0.0.1:0', limits: {{requests: 0}}}}]\n\
         routes: [{{name: all, respond: {{}}, rate_limits: [{{name: shared, store: redis, {limit}}}]}}]\n\
         runtime: {{threads: 1}}\n"
    )
}

/// Debug builds on a busy machine take their time: a deadline that is missed would be somebody else's fault.
const PATIENT: &str = "timeout: 1s";

/// How often it has said this.
fn said(portcullis: &Portcullis, text: &str) -> usize {
    portcullis.stderr().matches(text).count()
}

async fn reachable(portcullis: &Portcullis) -> f64 {
    portcullis.metric("portcullis_shared_limit_reachable").await
}

async fn fallbacks(portcullis: &Portcullis, cause: &str) -> f64 {
    let series = format!("portcullis_shared_limit_fallbacks_total{{cause=\"{cause}\"");
    portcullis.metric(&series).await
}

/// Clients that ask one after the other until they are told to stop.
struct Load {
    stop: Arc<AtomicBool>,
    asked: Arc<AtomicUsize>,
    clients: Vec<tokio::task::JoinHandle<(usize, Vec<Duration>)>>,
}

impl Load {
    async fn start(portcullis: &Portcullis, clients: usize) -> Self {
        let (stop, asked) = (Arc::new(AtomicBool::new(false)), Arc::default());
        let mut started = Vec::new();
        for _ in 0..clients {
            let mut client = http1(portcullis.listener("http")).await;
            let (stop, asked) = (Arc::clone(&stop), Arc::<AtomicUsize>::clone(&asked));
            started.push(tokio::spawn(async move {
                let (mut passed, mut took) = (0, Vec::new());
                while !stop.load(Ordering::Relaxed) {
                    let began = Instant::now();
                    match status(&mut client, "/", &[]).await {
                        200 => passed += 1,
                        429 => {}
                        other => panic!("a request failed with {other}"),
                    }
                    took.push(began.elapsed());
                    asked.fetch_add(1, Ordering::Relaxed);
                    // Without a rest, how long answers take would be told of the machine and not of the limit.
                    tokio::time::sleep(Duration::from_millis(2)).await;
                }
                (passed, took)
            }));
        }
        Self {
            stop,
            asked,
            clients: started,
        }
    }

    /// Waits until so many more were answered.
    async fn goes_on(&self, more: usize) {
        let before = self.asked.load(Ordering::Relaxed);
        eventually("requests are answered", async || {
            self.asked.load(Ordering::Relaxed) >= before + more
        })
        .await;
    }

    /// How many have passed, and how long the answers took, the slowest last.
    async fn end(self) -> (usize, Vec<Duration>) {
        self.stop.store(true, Ordering::Relaxed);
        let (mut passed, mut took) = (0, Vec::new());
        for client in self.clients {
            let (own, times) = client.await.expect("no request failed");
            passed += own;
            took.extend(times);
        }
        took.sort_unstable();
        (passed, took)
    }
}

#[tokio::test]
async fn two_machines_on_one_redis_share_a_limit() {
    let Some(redis) = Redis::start(&[]).await else {
        return;
    };
    // So many at once that those who come later in the test hardly count.
    let limit = "rate: 60/m, burst: 400, key: global";
    let config = machine(&redis.address(), PATIENT, limit);
    let one = Portcullis::start(&config).await;
    let other = Portcullis::start(&config).await;
    let began = Instant::now();
    let loads = [Load::start(&one, 4).await, Load::start(&other, 4).await];
    for load in &loads {
        load.goes_on(400).await;
    }
    let mut passed = Vec::new();
    for load in loads {
        passed.push(load.end().await.0);
    }
    let most = 400.0 + began.elapsed().as_secs_f64();
    let sum = passed.iter().sum::<usize>() as f64;
    assert!(sum <= most, "{passed:?} of {most}");
    assert!(sum >= 0.95 * 400.0, "{passed:?} of {most}");
    // Neither has counted for itself.
    assert!(passed.iter().all(|passed| *passed < 400), "{passed:?}");
    for portcullis in [&one, &other] {
        let fallbacks = portcullis
            .metric("portcullis_shared_limit_fallbacks_total")
            .await;
        assert_eq!(fallbacks, 0.0);
        assert_eq!(reachable(portcullis).await, 1.0);
    }
    // What is known to be over the limit is not asked about.
    let answers = "portcullis_shared_limit_duration_seconds_count";
    let asked = one.metric(answers).await + other.metric(answers).await;
    assert!(asked < 700.0, "{asked} questions for {sum} that passed");
    let keys = redis.ask("KEYS *").await;
    assert!(keys.contains("portcullis:route/all/shared:"), "{keys}");
    assert!(!keys.contains("127.0.0.1"), "{keys}");
}

#[tokio::test]
async fn a_limit_lasts_over_reloads_and_another_redis_is_asked_after_one() {
    let (Some(first), Some(second)) = (Redis::start(&[]).await, Redis::start(&[]).await) else {
        return;
    };
    let limit = "rate: 60/h, burst: 3";
    let portcullis = Portcullis::start(&machine(&first.address(), PATIENT, limit)).await;
    let mut client = http1(portcullis.listener("http")).await;
    assert_eq!(status(&mut client, "/", &[]).await, 200);
    assert_eq!(status(&mut client, "/", &[]).await, 200);
    // Another rate and burst: two are used all the same.
    let changed = machine(&first.address(), PATIENT, "rate: 120/h, burst: 4");
    portcullis.apply(&changed).await;
    assert_eq!(status(&mut client, "/", &[]).await, 200);
    assert_eq!(status(&mut client, "/", &[]).await, 200);
    assert_eq!(status(&mut client, "/", &[]).await, 429);
    portcullis
        .apply(&machine(&second.address(), PATIENT, limit))
        .await;
    // Of who is known to be over the limit nobody is asked.
    assert_eq!(status(&mut client, "/", &[]).await, 429);
    let mut another = client_at(2, portcullis.listener("http")).await;
    eventually("the other Redis is asked", async || {
        status(&mut another, "/", &[]).await;
        !second.ask("KEYS *").await.starts_with("*0")
    })
    .await;
    eventually("the first one is left alone", async || {
        // The one that asks is its only client.
        first
            .ask("INFO clients")
            .await
            .contains("connected_clients:1\r")
    })
    .await;
}

#[tokio::test]
async fn nobody_notices_that_redis_is_killed_and_comes_back() {
    let Some(mut redis) = Redis::start(&[]).await else {
        return;
    };
    let limit = "rate: 10000000/s, key: global";
    let portcullis = Portcullis::start(&machine(&redis.address(), PATIENT, limit)).await;
    let load = Load::start(&portcullis, 8).await;
    load.goes_on(100).await;
    assert_eq!(said(&portcullis, "is away: "), 0, "{}", portcullis.stderr());
    redis.kill();
    portcullis.says("is away: ").await;
    load.goes_on(200).await;
    assert_eq!(reachable(&portcullis).await, 0.0);
    assert!(fallbacks(&portcullis, "away").await >= 100.0);
    redis.resume().await;
    portcullis.says("is back: ").await;
    let answered = "portcullis_shared_limit_duration_seconds_count";
    let before = portcullis.metric(answered).await;
    load.goes_on(100).await;
    assert!(portcullis.metric(answered).await > before);
    assert_eq!(reachable(&portcullis).await, 1.0);
    // Nobody was refused, and there was one word each.
    let (passed, _) = load.end().await;
    assert!(passed >= 400);
    for line in ["is away: ", "is back: "] {
        assert_eq!(said(&portcullis, line), 1, "{}", portcullis.stderr());
    }
}

/// How long answers took while Redis died, and while it said nothing more, both under load; the slowest last.
async fn answers_without_redis(redis: &mut Redis, portcullis: &Portcullis) -> Vec<Duration> {
    let load = Load::start(portcullis, 8).await;
    for dies in [true, false] {
        load.goes_on(100).await;
        match dies {
            true => redis.kill(),
            false => redis.freeze(),
        }
        eventually("it is away", async || reachable(portcullis).await == 0.0).await;
        load.goes_on(200).await;
        match dies {
            true => redis.resume().await,
            false => redis.thaw(),
        }
        eventually("it is back", async || reachable(portcullis).await == 1.0).await;
    }
    load.goes_on(100).await;
    load.end().await.1
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_answer_takes_longer_than_the_deadline_when_redis_goes() {
    const DEADLINE: Duration = Duration::from_millis(100);
    /// What else a debug build may need for a request, on a machine that runs other tests.
    const SLACK: Duration = Duration::from_secs(1);
    let Some(mut redis) = Redis::start(&[]).await else {
        return;
    };
    let limit = "rate: 10000000/s, key: global";
    let config = machine(&redis.address(), "timeout: 100ms", limit);
    let portcullis = Portcullis::start(&config).await;
    // A machine that stands still is somebody else's fault: it does not stand still three times.
    let mut rounds = Vec::new();
    for _ in 0..3 {
        let took = answers_without_redis(&mut redis, &portcullis).await;
        let of = |percent: usize| took[(took.len() - 1) * percent / 100];
        let (median, longest) = (of(50), of(100));
        let (count, p99) = (took.len(), of(99));
        eprintln!("{count} answers: median {median:?}, p99 {p99:?}, at most {longest:?}");
        if median < DEADLINE / 2 && longest < DEADLINE + SLACK {
            return;
        }
        rounds.push((median, p99, longest));
    }
    panic!("median, p99 and longest: {rounds:?}");
}

#[tokio::test]
async fn a_redis_that_has_died_is_noticed_without_a_request() {
    let Some(mut redis) = Redis::start(&[]).await else {
        return;
    };
    // An answer may take as long as it may at most: whoever waited for one would be seen.
    let config = machine(&redis.address(), PATIENT, "rate: 60/h, burst: 100");
    let portcullis = Portcullis::start(&config).await;
    for times in 1..=2 {
        eventually("its connection is kept", async || {
            // One is whose who asks for it.
            let clients = redis.ask("INFO clients").await;
            clients.contains("connected_clients:2\r")
        })
        .await;
        // A connection is there a moment before it was asked anything.
        eventually("it answers", async || reachable(&portcullis).await == 1.0).await;
        redis.kill();
        eventually("it is away", async || reachable(&portcullis).await == 0.0).await;
        // The metric tells it a moment before the log.
        eventually("it says so", async || {
            said(&portcullis, "is away: ") == times
        })
        .await;
        redis.resume().await;
        eventually("it is back", async || reachable(&portcullis).await == 1.0).await;
        eventually("it says so", async || {
            said(&portcullis, "is back: ") == times
        })
        .await;
    }
    // Nobody has asked until now: nobody was told that there was no answer.
    for cause in ["late", "failed", "away"] {
        assert_eq!(fallbacks(&portcullis, cause).await, 0.0, "{cause}");
    }
}

#[tokio::test]
async fn a_redis_that_says_nothing_any_more_is_waited_for_by_few() {
    let Some(redis) = Redis::start(&[]).await else {
        return;
    };
    // While it is away one of two machines lets half of it through.
    let limit = "rate: 60/h, burst: 40, key: path, while_away: 50";
    let config = machine(&redis.address(), "timeout: 200ms", limit);
    let portcullis = Portcullis::start(&config).await;
    let mut client = http1(portcullis.listener("http")).await;
    let mut ask = async |path: &str, times: usize| {
        let mut passed = 0;
        for _ in 0..times {
            passed += usize::from(status(&mut client, path, &[]).await == 200);
        }
        passed
    };
    assert_eq!(ask("/a", 10).await, 10);
    redis.freeze();
    let began = Instant::now();
    eventually("it is away", async || {
        ask("/b", 1).await;
        reachable(&portcullis).await == 0.0
    })
    .await;
    portcullis.says("is away: no answer within 200ms").await;
    assert!(began.elapsed() < Duration::from_secs(10));
    // Each of these would have waited 200 ms.
    let began = Instant::now();
    assert_eq!(ask("/c", 60).await, 20, "half of what may come at once");
    assert_eq!(ask("/a", 60).await, 10, "ten were had before");
    let took = began.elapsed();
    assert!(took < Duration::from_secs(6), "{took:?}");
    redis.thaw();
    portcullis.says("is back: ").await;
    assert_eq!(said(&portcullis, "is away: "), 1, "{}", portcullis.stderr());
    // An answer that is late on a busy machine is counted in both places.
    let whole = ask("/d", 60).await;
    assert!((38..=42).contains(&whole), "the whole limit: {whole}");
}

#[tokio::test]
async fn a_wrong_password_is_told_at_once_and_a_right_one_is_taken() {
    let Some(redis) = Redis::start(&["--requirepass", "open-sesame"]).await else {
        return;
    };
    let limit = "rate: 60/h, burst: 2";
    let with = |password: &str| machine(&redis.address(), password, limit);
    let portcullis = Portcullis::start(&with("timeout: 1s, password: shut-sesame")).await;
    // Nobody has asked yet.
    portcullis.says("is away: ").await;
    portcullis.says("Password authentication failed").await;
    assert_eq!(said(&portcullis, "sesame"), 0, "{}", portcullis.stderr());
    let mut client = http1(portcullis.listener("http")).await;
    assert_eq!(status(&mut client, "/", &[]).await, 200);
    let said = portcullis
        .apply(&with("timeout: 1s, password: open-sesame"))
        .await;
    assert!(!said.text.contains("sesame"), "{said:?}");
    eventually("it counts in Redis", async || {
        let count = "portcullis_shared_limit_duration_seconds_count";
        status(&mut client, "/", &[]).await;
        portcullis.metric(count).await > 0.0
    })
    .await;
}

#[tokio::test]
async fn a_stranger_in_the_place_of_redis_does_no_harm() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address").to_string();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut heard = [0; 1_024];
                while stream.read(&mut heard).await.is_ok_and(|read| read > 0) {
                    let nonsense = b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n";
                    if stream.write_all(nonsense).await.is_err() {
                        return;
                    }
                }
            });
        }
    });
    let limit = "rate: 60/h, burst: 30";
    let portcullis = Portcullis::start(&machine(&address, PATIENT, limit)).await;
    portcullis.says("is away: ").await;
    let mut client = http1(portcullis.listener("http")).await;
    let mut passed = 0;
    for _ in 0..40 {
        passed += usize::from(status(&mut client, "/", &[]).await == 200);
    }
    assert_eq!(passed, 30, "it counts for itself");
    assert_eq!(said(&portcullis, "is away: "), 1, "{}", portcullis.stderr());
}
