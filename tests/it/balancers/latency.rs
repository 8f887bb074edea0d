//! What do the requests notice of one endpoint that answers 50 ms later than the others?

use std::cell::RefCell;
use std::time::Duration;

use super::*;

/// The pools, each under a path of its own: those with all three endpoints, and one without that which is slow.
const PATHS: [&str; 4] = ["/turn", "/least", "/peak", "/without"];
/// How much later the slow endpoint answers. It answers one request after the other, so no more than 20 in a second:
/// a third of a pool's requests is more than that.
const LATER: Duration = Duration::from_millis(50);
/// From one request to the next: each pool has 100 in a second, whatever becomes of the answers.
const PACE: Duration = Duration::from_micros(2500);
const REQUESTS: u32 = 1200;
/// What a busy machine may add to an answer: half of what the slow endpoint does.
const NOISE: Duration = Duration::from_millis(25);

/// Asks all pools in turn, so that whatever the machine does beside it happens to all of them.
async fn load(proxy: SocketAddr) -> Vec<Answered> {
    let start = Instant::now() + Duration::from_millis(100);
    let idle = RefCell::new(Vec::new());
    let requests = (0..REQUESTS).map(async |number| {
        tokio::time::sleep_until((start + PACE * number).into()).await;
        // A connection that nobody uses, or another: none waits for the answer of one before.
        let free = idle.borrow_mut().pop();
        let mut client = match free {
            Some(client) => client,
            None => http1(proxy).await,
        };
        let path = PATHS[number as usize % PATHS.len()];
        let asked = Instant::now();
        let by = answers(&mut client, path).await;
        let answered = Instant::now();
        idle.borrow_mut().push(client);
        Answered {
            path,
            by,
            asked,
            answered,
        }
    });
    futures_util::future::join_all(requests).await
}

/// The 99th percentile of a pool's answers, and how many of them came from the slow endpoint.
fn seen(answered: &[Answered], path: &str) -> (Duration, usize) {
    let of_path = answered.iter().filter(|one| one.path == path);
    let mut times: Vec<Duration> = of_path
        .clone()
        .map(|one| one.answered - one.asked)
        .collect();
    times.sort_unstable();
    let slow = of_path.filter(|one| one.by == "slow").count();
    (times[times.len() * 99 / 100], slow)
}

#[tokio::test]
async fn a_slow_endpoint_is_not_noticed_with_peak_ewma_and_hardly_with_least_requests() {
    let (a, b) = (named("a").await, named("b").await);
    let slow = async || {
        let slow = Origin::builder().name("slow").delay(LATER).serial();
        slow.start().await.expect("an origin")
    };
    // One for each pool: what waits there for one is not to delay the others.
    let slow = [slow().await, slow().await, slow().await];
    let [turn, least, peak] = slow.each_ref().map(|slow| list(&[&a, slow, &b]));
    let without = list(&[&a, &b]);
    let yaml = format!(
        "listeners: [{{name: http, address: '127.0.0.1:0'}}]\n\
         routes:\n\
         - {{name: turn, match: {{paths: [{{exact: /turn}}]}}, pool: turn}}\n\
         - {{name: least, match: {{paths: [{{exact: /least}}]}}, pool: least}}\n\
         - {{name: peak, match: {{paths: [{{exact: /peak}}]}}, pool: peak}}\n\
         - {{name: without, match: {{paths: [{{exact: /without}}]}}, pool: without}}\n\
         pools:\n\
         - {{name: turn, endpoints: {turn}}}\n\
         - {{name: least, endpoints: {least}, balancer: least_requests}}\n\
         - {{name: peak, endpoints: {peak}, balancer: peak_ewma}}\n\
         - {{name: without, endpoints: {without}, balancer: peak_ewma}}\n"
    );
    let portcullis = Portcullis::start(&yaml).await;
    let proxy = portcullis.listener("http");
    // Each endpoint opens its first connections, and is known from then on.
    let mut client = http1(proxy).await;
    for path in PATHS.repeat(6) {
        answers(&mut client, path).await;
    }
    let mut told = String::new();
    // A machine that is busy with something else may spoil some of them.
    for _ in 0..5 {
        let answered = load(proxy).await;
        let [turn, least, peak, without] = PATHS.map(|path| seen(&answered, path));
        told = format!("p99 and slow ones: {turn:?} {least:?} {peak:?}, without it {without:?}");
        eprintln!("{told}");
        // Of 300 answers of each pool, a third in turn, whatever the machine does: 100 in three seconds, and the last
        // of them after five.
        assert_eq!(turn.1, 100, "{told}");
        assert!(turn.0 >= Duration::from_secs(1), "{told}");
        // As fast as if there were only the fast ones, or as can be told on a machine that has other things to do.
        let fast_enough = peak.0 <= (without.0 * 2).max(NOISE);
        let clearly = peak.0 < turn.0 / 4 && least.0 < turn.0 / 2;
        let fewer = peak.1 <= 50 && least.1 <= 75;
        if fast_enough && clearly && fewer {
            return;
        }
    }
    panic!("{told}");
}
