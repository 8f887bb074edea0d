//! Does a backup wait until it is needed, and no longer?

use super::*;

#[tokio::test]
async fn a_backup_serves_while_the_others_have_no_room_and_gives_back() {
    both_carriers(async |carrier| {
        let (primary, second, backup) =
            (named("primary").await, named("second").await, named("backup").await);
        let yaml = format!(
            "listeners: [{{name: http, address: '127.0.0.1:0'}}]\n\
             routes: [{{name: all, pool: p}}]\n\
             pools: [{{name: p, endpoints: [{{address: '{}', backup: true}}, \
             {{address: '{}', priority: 1, max_requests: 1}}, {{address: '{}', max_requests: 1}}]}}]\n",
            address(&backup),
            address(&second),
            address(&primary),
        );
        let portcullis = Portcullis::builder(&yaml).carrier(carrier).start().await;
        let proxy = portcullis.listener("http");
        let mut client = http1(proxy).await;
        for _ in 0..5 {
            assert_eq!(answers(&mut client, "/").await, "primary");
        }
        let hold = || {
            tokio::spawn(async move {
                let mut client = http1(proxy).await;
                answers(&mut client, "/held").await
            })
        };
        // An answer is with its client a moment before its slot is free again.
        let serves_nobody = async |endpoint: &Origin| {
            let endpoint = address(endpoint);
            let labels = format!("{{endpoint=\"{endpoint}\",pool=\"p\"}}");
            let gauge = format!("portcullis_upstream_in_flight{labels}");
            eventually("the slot is free", async || portcullis.metric(&gauge).await == 0.0).await;
        };
        serves_nobody(&primary).await;
        let first = hold();
        arrived(&primary, 1).await;
        assert_eq!(answers(&mut client, "/").await, "second");
        serves_nobody(&second).await;
        let other = hold();
        arrived(&second, 1).await;
        for _ in 0..5 {
            assert_eq!(answers(&mut client, "/").await, "backup");
        }
        second.release();
        assert_eq!(other.await.expect("no panic"), "second");
        eventually("the second is asked again", async || {
            answers(&mut client, "/").await == "second"
        })
        .await;
        primary.release();
        assert_eq!(first.await.expect("no panic"), "primary");
        eventually("the primary is asked again", async || {
            answers(&mut client, "/").await == "primary"
        })
        .await;
        for _ in 0..5 {
            assert_eq!(answers(&mut client, "/").await, "primary");
        }
    })
    .await;
}
