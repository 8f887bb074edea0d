//! What stays of what was learnt, over reloads and upgrades?

use super::*;

/// Passed checks that make an ill endpoint healthy: more than any test waits for.
const NEVER: &str = "rise: 100000, interval: 50ms, timeout: 1s";

/// A site in which the second of two endpoints is known to be ill, although it passes its checks by now.
async fn one_recovering(well: &Patient, ill: &Patient) -> (Portcullis, String) {
    ill.says(500, "");
    let yaml = checked(
        &[well.address(), ill.address()],
        &format!("path: /health, {NEVER}"),
    );
    let portcullis = Portcullis::start(&yaml).await;
    becomes(&portcullis, ill.address(), false).await;
    becomes(&portcullis, well.address(), true).await;
    ill.says(200, "");
    let passed = async || checks(&portcullis, ill.address(), "passed").await >= 2.0;
    eventually("it passes", passed).await;
    assert!(!is_healthy(&portcullis, ill.address()).await);
    (portcullis, yaml)
}

#[tokio::test]
async fn a_reload_keeps_the_verdicts() {
    let (well, ill) = (Patient::start("well").await, Patient::start("ill").await);
    let (portcullis, yaml) = one_recovering(&well, &ill).await;
    let changed = [
        yaml.replace("listeners:", "log: {level: debug}\nlisteners:"),
        yaml.replace("interval: 50ms, timeout: 1s", "interval: 40ms, fall: 7"),
        yaml.replace("health: {", "slow_start: 1s, health: {initial: healthy, "),
        yaml.replace(
            &format!("\"{}\"", ill.address()),
            &format!("{{address: \"{}\", weight: 9}}", ill.address()),
        ),
    ];
    for yaml in changed {
        let checks = ill.checks().len();
        portcullis.apply(&yaml).await;
        assert_eq!(answers(&portcullis, 10).await, ["well"; 10]);
        // It is asked on.
        eventually("another check", async || ill.checks().len() > checks + 1).await;
        assert_eq!(answers(&portcullis, 10).await, ["well"; 10]);
    }
    assert_eq!(ill.served(), 0);
}

#[tokio::test]
async fn another_check_keeps_the_verdict_until_its_first_result() {
    let (well, ill) = (Patient::start("well").await, Patient::start("ill").await);
    let (portcullis, yaml) = one_recovering(&well, &ill).await;
    ill.hangs();
    let other = yaml.replace("path: /health,", "path: /health/other,");
    portcullis.apply(&other).await;
    let asked = |path: &str| ill.checks().iter().any(|head| head.contains(path));
    eventually("the other check", async || asked("/health/other ")).await;
    assert_eq!(answers(&portcullis, 10).await, ["well"; 10]);
    // The next one that is another again: one success is enough.
    ill.says(200, "");
    portcullis
        .apply(&yaml.replace("path: /health,", "path: /health/third,"))
        .await;
    becomes(&portcullis, ill.address(), true).await;
    assert!(answers(&portcullis, 4).await.contains(&"ill".to_owned()));
}

#[tokio::test]
async fn a_pool_without_checks_uses_every_endpoint_and_its_metrics_go() {
    let (well, ill) = (Patient::start("well").await, Patient::start("ill").await);
    let (portcullis, yaml) = one_recovering(&well, &ill).await;
    let start = yaml.find(", health").expect("checks");
    let unchecked = format!("{}}}]\n", &yaml[..start]);
    portcullis.apply(&unchecked).await;
    assert!(answers(&portcullis, 4).await.contains(&"ill".to_owned()));
    eventually("no checks", async || {
        portcullis.metric("portcullis_upstream_checks_total").await == 0.0
    })
    .await;
    let asked = ill.checks().len() + well.checks().len();
    portcullis.apply(&yaml).await;
    eventually("checks again", async || {
        ill.checks().len() + well.checks().len() > asked + 2
    })
    .await;
}

#[tokio::test]
async fn a_rejected_reload_changes_nothing_about_checks() {
    let (well, ill) = (Patient::start("well").await, Patient::start("ill").await);
    let (portcullis, yaml) = one_recovering(&well, &ill).await;
    portcullis
        .rejected(&yaml.replace("rise: 100000", "rise: 0"))
        .await;
    let checks = ill.checks().len();
    eventually("more checks", async || ill.checks().len() > checks + 1).await;
    assert_eq!(answers(&portcullis, 10).await, ["well"; 10]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_process_knows_the_verdicts_of_the_old_one() {
    let (well, ill) = (Patient::start("well").await, Patient::start("ill").await);
    let (mut portcullis, _) = one_recovering(&well, &ill).await;
    for _ in 0..2 {
        let mut former = portcullis.upgrade(&[]).await;
        // Until it has ended it may let a client in, whose first answer is then the last on its connection.
        assert_eq!(former.end().await.code(), Some(0));
        assert_eq!(answers(&portcullis, 10).await, ["well"; 10]);
        // For one that knew nothing, the first success would have been enough.
        let passed = async || checks(&portcullis, ill.address(), "passed").await >= 2.0;
        eventually("it is checked on", passed).await;
        assert_eq!(answers(&portcullis, 10).await, ["well"; 10]);
    }
    assert_eq!(ill.served(), 0);
}

#[tokio::test]
async fn an_endpoint_that_leaves_is_not_asked_any_more_and_one_that_comes_is_asked_at_once() {
    let (one, two) = (Patient::start("one").await, Patient::start("two").await);
    let portcullis =
        Portcullis::start(&checked(&[one.address()], "path: /health, interval: 1h")).await;
    becomes(&portcullis, one.address(), true).await;
    let health = "path: /health, interval: 50ms, timeout: 1s";
    portcullis.apply(&checked(&[two.address()], health)).await;
    // Also one whose next check was an hour away: the shorter interval holds from now on.
    eventually("checks", async || two.checks().len() > 3).await;
    assert_eq!(one.checks().len(), 1);
    portcullis
        .apply(&checked(&[one.address(), two.address()], health))
        .await;
    eventually("checks", async || one.checks().len() > 3).await;
}
