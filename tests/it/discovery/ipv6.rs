//! Do requests follow AAAA records as they follow A records?

use super::*;

#[tokio::test]
async fn a_name_leads_to_its_ipv6_address_alone_and_beside_an_ipv4_one() {
    if std::net::TcpListener::bind("[::1]:0").is_err() {
        eprintln!("skipped: this machine has no ::1");
        return;
    }
    let dns = Dns::start().await;
    let (origins, port) = origins(&["::1", "127.0.0.2"]).await;
    dns.says("app.test", Says::addresses(1, &["::1"]));
    let yaml = site_of(&dns, &format!("\"app.test:{port}\""), "");
    let portcullis = Portcullis::start(&yaml).await;
    let address = portcullis.listener("http");
    for _ in 0..3 {
        assert_eq!(answers(address).await, "::1");
    }
    let answer = http1(address).await.post("/echo", "a body").await;
    assert_eq!(
        (answer.status.as_u16(), answer.header("x-origin")),
        (200, Some("::1"))
    );
    assert!(dns.asked("app.test", RecordType::AAAA) >= 1);
    let line = portcullis.logged(|line| line["method"] == "POST").await;
    assert_eq!(line["endpoint"], format!("[::1]:{port}"), "{line}");
    assert_eq!(origins[1].journal().requests(), 0);

    dns.says("app.test", Says::addresses(1, &["::1", "127.0.0.2"]));
    become_answered_by(&portcullis, &["::1", "127.0.0.2", "::1", "127.0.0.2"]).await;
    dns.says("app.test", Says::addresses(1, &["127.0.0.2"]));
    become_answered_by(&portcullis, &["127.0.0.2"; 3]).await;
    let before = origins[0].journal().requests();
    for _ in 0..3 {
        assert_eq!(answers(address).await, "127.0.0.2");
    }
    assert_eq!(origins[0].journal().requests(), before);
}
