//! Are never more served at once than may be: at each endpoint, over reloads, and in a storm?

use std::time::Duration;

use tokio::task::JoinSet;

use super::*;

#[tokio::test]
async fn each_endpoint_has_its_own_limit() {
    both_carriers(async |carrier| {
        let origins = [origin().await, origin().await];
        let [one, two] = origins.each_ref().map(|origin| origin.address().expect("TCP"));
        let yaml = format!(
            "listeners: [{{name: http, address: '127.0.0.1:0'}}]\nroutes: [{{name: all, pool: app}}]\n\
             pools: [{{name: app, limits: {{endpoint_requests: 1}}, \
             endpoints: ['{one}', {{address: '{two}', max_requests: 2}}]}}]\n"
        );
        let portcullis = Portcullis::builder(&yaml).carrier(carrier).start().await;
        let address = portcullis.listener("http");
        let mut asking: Vec<Asking> = (0..3).map(|_| ask(address, "/held")).collect();
        arrived(&origins[0], 1).await;
        arrived(&origins[1], 2).await;
        asking.push(ask(address, "/held"));
        waiting(&portcullis, 1).await;
        origins.iter().for_each(Origin::release);
        for one in asking {
            succeeds(one).await;
        }
        let most = origins.each_ref().map(|origin| origin.journal().most_in_flight());
        assert_eq!(most, [1, 2]);
    })
    .await;
}

#[tokio::test]
async fn a_reload_that_raises_the_limit_lets_in_who_waits() {
    both_carriers(async |carrier| {
        let origin = origin().await;
        let runtime = format!("runtime: {{carrier: {carrier}}}\n");
        let one = limited(&origin, "{requests: 1}") + &runtime;
        let portcullis = Portcullis::start(&one).await;
        let address = portcullis.listener("http");
        let mut asking: Vec<Asking> = vec![ask(address, "/held")];
        arrived(&origin, 1).await;
        asking.extend((0..4).map(|_| ask(address, "/held")));
        waiting(&portcullis, 4).await;

        portcullis
            .apply(&(limited(&origin, "{requests: 4}") + &runtime))
            .await;
        arrived(&origin, 4).await;
        waiting(&portcullis, 1).await;
        // Without any limit nobody waits any more.
        portcullis.apply(&(limited(&origin, "{}") + &runtime)).await;
        arrived(&origin, 5).await;
        // A lower one takes nothing away.
        portcullis.apply(&one).await;
        asking.push(ask(address, "/held"));
        waiting(&portcullis, 1).await;
        assert_eq!(origin.journal().most_in_flight(), 5);
        origin.release();
        for one in asking {
            succeeds(one).await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_storm_never_gets_past_the_limit_and_every_request_has_its_end() {
    both_carriers(async |carrier| {
        let origin = origin().await;
        let limits = |queue_timeout: &str| {
            let limits = format!("{{requests: 10, queue: 30, queue_timeout: {queue_timeout}}}");
            limited(&origin, &limits) + &format!("runtime: {{carrier: {carrier}}}\n")
        };
        let portcullis = Portcullis::start(&limits("300ms")).await;
        let address = portcullis.listener("http");
        let mut storm = JoinSet::new();
        for number in 0..50 {
            storm.spawn(async move {
                let mut ends = Vec::new();
                let mut client = match number % 2 {
                    0 => http1(address).await,
                    _ => http2(address).await,
                };
                for _ in 0..10 {
                    let answer = client.get("/delay/10").await;
                    if answer.closes() {
                        client = http1(address).await;
                    }
                    let reason = reason(&answer).to_owned();
                    ends.push((answer.status.as_u16(), reason));
                }
                ends
            });
        }
        let ends = in_time("the storm", storm.join_all()).await;
        let (mut served, mut refused) = (0, 0);
        for (status, reason) in ends.into_iter().flatten() {
            match (status, reason.as_str()) {
                (200, _) => served += 1,
                (503, "queue_full" | "queue_timeout") => refused += 1,
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(served + refused, 500);
        assert!(served > 0);
        assert!(
            origin.journal().most_in_flight() <= 10,
            "{:?}",
            origin.journal()
        );

        // Clients that leave, some of them while they wait: the origin may notice later than Portcullis.
        let mut leaving = JoinSet::new();
        for number in 0..50 {
            leaving.spawn(async move {
                let request = "GET /delay/20 HTTP/1.1\r\nHost: a.test\r\n\r\n";
                let raw = Raw::sent(address, request).await;
                // One after the other, each at another moment of its request.
                tokio::time::sleep(Duration::from_millis(number)).await;
                drop(raw);
            });
        }
        leaving.join_all().await;
        waiting(&portcullis, 0).await;
        eventually("every slot is free", async || {
            portcullis.metric("portcullis_upstream_in_flight").await == 0.0
        })
        .await;
        // What is left is the whole limit, and no more. Those that wait have time to be looked at.
        portcullis.apply(&limits("1m")).await;
        let held: Vec<Asking> = (0..12).map(|_| ask(address, "/held")).collect();
        waiting(&portcullis, 2).await;
        arrived(&origin, 10).await;
        origin.release();
        for one in held {
            succeeds(one).await;
        }
    })
    .await;
}
