//! What do the requests notice of one endpoint that answers 50 ms later than the others?

use std::time::Duration;

use super::*;

/// The pools, each under a path of its own: those with all three endpoints, and one without that which is slow.
const PATHS: [&str; 4] = ["/turn", "/least", "/peak", "/without"];
const CLIENTS: u32 = 40;
/// How often each of them asks. Longer than any answer should take, so that the pace does not depend on the answers.
const PACE: Duration = Duration::from_millis(100);
const ROUNDS: u32 = 30;
/// What a busy machine may add to an answer: half of what the slow endpoint does.
const NOISE: Duration = Duration::from_millis(25);

/// Asks all pools in turn, so that whatever the machine does beside it happens to all of them.
async fn load(proxy: SocketAddr) -> Vec<Answered> {
    let start = Instant::now() + Duration::from_millis(100);
    let clients = (0..CLIENTS).map(async |number| {
        let mut client = http1(proxy).await;
        let mut answers_got = Vec::new();
        for round in 0..ROUNDS {
            let due = start + PACE * round + PACE / CLIENTS * number;
            tokio::time::sleep_until(due.into()).await;
            let path = PATHS[(number + round) as usize % PATHS.len()];
            let asked = Instant::now();
            let by = answers(&mut client, path).await;
            answers_got.push(Answered {
                path,
                by,
                asked,
                answered: Instant::now(),
            });
        }
        answers_got
    });
    futures_util::future::join_all(clients)
        .await
        .into_iter()
        .flatten()
        .collect()
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
async fn a_slow_endpoint_is_not_noticed_with_peak_ewma_and_gets_less_with_least_requests() {
    let (a, b) = (named("a").await, named("b").await);
    let slow = Origin::builder()
        .name("slow")
        .delay(Duration::from_millis(50));
    let slow = slow.start().await.expect("an origin");
    let (all, without) = (list(&[&a, &slow, &b]), list(&[&a, &b]));
    let yaml = format!(
        "listeners: [{{name: http, address: '127.0.0.1:0'}}]\n\
         routes:\n\
         - {{name: turn, match: {{paths: [{{exact: /turn}}]}}, pool: turn}}\n\
         - {{name: least, match: {{paths: [{{exact: /least}}]}}, pool: least}}\n\
         - {{name: peak, match: {{paths: [{{exact: /peak}}]}}, pool: peak}}\n\
         - {{name: without, match: {{paths: [{{exact: /without}}]}}, pool: without}}\n\
         pools:\n\
         - {{name: turn, endpoints: {all}}}\n\
         - {{name: least, endpoints: {all}, balancer: least_requests}}\n\
         - {{name: peak, endpoints: {all}, balancer: peak_ewma}}\n\
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
    // A machine that is busy with something else may spoil one of them.
    for _ in 0..3 {
        let answered = load(proxy).await;
        let [turn, least, peak, without] = PATHS.map(|path| seen(&answered, path));
        told = format!("p99 and slow ones: {turn:?} {least:?} {peak:?}, without it {without:?}");
        eprintln!("{told}");
        // Of 300 answers of each pool, a third in turn, whatever the machine does.
        assert_eq!(turn.1, 100, "{told}");
        assert!(turn.0 >= Duration::from_millis(50), "{told}");
        let fast_enough = peak.0 <= (without.0 * 2).max(NOISE);
        let fewer = peak.1 <= 50 && least.1 <= 75;
        // On a machine so busy that a fast answer takes as long as a slow one, no more can be seen than that.
        let clearly = without.0 > NOISE || (peak.0 < turn.0 * 2 / 3 && peak.1 <= 10);
        if fast_enough && fewer && clearly {
            return;
        }
    }
    panic!("{told}");
}
