//! Does a pool follow a file of its own, which whatever knows the endpoints writes anew?

use super::*;

const WATCHED: &str = "listeners: [{name: http, address: \"127.0.0.1:0\"}]\n\
                       routes: [{name: all, pool: app}]\n\
                       include: [pools.yaml]\nruntime: {watch: 100ms}\n";

async fn named(name: &str) -> (Origin, String) {
    let origin = Origin::builder()
        .name(name)
        .start()
        .await
        .expect("an origin");
    let address = origin.address().expect("TCP");
    (
        origin,
        format!("pools: [{{name: app, endpoints: [\"{address}\"]}}]\n"),
    )
}

#[tokio::test]
async fn endpoints_follow_a_watched_file_and_a_broken_one_changes_nothing() {
    let ((_one, first), (_two, second), (_three, third)) =
        (named("one").await, named("two").await, named("three").await);
    let builder = Portcullis::builder(WATCHED).file("pools.yaml", first);
    let portcullis = builder.start().await;
    become_answered_by(&portcullis, &["one"]).await;
    // Renamed over the old one.
    portcullis.replace("pools.yaml", second);
    become_answered_by(&portcullis, &["two"]).await;
    // Half written.
    let rejected = "portcullis_reloads_total{result=\"rejected\"}";
    portcullis.replace("pools.yaml", "pools: [{name: app, endpo");
    eventually("it is refused", async || {
        portcullis.metric(rejected).await == 1.0
    })
    .await;
    assert_eq!(answers(portcullis.listener("http")).await, "two");
    // Written in place.
    let path = portcullis.directory().join("pools.yaml");
    std::fs::write(path, third).expect("a file");
    become_answered_by(&portcullis, &["three"]).await;
}
