//! Where does a client go whose endpoint is drained, open, gone or full, and does it stay there?

use super::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_drained_endpoint_loses_its_clients_unless_they_may_follow() {
    both_carriers(async |carrier| {
        for follow in [false, true] {
            let origins = three_origins().await;
            let settings = format!("cookie: {{follow_drained: {follow}}}");
            let portcullis = Portcullis::builder(&yaml(&origins, &settings))
                .carrier(carrier)
                .start()
                .await;
            let mut client = http1(portcullis.listener("http")).await;
            let mut visitor = regular(&portcullis, "b").await;
            admin(
                &portcullis,
                &format!("/endpoints/drain?pool=p&endpoint={}", address(&origins[1])),
            )
            .await;
            let home = visitor.visit(&mut client).await;
            if follow {
                assert_eq!((home.as_str(), visitor.set), ("b", 1));
            } else {
                assert_ne!(home, "b");
                assert_eq!(visitor.set, 2);
            }
            for _ in 0..5 {
                assert_eq!(visitor.visit(&mut client).await, home);
                assert_ne!(
                    Visitor::default().visit(&mut client).await,
                    "b",
                    "nobody new goes there"
                );
            }
            admin(
                &portcullis,
                &format!(
                    "/endpoints/undrain?pool=p&endpoint={}",
                    address(&origins[1])
                ),
            )
            .await;
            assert_eq!(
                visitor.visit(&mut client).await,
                home,
                "it stays where it is now"
            );
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_finds_an_open_breaker_goes_elsewhere_and_stays_there() {
    both_carriers(async |carrier| {
        let origins = three_origins().await;
        let breaker = "breaker: {consecutive_failures: 2, open_for: 1h, max_open_for: 1h}";
        let yaml = yaml(&origins, "cookie: {}").replace("sticky:", &format!("{breaker}, sticky:"));
        let portcullis = Portcullis::builder(&yaml).carrier(carrier).start().await;
        let mut visitor = regular(&portcullis, "b").await;
        let mut client = http1(portcullis.listener("http")).await;
        for _ in 0..2 {
            let asked = request("GET", "/status/503").header("cookie", visitor.cookies());
            let answer = client.ask(asked.body(full("")).expect("a request")).await;
            assert_eq!(
                (answer.status.as_u16(), answer.header("x-origin")),
                (503, Some("b"))
            );
            visitor.keep(&answer);
        }
        let first = visitor.cookie.clone();
        assert_eq!(visitor.set, 1);
        let requests = origins[1].journal().requests();
        let home = visitor.visit(&mut client).await;
        assert_ne!(home, "b");
        assert_eq!(visitor.set, 2, "it has a new home");
        assert_ne!(visitor.cookie, first);
        for _ in 0..5 {
            assert_eq!(visitor.visit(&mut client).await, home);
            assert_ne!(Visitor::default().visit(&mut client).await, "b");
        }
        assert_eq!(visitor.set, 2);
        assert_eq!(origins[1].journal().requests(), requests);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_finds_the_endpoint_gone_after_a_reload_goes_elsewhere_and_stays_there() {
    both_carriers(async |carrier| {
        let origins = three_origins().await;
        let all = yaml(&origins, "cookie: {}") + &format!("runtime: {{carrier: {carrier}}}\n");
        let without_b = all.replace(&format!("\"{}\", ", address(&origins[1])), "");
        assert_ne!(without_b, all);
        let portcullis = Portcullis::start(&all).await;
        let mut client = http1(portcullis.listener("http")).await;
        let mut visitor = regular(&portcullis, "b").await;
        assert_eq!(visitor.visit(&mut client).await, "b");
        assert_eq!(visitor.set, 1);
        let first = visitor.cookie.clone();
        let requests = origins[1].journal().requests();

        portcullis.apply(&without_b).await;
        let home = visitor.visit(&mut client).await;
        assert_ne!(home, "b");
        assert_eq!(visitor.set, 2, "it has a new home");
        assert_ne!(visitor.cookie, first);
        for _ in 0..5 {
            assert_eq!(visitor.visit(&mut client).await, home);
        }
        assert_eq!(origins[1].journal().requests(), requests);
        portcullis.apply(&all).await;
        for _ in 0..5 {
            assert_eq!(visitor.visit(&mut client).await, home);
        }
        assert_eq!(visitor.set, 2, "it stays where it is now");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_finds_no_room_goes_elsewhere_this_once() {
    let origins = three_origins().await;
    let yaml = yaml(&origins, "cookie: {}");
    let address_of_b = format!("\"{}\"", address(&origins[1]));
    let limited = format!("{{address: {address_of_b}, max_requests: 1}}");
    let portcullis = Portcullis::start(&yaml.replace(&address_of_b, &limited)).await;
    let at = portcullis.listener("http");
    let mut visitor = regular(&portcullis, "b").await;
    let in_flight = format!(
        "portcullis_upstream_in_flight{{endpoint=\"{}\"",
        address(&origins[1])
    );
    // A place is given back after the answer.
    let has_room = async || {
        eventually("there is room", async || {
            portcullis.metric(&in_flight).await == 0.0
        })
        .await;
    };
    has_room().await;
    let asked = request("GET", "/held").header("cookie", visitor.cookies());
    let mut busy = http1(at).await;
    let held =
        tokio::spawn(async move { busy.ask(asked.body(full("")).expect("a request")).await });
    arrived(&origins[1], 1).await;
    let mut client = http1(at).await;
    for _ in 0..3 {
        assert_ne!(visitor.visit(&mut client).await, "b");
    }
    assert_eq!(visitor.set, 1, "it keeps its place");
    origins[1].release();
    assert_eq!(held.await.expect("an answer").header("x-origin"), Some("b"));
    has_room().await;
    assert_eq!(visitor.visit(&mut client).await, "b");
}
