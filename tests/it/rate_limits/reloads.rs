//! What does a reload do to what was counted?

use std::time::{Duration, Instant};

use super::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_limit_holds_through_twenty_reloads() {
    let origin = origin().await;
    // Something else is different each time, so that each is a new generation.
    let config = |round: u32| {
        let limit = "{name: held, rate: 20/s, burst: 10}";
        limited(&origin, "", limit, "").replace(
            "respond: {}",
            &format!("respond: {{body: 'round {round}'}}"),
        )
    };
    let portcullis = Portcullis::start(&config(0)).await;
    let address = portcullis.listener("http");
    let asking = tokio::spawn(async move {
        let mut client = http1(address).await;
        let (started, mut passed, mut asked) = (Instant::now(), 0_u32, 0_u32);
        while started.elapsed() < Duration::from_secs(4) {
            asked += 1;
            match status(&mut client, "/own", &[]).await {
                200 => passed += 1,
                // A place becomes free each 50 ms: so often it asks that it misses none.
                429 => tokio::time::sleep(Duration::from_millis(2)).await,
                other => panic!("{other}"),
            }
        }
        (passed, asked, started.elapsed().as_secs_f64())
    });
    for round in 1..=20 {
        portcullis.apply(&config(round)).await;
    }
    let (passed, asked, seconds) = asking.await.expect("no panic");
    let most = 20.0 * seconds + 10.0;
    let passed = f64::from(passed);
    assert!(passed <= most, "{passed} of {asked} in {seconds} s");
    // Saturated, it is nearly as much: forgetting would give more, refusing too much less.
    assert!(passed >= 0.5 * most, "{passed} of {asked} in {seconds} s");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_rate_or_burst_keeps_what_was_used() {
    let origin = origin().await;
    let config = |rate: &str, burst: u32| {
        let limit = format!("{{name: held, rate: {rate}, burst: {burst}}}");
        limited(&origin, "", &limit, "")
    };
    let portcullis = Portcullis::start(&config("1/h", 5)).await;
    let mut client = http1(portcullis.listener("http")).await;
    for _ in 0..5 {
        assert_eq!(status(&mut client, "/own", &[]).await, 200);
    }
    assert_eq!(status(&mut client, "/own", &[]).await, 429);
    // Another rate: five are used all the same, and it takes less long until there is one more.
    portcullis.apply(&config("1/m", 5)).await;
    let answer = client.get("/own").await;
    assert_eq!(answer.status, 429);
    let wait: u32 = answer
        .header("retry-after")
        .expect("a time")
        .parse()
        .expect("seconds");
    assert!(wait <= 60, "{wait}");
    // A larger burst has room for the difference.
    portcullis.apply(&config("1/h", 7)).await;
    for expected in [200, 200, 429] {
        assert_eq!(status(&mut client, "/own", &[]).await, expected);
    }
    // A smaller one is used up.
    portcullis.apply(&config("1/h", 2)).await;
    let answer = client.get("/own").await;
    assert_eq!(answer.status, 429);
    let wait: u32 = answer
        .header("retry-after")
        .expect("a time")
        .parse()
        .expect("seconds");
    assert!(wait <= 3_600, "{wait}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_limit_that_goes_away_is_forgotten() {
    let origin = origin().await;
    let limit = "{name: held, rate: 1/h, burst: 1}";
    let portcullis = Portcullis::start(&limited(&origin, "", limit, "")).await;
    let mut client = http1(portcullis.listener("http")).await;
    assert_eq!(status(&mut client, "/own", &[]).await, 200);
    assert_eq!(status(&mut client, "/own", &[]).await, 429);
    portcullis.apply(&limited(&origin, "", "", "")).await;
    assert_eq!(status(&mut client, "/own", &[]).await, 200);
    eventually("its series are gone", async || {
        portcullis.metric("portcullis_rate_limit_total").await == 0.0
    })
    .await;
    portcullis.apply(&limited(&origin, "", limit, "")).await;
    assert_eq!(status(&mut client, "/own", &[]).await, 200);
}
