//! Can the admin listener move while it is asked to?

use super::*;

fn with(admin: &str) -> String {
    config(&[HTTP], &[&says("hello", &[])], &[]) + &format!("admin: {{address: \"{admin}\"}}\n")
}

#[tokio::test]
async fn the_admin_listener_moves_and_the_one_who_asked_there_has_the_answer() {
    let (from, to) = (free_port(), free_port());
    let (from, to) = (format!("127.0.0.1:{from}"), format!("127.0.0.1:{to}"));
    let portcullis = Portcullis::start(&with(&from)).await;
    portcullis.configure(&with(&to));
    let answer = post(portcullis.admin(), "/reload", "").await;
    let changes = answer.json()["changes"].clone();
    assert_eq!(
        changes[0],
        format!("admin: changed: address {from} -> {to}")
    );
    assert_eq!(changes[1], format!("admin is listening on {to}"));
    eventually("the old one refuses", async || {
        is_refused(portcullis.admin()).await
    })
    .await;
    let mut new = http1(to.parse().expect("an address")).await;
    assert_eq!(new.get("/readyz").await.text(), "ready\n");
    assert!(
        new.get("/metrics")
            .await
            .text()
            .contains("portcullis_config_generation 2\n")
    );
    // And in place, from one address to all and back.
    let all = to.replace("127.0.0.1", "0.0.0.0");
    for (place, told) in [(&all, "127.0.0.2"), (&to, "127.0.0.1")] {
        portcullis.apply(&with(place)).await;
        let address = to.replace("127.0.0.1", told).parse().expect("an address");
        assert_eq!(http1(address).await.get("/livez").await.text(), "alive\n");
    }
}

#[tokio::test]
async fn it_can_be_switched_off_and_on_and_be_a_unix_socket() {
    let portcullis = Portcullis::start(&with("127.0.0.1:0")).await;
    let first = portcullis.admin();
    let said = portcullis.apply(&with("off")).await;
    assert!(said.has_line("admin is off"), "{said:?}");
    eventually("it refuses", async || is_refused(first).await).await;
    let said = portcullis.apply(&with("unix:@dir@/admin.sock")).await;
    let path = portcullis.directory().join("admin.sock");
    assert!(
        said.has_line(&format!("admin is listening on unix:{}", path.display())),
        "{said:?}"
    );
    assert_eq!(unix1(&path).await.get("/readyz").await.text(), "ready\n");
    let place = format!("unix:{}", path.display());
    assert_eq!(portcullis.run(&["reload", "--at", &place]).await.code, 0);
    portcullis.apply(&with("127.0.0.1:0")).await;
    assert!(!path.exists());
    assert_eq!(
        http1(portcullis.admin()).await.get("/readyz").await.text(),
        "ready\n"
    );
    assert_eq!(
        portcullis.metric("portcullis_config_generation ").await,
        4.0
    );
}
