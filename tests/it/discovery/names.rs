//! Does a pool follow host names: A and AAAA records, their TTLs, and the trouble with them?

use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use super::*;

/// With less patience, where a name server is silent.
fn soon(yaml: &str) -> String {
    yaml.replace("timeout: 2s", "timeout: 400ms")
}

#[tokio::test]
async fn requests_follow_a_name_to_its_new_address_when_its_time_is_over() {
    let dns = Dns::start().await;
    let (origins, port) = origins(&["127.0.0.2", "127.0.0.3"]).await;
    dns.says("app.test", Says::addresses(1, &["127.0.0.2"]));
    let yaml = site_of(&dns, &format!("\"app.test:{port}\""), "");
    let portcullis = Portcullis::start(&yaml).await;
    let address = portcullis.listener("http");
    assert_eq!(answers(address).await, "127.0.0.2");
    dns.says("app.test", Says::addresses(1, &["127.0.0.3"]));
    become_answered_by(&portcullis, &["127.0.0.3"]).await;
    let before = origins[0].journal().requests();
    for _ in 0..20 {
        assert_eq!(answers(address).await, "127.0.0.3");
    }
    assert_eq!(origins[0].journal().requests(), before);
    // The order of the records is of no account, and neither is one that is there twice.
    let both = ["127.0.0.3", "127.0.0.2", "127.0.0.3"];
    dns.says("app.test", Says::addresses(1, &both));
    become_answered_by(
        &portcullis,
        &["127.0.0.2", "127.0.0.2", "127.0.0.3", "127.0.0.3"],
    )
    .await;
    assert_eq!(portcullis.metric("portcullis_reloads_total").await, 0.0);
    let ok = "portcullis_resolver_lookups_total{result=\"ok\"}";
    assert!(portcullis.metric(ok).await >= 3.0);
}

#[tokio::test]
async fn a_silent_name_server_does_not_hold_up_the_start() {
    let dns = Dns::start().await;
    let (_origins, port) = origins(&["127.0.0.2"]).await;
    dns.says("app.test", Says::Silence);
    let yaml = soon(&site_of(&dns, &format!("\"app.test:{port}\""), ""));
    let portcullis = Portcullis::start(&yaml).await;
    assert_eq!(answers(portcullis.listener("http")).await, "503");
    portcullis
        .says("pool app: app.test can't be resolved: name server")
        .await;
    dns.says("app.test", Says::addresses(60, &["127.0.0.2"]));
    become_answered_by(&portcullis, &["127.0.0.2"]).await;
    portcullis
        .says("pool app: app.test is resolved again")
        .await;
    let failed = "portcullis_resolver_lookups_total{result=\"failed\"}";
    assert!(portcullis.metric(failed).await >= 1.0);
}

#[tokio::test]
async fn no_trouble_of_a_name_server_empties_a_pool() {
    let dns = Dns::start().await;
    let (_origins, port) = origins(&["127.0.0.2"]).await;
    let troubles = [
        Says::Failure,
        Says::NoSuchName,
        Says::Silence,
        Says::addresses(1, &[]),
        Says::addresses(1, &["0.0.0.0"]),
    ];
    let (mut routes, mut pools) = (String::new(), String::new());
    for number in 0..troubles.len() {
        dns.says(
            &format!("n{number}.test"),
            Says::addresses(0, &["127.0.0.2"]),
        );
        routes += &format!(
            "  - {{name: r{number}, match: {{paths: [{{exact: /{number}}}]}}, pool: p{number}}}\n"
        );
        pools += &format!(
            "  - {{name: p{number}, endpoints: [\"n{number}.test:{port}\"], resolve: 1s}}\n"
        );
    }
    let resolver = soon(&dns.resolver());
    let listener = "listeners: [{name: http, address: \"127.0.0.1:0\"}]\n";
    let yaml = format!("{resolver}{listener}routes:\n{routes}pools:\n{pools}");
    let portcullis = Portcullis::start(&yaml).await;
    let mut client = http1(portcullis.listener("http")).await;
    for (number, trouble) in troubles.into_iter().enumerate() {
        let path = format!("/{number}");
        eventually("it is resolved", async || {
            client.get(&path).await.status == 200
        })
        .await;
        dns.says(&format!("n{number}.test"), trouble);
    }
    for number in 0..5 {
        let name = format!("n{number}.test");
        portcullis.says(&format!("{name} can't be resolved")).await;
        let asked = dns.asked(&name, RecordType::A);
        eventually("it is tried again", async || {
            dns.asked(&name, RecordType::A) > asked
        })
        .await;
        assert_eq!(
            client.get(&format!("/{number}")).await.status,
            200,
            "{name}"
        );
    }
}

#[tokio::test]
async fn a_name_is_not_asked_for_more_often_than_once_a_second() {
    let dns = Dns::start().await;
    let (_origins, port) = origins(&["127.0.0.2"]).await;
    dns.says("app.test", Says::addresses(0, &["127.0.0.2"]));
    let yaml = site_of(&dns, &format!("\"app.test:{port}\""), "");
    let started = Instant::now();
    let _portcullis = Portcullis::start(&yaml).await;
    eventually("three look-ups", async || {
        dns.asked("app.test", RecordType::A) >= 3
    })
    .await;
    // Two pauses lie between three look-ups, however fast the machine is.
    assert!(
        started.elapsed() >= Duration::from_secs(2),
        "{:?}",
        started.elapsed()
    );
}

#[tokio::test]
async fn what_several_pools_want_is_asked_once_and_a_reload_does_not_ask_again() {
    let dns = Dns::start().await;
    let (_origins, port) = origins(&["127.0.0.2"]).await;
    dns.says("app.test", Says::addresses(600, &["127.0.0.2"]));
    let yaml = |pools: &str, more: &str| {
        format!(
            "{}listeners: [{{name: http, address: \"127.0.0.1:0\"}}]\n\
             routes: [{{name: all, pool: a}}]\npools: [{pools}]\n",
            dns.resolver().replace("attempts: 1", more)
        )
    };
    let pool =
        |name: &str| format!("{{name: {name}, endpoints: [\"app.test:{port}\"], resolve: 1h}}");
    let two = format!("{}, {}", pool("a"), pool("b"));
    let portcullis = Portcullis::start(&yaml(&two, "attempts: 1")).await;
    let three = format!("{two}, {}", pool("c"));
    portcullis.apply(&yaml(&three, "attempts: 1")).await;
    assert_eq!(answers(portcullis.listener("http")).await, "127.0.0.2");
    let lookups = "portcullis_resolver_lookups_total";
    assert_eq!(portcullis.metric(lookups).await, 1.0);
    // Who is asked in another way is asked at once.
    let said = portcullis.apply(&yaml(&three, "attempts: 2")).await;
    assert!(
        said.text.contains("resolver: changed: attempts 1 -> 2"),
        "{said:?}"
    );
    eventually("it is asked again", async || {
        dns.asked("app.test", RecordType::A) == 2
    })
    .await;
}

#[tokio::test]
async fn a_huge_answer_is_cut() {
    let dns = Dns::start().await;
    let addresses = (0..1_500_u16).map(|number| {
        let [high, low] = number.to_be_bytes();
        Ipv4Addr::new(127, 9, high, low).into()
    });
    dns.says("app.test", Says::Addresses(60, addresses.collect()));
    let portcullis = Portcullis::start(&site_of(&dns, "\"app.test:1\"", "")).await;
    let metrics = async || {
        Raw::connect(portcullis.admin())
            .await
            .get("/metrics")
            .await
            .text()
    };
    let series = "portcullis_upstream_in_flight{";
    let count = metrics()
        .await
        .lines()
        .filter(|line| line.starts_with(series))
        .count();
    assert_eq!(count, 1_000);
    // It does not fit into a datagram.
    assert!(dns.asked_over_tcp() >= 1);
    assert_eq!(answers(portcullis.listener("http")).await, "502");
}

#[tokio::test]
async fn what_does_not_fit_into_a_datagram_is_asked_over_tcp_and_an_alias_is_followed() {
    let dns = Dns::start().await;
    let (_origins, port) = origins(&["127.0.0.2"]).await;
    dns.truncates();
    dns.says("app.test", Says::Alias(60, "other.test"));
    dns.says("other.test", Says::addresses(60, &["127.0.0.2"]));
    let yaml = site_of(&dns, &format!("\"app.test:{port}\""), ", host: endpoint");
    let portcullis = Portcullis::start(&yaml).await;
    let answer = http1(portcullis.listener("http")).await.get("/echo").await;
    assert_eq!(answer.header("x-origin"), Some("127.0.0.2"));
    assert_eq!(answer.seen_header("host"), Some(format!("app.test:{port}")));
    assert!(dns.asked_over_tcp() >= 2);
}

#[tokio::test]
async fn a_name_server_that_is_away_is_passed_over() {
    let dns = Dns::start().await;
    let (_origins, port) = origins(&["127.0.0.2"]).await;
    dns.says("app.test", Says::addresses(60, &["127.0.0.2"]));
    let yaml = site_of(&dns, &format!("\"app.test:{port}\""), "");
    let silent = tokio::net::UdpSocket::bind("127.0.0.1:0")
        .await
        .expect("a socket");
    let silent = silent.local_addr().expect("bound");
    let both = format!("addresses: [\"{silent}\", ");
    let portcullis = Portcullis::start(&soon(&yaml).replace("addresses: [", &both)).await;
    assert_eq!(answers(portcullis.listener("http")).await, "127.0.0.2");
}

#[tokio::test]
async fn a_successor_knows_the_names_of_the_process_before_it() {
    let dns = Dns::start().await;
    let (_origins, port) = origins(&["127.0.0.2"]).await;
    dns.says("app.test", Says::addresses(600, &["127.0.0.2"]));
    let instances = vec![(0, 1, port, "app.test")];
    dns.says("_http._tcp.app.test", Says::Instances(600, instances));
    for endpoint in [&format!("app.test:{port}"), "srv:_http._tcp.app.test"] {
        let yaml = site_of(&dns, &format!("\"{endpoint}\""), ", resolve: 1h");
        let mut portcullis = Portcullis::start(&yaml).await;
        assert_eq!(answers(portcullis.listener("http")).await, "127.0.0.2");
        let before = dns.asked("app.test", RecordType::A);
        dns.says("app.test", Says::Failure);
        dns.says("_http._tcp.app.test", Says::Failure);
        let _former = portcullis.upgrade(&[]).await;
        assert_eq!(answers(portcullis.listener("http")).await, "127.0.0.2");
        assert!(before >= 1);
        dns.says("app.test", Says::addresses(600, &["127.0.0.2"]));
        let instances = vec![(0, 1, port, "app.test")];
        dns.says("_http._tcp.app.test", Says::Instances(600, instances));
    }
}

#[tokio::test]
async fn who_asks_for_a_pool_hears_which_names_are_not_resolved_and_what_became_of_their_addresses()
{
    let dns = Dns::start().await;
    let (_origins, port) = origins(&["127.0.0.2"]).await;
    dns.says("here.test", Says::addresses(1, &["127.0.0.2"]));
    dns.says("gone.test", Says::NoSuchName);
    let endpoints = format!("\"here.test:{port}\", \"gone.test:{port}\", \"gone.test:1\"");
    let portcullis = Portcullis::start(&site_of(&dns, &endpoints, ", resolve: 1s")).await;
    let told = async || {
        let mut raw = Raw::connect(portcullis.admin()).await;
        raw.get("/pools").await.json()["pools"][0].take()
    };
    let names = async || {
        let pool = told().await;
        let unresolved = pool["unresolved"].as_array().expect("a list").iter();
        let names = unresolved.map(|one| (one["name"].clone(), one["addresses"].clone()));
        names.collect::<Vec<_>>()
    };
    eventually("one name is told", async || {
        names().await == [("gone.test".into(), 0.into())]
    })
    .await;
    let gone = told().await["unresolved"][0].take();
    assert!(gone["failing_for"].as_f64() > Some(0.0), "{gone}");
    assert_eq!(gone["error"], "there is no address for it");
    assert_eq!(gone["partly"], false);
    let said = portcullis.run(&["status"]).await;
    assert!(
        said.text.contains("\n  gone.test can't be resolved for ")
            && said
                .text
                .contains(": there is no address for it; it has no address\n"),
        "{said:?}"
    );
    // What was resolved stays in use when it can't be any more.
    dns.says("here.test", Says::Failure);
    eventually("both names are told", async || {
        names().await
            == [
                ("gone.test".into(), 0.into()),
                ("here.test".into(), 1.into()),
            ]
    })
    .await;
    let said = portcullis.run(&["status"]).await;
    assert!(said.text.contains("; 1 address stays in use"), "{said:?}");
    assert!(
        said.text.contains(&format!("127.0.0.2:{port}  available")),
        "{said:?}"
    );
    for name in ["here.test", "gone.test"] {
        dns.says(name, Says::addresses(1, &["127.0.0.2"]));
    }
    eventually("no name is told", async || names().await.is_empty()).await;
}

#[tokio::test]
async fn a_pool_that_is_empty_because_of_its_names_says_so() {
    let dns = Dns::start().await;
    dns.says("app.test", Says::NoSuchName);
    let portcullis = Portcullis::start(&site_of(&dns, "\"app.test:80\"", "")).await;
    portcullis
        .says("pool app: app.test can't be resolved")
        .await;
    let said = portcullis.run(&["status", "--pool", "app"]).await;
    let lines: Vec<&str> = said.text.lines().collect();
    assert_eq!(lines[3], "  no endpoint", "{said:?}");
    assert!(
        lines[4].starts_with("  app.test can't be resolved for "),
        "{said:?}"
    );
}
