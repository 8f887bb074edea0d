//! Where do requests go when endpoints fall ill, die and come back?

use std::os::unix::process::ExitStatusExt;

use super::*;

const FAST: &str = "path: /health, interval: 50ms, timeout: 5s, fall: 2, rise: 2";

#[tokio::test]
async fn an_endpoint_that_is_ill_gets_no_requests_until_it_has_recovered() {
    both_carriers(async |carrier| {
        let (well, ill) = (Patient::start("well").await, Patient::start("ill").await);
        let yaml = checked(&[well.address(), ill.address()], FAST);
        let portcullis = Portcullis::builder(&yaml).carrier(carrier).start().await;
        eventually("both are checked", async || {
            well.checks().len() > 1 && ill.checks().len() > 1
        })
        .await;
        assert!(answers(&portcullis, 4).await.contains(&"ill".to_owned()));
        ill.says(500, "");
        becomes(&portcullis, ill.address(), false).await;
        let served = ill.served();
        assert_eq!(answers(&portcullis, 20).await, ["well"; 20]);
        assert_eq!(ill.served(), served);
        // Both ill: there is nobody to ask.
        well.says(503, "");
        becomes(&portcullis, well.address(), false).await;
        assert_eq!(answers(&portcullis, 3).await, ["503"; 3]);
        ill.says(200, "");
        becomes(&portcullis, ill.address(), true).await;
        assert_eq!(answers(&portcullis, 3).await, ["ill"; 3]);
        let well_again = format!("pool p: endpoint {} is healthy", ill.address());
        portcullis.says(&well_again).await;
        let said = portcullis.stderr();
        let lines = |what: &str| {
            let line = format!("pool p: endpoint {} is {what}", ill.address());
            said.matches(&line).count()
        };
        assert_eq!((lines("unhealthy: status 500"), lines("healthy")), (1, 1));
        for to in ["unhealthy", "healthy"] {
            let series = format!(
                "portcullis_upstream_health_changes_total{{endpoint=\"{}\",pool=\"p\",to=\"{to}\"}}",
                ill.address()
            );
            assert_eq!(portcullis.metric(&series).await, 1.0, "{to}");
        }
    })
    .await;
}

#[tokio::test]
async fn when_all_are_ill_each_request_is_refused_at_once_and_told_when_to_come_again() {
    both_carriers(async |carrier| {
        let ill = [Patient::start("one").await, Patient::start("two").await];
        ill.iter().for_each(|one| one.says(500, ""));
        let yaml = checked(&ill.each_ref().map(Patient::address), FAST);
        let portcullis = Portcullis::builder(&yaml).carrier(carrier).start().await;
        for one in &ill {
            becomes(&portcullis, one.address(), false).await;
        }
        let served = || ill.iter().map(Patient::served).sum::<u64>();
        let before = served();
        at_once(&portcullis, async |path| {
            let mut client = http1(portcullis.listener("http")).await;
            let answer = match carrier {
                Carrier::Direct => client.get(path).await,
                Carrier::Duplex => client.post(path, "body").await,
            };
            assert_eq!(answer.status, 503, "{answer:?}");
            let seconds = answer.header("retry-after").expect("a time");
            assert!(seconds.parse::<u32>().is_ok_and(|seconds| seconds > 0));
        })
        .await;
        assert_eq!(served(), before);
    })
    .await;
}

#[tokio::test]
async fn it_takes_fall_failures_in_a_row_and_rise_successes_in_a_row() {
    let patient = Patient::start("a").await;
    let health = "path: /health, interval: 50ms, timeout: 5s, jitter: 0, fall: 5, rise: 7";
    let portcullis = Portcullis::start(&checked(&[patient.address()], health)).await;
    eventually("a first check", async || !patient.checks().is_empty()).await;
    let results = async || {
        let address = patient.address();
        (
            checks(&portcullis, address, "passed").await,
            checks(&portcullis, address, "failed").await,
        )
    };
    patient.says(500, "");
    becomes(&portcullis, patient.address(), false).await;
    let (passed, failed) = results().await;
    assert!(failed >= 5.0, "{failed}");
    patient.says(200, "");
    becomes(&portcullis, patient.address(), true).await;
    let more = results().await.0 - passed;
    assert!(more >= 7.0, "{more}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_the_death_of_one_of_three_is_known_no_request_fails() {
    // Nobody else has its port while it is away.
    let two = origin::Origin::builder().listen(format!("127.0.0.1:{}", free_port()));
    let two = two.start().await.expect("an origin");
    let (one, three) = (origin().await, origin().await);
    let addresses = [&one, &two, &three].map(|origin| origin.address().expect("TCP"));
    let health = "interval: 50ms, timeout: 5s, fall: 2, rise: 2";
    let portcullis = Portcullis::start(&checked(&addresses, health)).await;
    let kinds = [Kind::Keepalive, Kind::Fresh, Kind::Http2];
    let start = || {
        let ledger = Ledger::builder(portcullis.listener("http"));
        ledger.kinds(&kinds).start()
    };
    let clients = start();
    clients.settled().await;
    // Under load, in the middle of everything.
    drop(two);
    becomes(&portcullis, addresses[1], false).await;
    drop(clients);
    let clients = start();
    clients.settled().await;
    checked_again(&portcullis, addresses[1], 5.0).await;
    clients.stop().await.assert_clean();
    // It is back, and nobody notices but itself.
    let clients = start();
    let again = origin::Origin::builder().listen(addresses[1].to_string());
    let again = again.start().await.expect("its port");
    becomes(&portcullis, addresses[1], true).await;
    let asked = again.journal().requests();
    eventually("it serves", async || {
        again.journal().requests() > asked + 50
    })
    .await;
    clients.settled().await;
    clients.stop().await.assert_clean();
}

/// A Portcullis in front of the origin: to another one it is an endpoint that is a process, and can be killed as one. Nobody
/// else has its port when it is dead.
async fn process(origin: &origin::Origin) -> Portcullis {
    let yaml = site("", origin.address());
    let address = format!("127.0.0.1:{}", free_port());
    Portcullis::start(&yaml.replace("127.0.0.1:0", &address)).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_the_death_of_a_killed_process_is_known_no_request_fails_or_goes_there() {
    let origin = origin().await;
    let mut processes = [
        process(&origin).await,
        process(&origin).await,
        process(&origin).await,
    ];
    let addresses = processes.each_ref().map(|one| one.listener("http"));
    // Nothing is tried twice, so that no failure can hide.
    let settings = "retries: {limit: 0}, health: {interval: 50ms, timeout: 5s, fall: 2, rise: 2}";
    let portcullis = Portcullis::start(&with_pool(&addresses, settings)).await;
    let kinds = [Kind::Keepalive, Kind::Fresh, Kind::Http2];
    let start = || {
        let ledger = Ledger::builder(portcullis.listener("http"));
        ledger.kinds(&kinds).start()
    };
    let clients = start();
    clients.settled().await;
    processes[1].signal("KILL");
    assert_eq!(processes[1].end().await.signal(), Some(9));
    becomes(&portcullis, addresses[1], false).await;
    drop(clients);

    // What was under way when it became known is no longer.
    let series = |name: &str| format!("portcullis_upstream_{name}{{endpoint=\"{}\",", addresses[1]);
    eventually("nothing is there any more", async || {
        portcullis.metric(&series("in_flight")).await == 0.0
    })
    .await;
    let requests = series("requests_total");
    let before = portcullis.metric(&requests).await;
    assert!(before > 0.0, "it was in use");
    let clients = start();
    clients.settled().await;
    checked_again(&portcullis, addresses[1], 5.0).await;
    clients.stop().await.assert_clean();
    assert_eq!(portcullis.metric(&requests).await, before);
}

#[tokio::test]
async fn a_check_that_fails_everywhere_is_looked_past_below_the_threshold() {
    both_carriers(async |carrier| {
        let patients = [
            Patient::start("a").await,
            Patient::start("b").await,
            Patient::start("c").await,
        ];
        let addresses = patients.each_ref().map(Patient::address);
        let settings = format!("panic_threshold: 50, health: {{{FAST}}}");
        let yaml = with_pool(&addresses, &settings);
        let portcullis = Portcullis::builder(&yaml).carrier(carrier).start().await;
        let open = "portcullis_pool_fail_open{pool=\"p\"}";
        let names = |answers: Vec<String>| {
            let mut names = answers;
            names.sort();
            names.concat()
        };
        eventually("all are checked", async || {
            patients.iter().all(|patient| !patient.checks().is_empty())
        })
        .await;
        assert_eq!(names(answers(&portcullis, 9).await), "aaabbbccc");
        assert_eq!(portcullis.metric(open).await, 0.0);

        for patient in &patients {
            patient.says(500, "");
        }
        // While it becomes known, and after that, every request is served.
        eventually("none is healthy", async || {
            let answers = answers(&portcullis, 3).await;
            assert!(!answers.iter().any(|name| name.len() > 1), "{answers:?}");
            let mut ill = 0;
            for address in addresses {
                ill += u8::from(!is_healthy(&portcullis, address).await);
            }
            ill == 3
        })
        .await;
        assert_eq!(names(answers(&portcullis, 30).await).len(), 30);
        assert_eq!(portcullis.metric(open).await, 1.0);
        let line = "endpoints are healthy, less than 50 %: health is looked past";
        portcullis.says(line).await;
        assert_eq!(names(answers(&portcullis, 9).await), "aaabbbccc");

        // Two that say they are well are enough to heed it again.
        for patient in &patients[..2] {
            patient.says(200, "");
            becomes(&portcullis, patient.address(), true).await;
        }
        eventually("health counts again", async || {
            let answers = answers(&portcullis, 3).await;
            assert!(!answers.iter().any(|name| name.len() > 1), "{answers:?}");
            portcullis.metric(open).await == 0.0
        })
        .await;
        portcullis
            .says("pool p: 2 of 3 endpoints are healthy: health counts again")
            .await;
        assert_eq!(names(answers(&portcullis, 8).await), "aaaabbbb");
    })
    .await;
}

#[tokio::test]
async fn whether_health_is_looked_past_is_told_without_requests_as_well() {
    let patient = Patient::start("a").await;
    let settings = format!("panic_threshold: 50, health: {{{FAST}}}");
    let portcullis = Portcullis::start(&with_pool(&[patient.address()], &settings)).await;
    becomes(&portcullis, patient.address(), true).await;
    let open = "portcullis_pool_fail_open{pool=\"p\"}";
    for (status, healthy) in [(500, false), (200, true), (500, false)] {
        patient.says(status, "");
        becomes(&portcullis, patient.address(), healthy).await;
        assert_eq!(portcullis.metric(open).await, f64::from(u8::from(!healthy)));
    }
    assert_eq!(patient.served(), 0);
}

#[tokio::test]
async fn a_new_endpoint_is_what_the_configuration_says() {
    for (initial, in_use) in [("healthy", true), ("unhealthy", false), ("checking", false)] {
        let (old, new) = (Patient::start("old").await, Patient::start("new").await);
        let health =
            format!("path: /health, interval: 500ms, timeout: 3s, rise: 2, initial: {initial}");
        let portcullis = Portcullis::start(&checked(&[old.address()], &health)).await;
        becomes(&portcullis, old.address(), true).await;
        new.hangs();
        portcullis
            .apply(&checked(&[old.address(), new.address()], &health))
            .await;
        eventually("a first check", async || !new.checks().is_empty()).await;
        let served = answers(&portcullis, 4).await.contains(&"new".to_owned());
        assert_eq!(served, in_use, "{initial}");
        // The first check runs into its time-out, and was the only one that was needed.
        becomes(&portcullis, new.address(), false).await;
        new.says(200, "");
        becomes(&portcullis, new.address(), true).await;
        assert!(answers(&portcullis, 4).await.contains(&"new".to_owned()));
    }
}

#[tokio::test]
async fn a_start_waits_for_the_first_checks_of_endpoints_that_are_not_trusted_before_them() {
    let (well, ill) = (Patient::start("well").await, Patient::start("ill").await);
    ill.says(500, "");
    let health = "path: /health, initial: checking, interval: 10s";
    let portcullis = Portcullis::start(&checked(&[ill.address(), well.address()], health)).await;
    // Without a wait for anything.
    assert_eq!(answers(&portcullis, 10).await, ["well"; 10]);
}

#[tokio::test]
async fn the_first_failure_of_a_new_endpoint_is_enough() {
    let (well, ill) = (Patient::start("well").await, Patient::start("ill").await);
    ill.says(500, "");
    let health = "path: /health, interval: 1h, fall: 100";
    let portcullis = Portcullis::start(&checked(&[ill.address(), well.address()], health)).await;
    becomes(&portcullis, ill.address(), false).await;
    assert_eq!(answers(&portcullis, 10).await, ["well"; 10]);
    assert_eq!(ill.checks().len(), 1);
}

#[tokio::test]
async fn an_endpoint_that_is_ill_may_be_asked_more_often() {
    let patient = Patient::start("a").await;
    let health = "path: /health, interval: 1h, interval_down: 20ms, timeout: 1s, initial: checking";
    patient.says(500, "");
    let portcullis = Portcullis::start(&checked(&[patient.address()], health)).await;
    eventually("many checks", async || patient.checks().len() > 5).await;
    patient.says(200, "");
    becomes(&portcullis, patient.address(), true).await;
    assert_eq!(answers(&portcullis, 3).await, ["a"; 3]);
}
