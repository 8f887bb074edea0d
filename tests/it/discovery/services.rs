//! Does a pool follow SRV records: their ports, weights and priorities?

use super::*;

const SERVICE: &str = "_http._tcp.app.test";

#[tokio::test]
async fn srv_records_give_hosts_ports_weights_and_priorities() {
    let dns = Dns::start().await;
    let mut ports = Vec::new();
    let mut origins = Vec::new();
    for name in ["one", "two", "spare"] {
        let origin = Origin::builder()
            .name(name)
            .start()
            .await
            .expect("an origin");
        ports.push(origin.address().expect("TCP").port());
        origins.push(origin);
    }
    for host in ["one.test", "two.test", "spare.test"] {
        dns.says(host, Says::addresses(60, &["127.0.0.1"]));
    }
    let spare = (20, 0, ports[2], "spare.test");
    let all = vec![
        spare,
        (10, 1, ports[1], "two.test"),
        (10, 3, ports[0], "one.test"),
    ];
    dns.says(SERVICE, Says::Instances(1, all));
    let yaml = site_of(&dns, &format!("\"srv:{SERVICE}\""), ", host: endpoint");
    let portcullis = Portcullis::start(&yaml).await;
    let address = portcullis.listener("http");
    let mut counts = [0; 3];
    for _ in 0..16 {
        let by = answers(address).await;
        let place = ["one", "two", "spare"].iter().position(|name| *name == by);
        counts[place.expect("an origin")] += 1;
    }
    assert_eq!(counts, [12, 4, 0]);
    // The name that whoever follows the records would use.
    let mut hosts = Vec::new();
    for _ in 0..4 {
        let answer = http1(address).await.get("/echo").await;
        hosts.push(answer.seen_header("host").expect("a host"));
    }
    hosts.sort_unstable();
    hosts.dedup();
    let expected = [
        format!("one.test:{}", ports[0]),
        format!("two.test:{}", ports[1]),
    ];
    assert_eq!(hosts, expected);

    dns.says(SERVICE, Says::Instances(1, vec![spare]));
    become_answered_by(&portcullis, &["spare", "spare"]).await;
    // No such service at all any more (RFC 2782), which is no reason to have no endpoint.
    dns.says(SERVICE, Says::Instances(1, vec![(0, 0, 0, "")]));
    portcullis
        .says("srv:_http._tcp.app.test can't be resolved")
        .await;
    assert_eq!(answers(address).await, "spare");
}

#[tokio::test]
async fn an_instance_without_an_address_takes_nothing_from_the_others() {
    let dns = Dns::start().await;
    let (_origins, port) = origins(&["127.0.0.2", "127.0.0.3"]).await;
    dns.says("one.test", Says::addresses(1, &["127.0.0.2"]));
    dns.says("two.test", Says::Failure);
    let both = vec![(0, 1, port, "one.test"), (0, 1, port, "two.test")];
    dns.says(SERVICE, Says::Instances(1, both));
    let portcullis = Portcullis::start(&site_of(&dns, &format!("\"srv:{SERVICE}\""), "")).await;
    become_answered_by(&portcullis, &["127.0.0.2", "127.0.0.2"]).await;
    portcullis
        .says("can't be fully resolved: two.test: name server")
        .await;
    dns.says("two.test", Says::addresses(1, &["127.0.0.3"]));
    become_answered_by(&portcullis, &["127.0.0.2", "127.0.0.3"]).await;
    // And what was known about it is kept when it fails again.
    dns.says("two.test", Says::Failure);
    let asked = dns.asked("two.test", RecordType::A);
    eventually("it is asked twice more", async || {
        dns.asked("two.test", RecordType::A) >= asked + 2
    })
    .await;
    become_answered_by(&portcullis, &["127.0.0.2", "127.0.0.3"]).await;
}
