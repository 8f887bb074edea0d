//! Does a cookie count after reloads, upgrades and restarts, and when its secret changes?

use super::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_stay_over_reloads_and_upgrades_and_with_a_secret_over_restarts() {
    for secret in ["", "secret: 0123456789abcdef0123456789abcdef"] {
        let origins = three_origins().await;
        let settings = format!("cookie: {{{secret}}}");
        let mut portcullis = Portcullis::start(&yaml(&origins, &settings)).await;
        let mut visitor = regular(&portcullis, "b").await;
        // In another order and with another weight they are the same endpoints.
        let mut turned: Vec<&Origin> = origins.iter().collect();
        turned.reverse();
        let endpoints: Vec<String> = turned
            .iter()
            .map(|origin| format!("{{address: \"{}\", weight: 7}}", address(origin)))
            .collect();
        let changed = format!(
            "listeners: [{{name: http, address: \"127.0.0.1:0\"}}]\nroutes: [{{name: all, pool: p}}]\n\
             pools: [{{name: p, endpoints: [{}], sticky: {{{settings}}}}}]\n",
            endpoints.join(", ")
        );
        portcullis.apply(&changed).await;
        let mut client = http1(portcullis.listener("http")).await;
        assert_eq!(visitor.visit(&mut client).await, "b");
        for _ in 0..2 {
            let mut former = portcullis.upgrade(&[]).await;
            assert_eq!(former.end().await.code(), Some(0));
            let mut client = http1(portcullis.listener("http")).await;
            assert_eq!(visitor.visit(&mut client).await, "b");
        }
        assert_eq!(visitor.set, 1);
        assert_eq!(portcullis.stop().await.code(), Some(0));
        portcullis.start_again().await;
        let mut client = http1(portcullis.listener("http")).await;
        let home = visitor.visit(&mut client).await;
        if secret.is_empty() {
            assert_eq!(visitor.set, 2, "a random secret ends with its process");
        } else {
            assert_eq!((home.as_str(), visitor.set), ("b", 1));
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_secret_in_a_file_is_read_anew_and_the_former_one_still_counts() {
    const FIRST: &str = "0123456789abcdef0123456789abcdef";
    const SECOND: &str = "fedcba9876543210fedcba9876543210";
    let origins = three_origins().await;
    let settings = |more: &str| {
        yaml(
            &origins,
            &format!("cookie: {{secret_file: secret.txt{more}}}"),
        )
    };
    let portcullis = Portcullis::builder(&settings(""))
        .file("secret.txt", format!("{FIRST}\n"))
        .start()
        .await;
    let mut visitor = regular(&portcullis, "c").await;
    portcullis.replace("secret.txt", SECOND);
    portcullis
        .apply(&settings(&format!(", previous_secret: {FIRST}")))
        .await;
    let mut client = http1(portcullis.listener("http")).await;
    assert_eq!(
        (visitor.visit(&mut client).await.as_str(), visitor.set),
        ("c", 2)
    );
    portcullis.apply(&settings("")).await;
    assert_eq!(
        (visitor.visit(&mut client).await.as_str(), visitor.set),
        ("c", 2)
    );
    // The file alone, too.
    portcullis.replace("secret.txt", FIRST);
    portcullis.apply(&settings("")).await;
    visitor.visit(&mut client).await;
    assert_eq!(visitor.set, 3);
    let printed = portcullis.run(&["print"]).await;
    assert!(
        printed.code == 0 && !printed.text.contains(FIRST),
        "{printed:?}"
    );
}
