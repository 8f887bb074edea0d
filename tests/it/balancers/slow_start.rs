//! Does an endpoint that a reload brings get its share little by little?

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::*;

const WINDOW: Duration = Duration::from_secs(3);

fn yaml(origins: &[&Origin]) -> String {
    format!(
        "listeners: [{{name: http, address: '127.0.0.1:0'}}]\n\
         routes: [{{name: all, pool: p}}]\n\
         pools: [{{name: p, endpoints: {}, slow_start: {}ms}}]\n",
        list(origins),
        WINDOW.as_millis()
    )
}

/// Of the answers within this part of the time after `start`, how many are from the new endpoint.
fn share(answered: &[Answered], start: Instant, part: std::ops::Range<f64>) -> f64 {
    let [from, to] = [part.start, part.end].map(|part| start + WINDOW.mul_f64(part));
    let within = answered
        .iter()
        .filter(|one| (from..to).contains(&one.asked));
    let all = within.clone().count();
    assert!(all > 50, "{all} answers are too few");
    within.filter(|one| one.by == "new").count() as f64 / all as f64
}

#[tokio::test]
async fn the_share_of_an_endpoint_that_joins_grows() {
    let (a, b, new) = (named("a").await, named("b").await, named("new").await);
    let portcullis = Portcullis::start(&yaml(&[&a, &b])).await;
    let proxy = portcullis.listener("http");

    // Those that were there from the beginning have their whole share.
    let mut client = http1(proxy).await;
    let mut names = Vec::new();
    for _ in 0..20 {
        names.push(answers(&mut client, "/").await);
    }
    assert_eq!(
        names.iter().filter(|name| *name == "a").count(),
        10,
        "{names:?}"
    );

    let ended = AtomicBool::new(false);
    let clients = async {
        let clients = (0..4).map(async |_| {
            let mut client = http1(proxy).await;
            let mut answered = Vec::new();
            while !ended.load(Ordering::Relaxed) {
                let asked = Instant::now();
                let by = answers(&mut client, "/").await;
                answered.push(Answered {
                    path: "/",
                    by,
                    asked,
                    answered: Instant::now(),
                });
            }
            answered
        });
        futures_util::future::join_all(clients).await
    };
    let joins = async {
        portcullis.apply(&yaml(&[&a, &b, &new])).await;
        let joined = Instant::now();
        tokio::time::sleep(WINDOW.mul_f64(1.3)).await;
        ended.store(true, Ordering::Relaxed);
        joined
    };
    let (answered, joined) = tokio::join!(clients, joins);
    let answered: Vec<Answered> = answered.into_iter().flatten().collect();
    let [first, last, after] =
        [0.0..0.2, 0.8..1.0, 1.05..1.3].map(|part| share(&answered, joined, part));
    assert!(first > 0.0, "{first} {last} {after}");
    assert!(first * 1.5 < last, "{first} {last} {after}");
    assert!((after - 1.0 / 3.0).abs() < 0.03, "{first} {last} {after}");
}
