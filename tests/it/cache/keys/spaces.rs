//! Which routes find an answer, and does one find it that has another key by now?

use super::*;

#[tokio::test]
async fn routes_share_answers_only_where_they_share_a_space() {
    let origin = telling().await;
    let endpoint = origin.address().expect("an origin on TCP");
    let routes: String = ["one", "two"]
        .map(|listener| {
            format!(
                "  - {{name: own-{listener}, listeners: [{listener}], match: {{paths: [{{prefix: /own}}]}}, \
                 pool: origin, cache: {{}}}}\n\
                 \x20 - {{name: shared-{listener}, listeners: [{listener}], match: {{paths: [{{prefix: /shared}}]}}, \
                 pool: origin, cache: {{space: both}}}}\n\
                 \x20 - {{name: off-{listener}, listeners: [{listener}], match: {{paths: [{{prefix: /off}}]}}, \
                 pool: origin, cache: {{enabled: false, space: both}}}}\n"
            )
        })
        .concat();
    let yaml = format!(
        "listeners: [{{name: one, address: '127.0.0.1:0'}}, {{name: two, address: '127.0.0.1:0'}}]\n\
         pools: [{{name: origin, endpoints: ['{endpoint}']}}]\nroutes:\n{routes}"
    );
    let portcullis = Portcullis::start(&yaml).await;
    for _ in 0..2 {
        for listener in ["one", "two"] {
            for path in ["/own", "/shared", "/off"] {
                let answer = get(portcullis.listener(listener), "a.test", path, "").await;
                assert_eq!(answer.status, 200, "{path}");
                assert_eq!(
                    answer.header("cache-status").is_some(),
                    path != "/off",
                    "{path}"
                );
            }
        }
    }
    let counts = ["/own", "/shared", "/off"].map(|path| fetches(&origin, path));
    assert_eq!(counts, [2, 1, 4]);
}

/// After a reload with another key, what was stored by the former one is not taken for what it is not.
#[tokio::test]
async fn another_key_does_not_find_what_was_stored_by_the_former_one() {
    let origin = telling().await;
    let yaml = |key: &str| cached(&origin, &format!("{{key: {key}}}"));
    let by_country = yaml("{headers: [X-Country]}");
    let portcullis = Portcullis::start(&by_country).await;
    let address = portcullis.listener("http");
    let both = "X-Country: same\r\nX-User: same";
    let answer = get(address, "a.test", "/r", both).await;
    assert!(
        answer.text().contains("x-country=\"same\" x-user=\"same\""),
        "{answer:?}"
    );
    portcullis.apply(&yaml("{headers: [X-User]}")).await;
    let answer = get(address, "a.test", "/r", "X-User: same").await;
    assert!(!answer.text().contains("x-country"), "{answer:?}");
    portcullis.apply(&by_country).await;
    let answer = get(address, "a.test", "/r", "X-Country: same").await;
    assert!(is_hit(&answer), "{answer:?}");
}
