//! What do very many keys do to a limit?

use super::*;

/// How many requests there are, each with a key of its own.
fn many() -> u32 {
    match std::env::var_os("CI") {
        Some(_) => 3_000,
        None => 6_000,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn random_keys_take_no_memory_and_free_nobody() {
    let origin = origin().await;
    let limit = "{name: keyed, rate: 1/h, burst: 3, key: header.X-Key, keys: 200}";
    let portcullis = Portcullis::start(&limited(&origin, "", limit, "")).await;
    let address = portcullis.listener("http");
    let mut greedy = http1(address).await;
    for expected in [200, 200, 200, 429] {
        let own = [("x-key", "greedy")];
        assert_eq!(status(&mut greedy, "/own", &own).await, expected);
    }
    let flood = async |first: u32, count: u32| {
        let mut client = http1(address).await;
        for number in first..first + count {
            // A connection is closed after many requests.
            if number % 1_000 == 0 {
                client = http1(address).await;
            }
            let key = format!("random-{}", number.wrapping_mul(0x9E37_79B9));
            let passed = status(&mut client, "/own", &[("x-key", &key)]).await;
            assert_eq!(passed, 200, "a new key is not refused");
        }
    };
    // Whatever the process needs for serving at all is there after the first of them.
    flood(0, many() / 4).await;
    let before = portcullis.rss();
    flood(many() / 4, many()).await;
    let after = portcullis.rss();
    let forgotten = portcullis
        .metric("portcullis_rate_limit_keys_forgotten_total")
        .await;
    eprintln!("{before} bytes before, {after} after; {forgotten} keys forgotten");
    assert!(forgotten > 1_000.0, "{forgotten}");
    assert!(
        after < before + (8 << 20),
        "{before} bytes before, {after} after"
    );
    assert_eq!(
        status(&mut greedy, "/own", &[("x-key", "greedy")]).await,
        429
    );
}
