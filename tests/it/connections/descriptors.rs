//! What happens when no descriptor is left?

use tokio::net::TcpStream;

use super::*;

#[tokio::test]
async fn new_connections_wait_and_those_who_are_in_are_served() {
    let origin = origin().await;
    // Nothing but the descriptors limits them.
    let yaml = site("", origin.address()) + "overload: {connections: 0}\nruntime: {threads: 1}\n";
    let portcullis = Portcullis::builder(&yaml).descriptors(128).start().await;
    let address = portcullis.listener("http");
    let mut first = http1(address).await;
    let mut second = http2(address).await;
    assert_eq!(first.get("/").await.status, 200);
    assert_eq!(second.get("/").await.status, 200);
    let mut crowd = Vec::new();
    for _ in 0..200 {
        crowd.push(
            TcpStream::connect(address)
                .await
                .expect("the system takes it"),
        );
    }
    portcullis
        .says("hardly any of 128 descriptors is free")
        .await;
    let series = "portcullis_connections{listener=\"http\"}";
    let inside = {
        let before = portcullis.metric(series).await;
        assert!(before < 128.0, "{before}");
        before
    };
    // There is a reserve for them towards the endpoint, for scrapers and for a reload.
    for round in 0..20 {
        assert_eq!(first.get("/").await.status, 200, "{round}");
        assert_eq!(second.get("/").await.status, 200, "{round}");
    }
    assert!(portcullis.metric("portcullis_accept_pauses_total").await >= 1.0);
    let other = yaml.replace("name: all", "name: other");
    portcullis.apply(&other).await;
    assert!(portcullis.metric(series).await <= inside + 1.0);

    // Those who wait are taken when others go, in the order they came.
    let last = crowd.pop().expect("one of 200");
    crowd.drain(..150);
    let mut raw = is_served(Ok(last)).await.expect("it is taken in");
    assert_eq!(raw.get("/").await.status, 200);
    portcullis.says("descriptors are free again").await;
    assert_eq!(first.get("/").await.status, 200);
    let said = portcullis.stderr();
    let lines = said
        .lines()
        .filter(|line| line.contains("hardly any of"))
        .count();
    assert_eq!(lines, 1, "{said}");
    drop(crowd);
    let more = TcpStream::connect(address).await;
    assert!(is_served(more).await.is_some());
}
