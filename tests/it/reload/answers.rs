//! What does whoever asks for a reload hear?

use serde_json::{Value, json};

use super::*;

#[tokio::test]
async fn applied_tells_in_words_what_changed() {
    let before = config(
        &[HTTP, "{name: old, address: \"127.0.0.1:0\"}"],
        &[
            "{name: shop, match: {hosts: [shop.test]}, pool: a}",
            "{name: gone, match: {hosts: [gone.test]}, pool: a}",
        ],
        &[
            "{name: a, endpoints: [\"127.0.0.1:1\", \"127.0.0.1:2\"]}",
            "{name: b, endpoints: [\"127.0.0.1:1\"]}",
        ],
    );
    let after = config(
        &[HTTP, "{name: new, address: \"127.0.0.1:0\"}"],
        &[
            "{name: shop, match: {hosts: [shop.test]}, pool: c}",
            "{name: hello, match: {paths: [{exact: /hello}]}, pool: a}",
        ],
        &[
            "{name: a, endpoints: [{address: \"127.0.0.1:2\", weight: 5}, \"127.0.0.1:3\"]}",
            "{name: c, endpoints: [\"127.0.0.1:1\"]}",
        ],
    );
    let portcullis = Portcullis::start(&before).await;
    let old = portcullis.listener("old");
    let said = portcullis.apply(&after).await;
    let new = portcullis.listener("new");
    let mut lines = said.text.lines().map(str::trim);
    assert_eq!(lines.next(), Some("applied: generation 2"), "{said:?}");
    let expected = [
        "listener new: added".to_owned(),
        "listener old: removed".to_owned(),
        "route shop: changed: pool a -> c".to_owned(),
        "route hello: added".to_owned(),
        "route gone: removed".to_owned(),
        "pool a: changed: endpoints 127.0.0.1:3 added, 127.0.0.1:1 removed, weight of 127.0.0.1:2 1 -> 5"
            .to_owned(),
        "pool c: added".to_owned(),
        "pool b: removed".to_owned(),
        format!("listener new is listening on {new}"),
        format!("listener old is not listening on {old} any more"),
    ];
    assert_eq!(lines.collect::<Vec<_>>(), expected);
    assert_eq!(said.complaint, "");
}

#[tokio::test]
async fn what_means_the_same_is_unchanged() {
    let yaml = config(&[HTTP], &[&says("hello", &[])], &[]);
    let portcullis = Portcullis::start(&yaml).await;
    for same in [
        yaml.clone(),
        format!("# A comment.\nlog: {{level: info}}\n{yaml}"),
    ] {
        let said = portcullis.reload(&same).await;
        assert_eq!(
            (said.code, said.text.trim_end()),
            (0, "unchanged: generation 1 stays in force"),
            "{said:?}"
        );
    }
}

#[tokio::test]
async fn rejected_tells_everything_that_is_wrong_with_its_place() {
    let portcullis = Portcullis::builder(&config(&[HTTP], &[&says("hello", &[])], &[]))
        .file(
            "more.yaml",
            "pools:\n- {name: p, endpoints: [\"127.0.0.1:1\"], sort: random}\n",
        )
        .start()
        .await;
    let broken = "include: [more.yaml]\n".to_owned()
        + &config(
            &[HTTP],
            &[
                "{name: a, pool: nowhere}",
                "{name: b, match: {paths: [{regex: \"(\"}]}, pool: p}",
            ],
            &[],
        );
    let said = portcullis.rejected(&broken).await;
    assert!(
        said.has_line("rejected: generation 1 stays in force"),
        "{said:?}"
    );
    for place in [
        "more.yaml:2:41: error: pools[0]: unknown key \"sort\"",
        "portcullis.yaml:5:19: error: routes[a].pool: ",
        "portcullis.yaml:6:29: error: routes[b].match.paths[0]: ",
    ] {
        assert!(said.text.contains(place), "{place}: {said:?}");
    }
    let said = portcullis
        .rejected(&broken.replace("more.yaml", "missing.yaml"))
        .await;
    let missing = "portcullis.yaml:1:11: error: include: can't read missing.yaml: ";
    assert!(said.text.contains(missing), "{said:?}");
    assert_eq!(text(portcullis.listener("http")).await, "hello");
    // The log tells the same, a line for each.
    for text in [
        "reload by portcullis/",
        "more.yaml:2:41: error: ",
        "portcullis.yaml:6:29: error: ",
    ] {
        eventually("the log tells it", async || {
            let said = portcullis.stderr();
            let mut errors = said.lines().filter(|line| line.contains("ERROR"));
            errors.any(|line| line.contains(text))
        })
        .await;
    }
}

#[tokio::test]
async fn warnings_are_told_with_what_is_applied() {
    let portcullis = Portcullis::start(&config(&[HTTP], &[&says("hello", &[])], &[])).await;
    let yaml = config(&[HTTP], &[&says("hi", &[])], &[])
        + "forwarding: {trusted_proxies: [\"0.0.0.0/0\"]}\n";
    let said = portcullis.apply(&yaml).await;
    assert!(
        said.text.contains("portcullis.yaml:5:32: warning: "),
        "{said:?}"
    );
}

#[tokio::test]
async fn what_takes_a_new_process_is_named_and_nothing_is_applied() {
    let portcullis = Portcullis::start(
        &(config(&[HTTP], &[&says("before", &[])], &[]) + "runtime: {threads: 1}\n"),
    )
    .await;
    let after = config(&[HTTP], &[&says("after", &[])], &[]);
    let said = portcullis
        .reload(&(after + "runtime: {threads: 2, pid_file: \"@dir@/pid\", grace: 20s}\n"))
        .await;
    assert_eq!(said.code, 2, "{said:?}");
    let pid_file = portcullis.directory().join("pid").display().to_string();
    for line in [
        "needs upgrade: generation 1 stays in force, because these settings take a new process (`portcullis upgrade`)"
            .to_owned(),
        "runtime.threads: 1 is running, 2 is wanted".to_owned(),
        format!("runtime.pid_file: unset is running, {pid_file} is wanted"),
    ] {
        assert!(said.has_line(&line), "{line}: {said:?}");
    }
    assert!(!portcullis.directory().join("pid").exists());
    assert_eq!(text(portcullis.listener("http")).await, "before");
}

#[test]
fn without_a_running_process_it_says_so_with_3() {
    let builder = Portcullis::builder(&config(&[HTTP], &[&says("hello", &[])], &[]));
    for words in [
        &["reload"][..],
        &["drain"],
        &["reload", "--at", "127.0.0.1:1"],
        &["reload", "--at", "unix:/nowhere"],
        &["check", "--against", "127.0.0.1:1"],
    ] {
        let said = Said::from(builder.output(words));
        assert_eq!(said.code, 3, "{words:?}: {said:?}");
        assert!(
            said.complaint
                .starts_with("no running Portcullis was reached: "),
            "{words:?}: {said:?}"
        );
    }
}

#[tokio::test]
async fn over_the_admin_listener_the_answer_is_json() {
    let before = config(&[HTTP], &[&says("before", &[])], &[]);
    let portcullis = Portcullis::start(&before).await;
    let ask = async || {
        let answer = post(portcullis.admin(), "/reload", "").await;
        assert_eq!(answer.header("content-type"), Some("application/json"));
        (answer.status, answer.json())
    };
    let unchanged = json!({"result": "unchanged", "generation": 1});
    assert_eq!(ask().await, (200, unchanged));
    portcullis.configure(&config(&[HTTP], &[&says("after", &[])], &[]));
    let changes = ["route after: added", "route before: removed"];
    let applied = json!({"result": "applied", "generation": 2, "changes": changes});
    assert_eq!(ask().await, (200, applied));
    portcullis.configure("listeners: [{}]");
    let (status, answer) = ask().await;
    assert_eq!(status, 422);
    assert_eq!(
        (&answer["result"], &answer["generation"]),
        (&"rejected".into(), &2.into())
    );
    let diagnostics = answer["diagnostics"].as_array().expect("a list");
    let place = "portcullis.yaml:1:13: error: ";
    let mut said = diagnostics.iter().filter_map(Value::as_str);
    assert!(said.any(|said| said.starts_with(place)), "{answer}");
    portcullis.configure(&(before + "runtime: {threads: 5}\n"));
    let (status, answer) = ask().await;
    assert_eq!((status, &answer["result"]), (409, &"needs_upgrade".into()));
    let fields = answer["needs_upgrade"].as_array().expect("a list");
    assert!(
        fields[0]
            .as_str()
            .is_some_and(|field| field.starts_with("runtime.threads: "))
    );
}

#[tokio::test]
async fn browsers_and_other_methods_reload_nothing() {
    let portcullis = Portcullis::start(&config(&[HTTP], &[&says("before", &[])], &[])).await;
    portcullis.configure(&config(&[HTTP], &[&says("after", &[])], &[]));
    for path in ["/reload", "/drain", "/undrain", "/compare"] {
        let answer = post(portcullis.admin(), path, "Origin: http://evil.test\r\n").await;
        assert_eq!(answer.status, 403, "{path}: {answer:?}");
        let answer = Raw::connect(portcullis.admin()).await.get(path).await;
        assert_eq!(
            (answer.status, answer.header("allow")),
            (405, Some("POST")),
            "{path}"
        );
    }
    assert_eq!(portcullis.metric("portcullis_reloads_total").await, 0.0);
    assert_eq!(text(portcullis.listener("http")).await, "before");
}

#[tokio::test]
async fn sighup_reloads_and_the_log_tells_what_came_of_it() {
    let portcullis = Portcullis::start(&config(&[HTTP], &[&says("before", &[])], &[])).await;
    portcullis.configure(&config(&[HTTP], &[&says("after", &[])], &[]));
    portcullis.signal("HUP");
    let line = "reload by SIGHUP: applied: generation 2";
    eventually("the log tells it", async || {
        portcullis.stderr().contains(line)
    })
    .await;
    assert_eq!(text(portcullis.listener("http")).await, "after");
    portcullis.configure("nonsense: 1\n");
    portcullis.signal("HUP");
    let line = "portcullis.yaml:1:1: error: unknown key \"nonsense\"";
    eventually("the log tells it", async || {
        portcullis.stderr().contains(line)
    })
    .await;
    assert_eq!(text(portcullis.listener("http")).await, "after");
}

/// The control socket of a process.
fn control_socket(portcullis: &Portcullis) -> String {
    let found = glob::glob(&format!(
        "{}/run/**/control.sock",
        portcullis.directory().display()
    ));
    let mut found = found.expect("a pattern").filter_map(Result::ok);
    found.next().expect("a socket").display().to_string()
}

#[tokio::test]
async fn the_process_can_be_named_by_its_admin_listener_or_its_control_socket() {
    let portcullis = Portcullis::start(&config(&[HTTP], &[&says("g1", &[])], &[])).await;
    let admin = portcullis.admin();
    let places = [
        format!("{admin}"),
        format!("http://{admin}/"),
        format!("unix:{}", control_socket(&portcullis)),
    ];
    for (place, name) in places.iter().zip(["g2", "g3", "g4"]) {
        portcullis.configure(&config(&[HTTP], &[&says(name, &[])], &[]));
        let said = portcullis.run(&["reload", "--at", place]).await;
        assert!(
            said.code == 0 && said.has_line(&format!("route {name}: added")),
            "{said:?}"
        );
        assert_eq!(text(portcullis.listener("http")).await, name);
    }
}

#[tokio::test]
async fn the_process_is_found_although_the_new_configuration_is_broken() {
    let portcullis = Portcullis::start(&config(&[HTTP], &[&says("hello", &[])], &[])).await;
    for broken in ["", "nonsense: 1\n", "listeners: ["] {
        portcullis.rejected(broken).await;
    }
    // A file that is not there is told by the process as well.
    std::fs::remove_file(portcullis.directory().join("portcullis.yaml")).expect("removed");
    let said = portcullis.run(&["reload"]).await;
    assert!(
        said.code == 1 && said.text.contains("portcullis.yaml"),
        "{said:?}"
    );
    assert_eq!(text(portcullis.listener("http")).await, "hello");
}

#[tokio::test]
async fn a_directory_that_was_written_down_since_takes_a_new_process() {
    let yaml = config(&[HTTP], &[&says("hello", &[])], &[]);
    let portcullis = Portcullis::start(&yaml).await;
    let elsewhere = format!("{yaml}runtime: {{directory: \"@dir@/elsewhere\"}}\n");
    let said = portcullis.reload(&elsewhere).await;
    assert_eq!(said.code, 2, "{said:?}");
    assert!(
        said.text
            .contains("\n  runtime.directory: auto is running, "),
        "{said:?}"
    );
}

#[tokio::test]
async fn check_against_a_running_process_tells_what_a_reload_would_do_and_does_nothing() {
    let before =
        config(&[HTTP], &[&says("before", &[])], &[]) + "admin: {address: \"127.0.0.1:0\"}\n";
    let portcullis = Portcullis::start(&before).await;
    let admin = portcullis.admin().to_string();
    let check = async |yaml: &str| {
        portcullis.configure(yaml);
        let places = [
            admin.clone(),
            format!("unix:{}", control_socket(&portcullis)),
        ];
        let said = [
            portcullis.run(&["check", "--against", &places[0]]).await,
            portcullis.run(&["check", "--against", &places[1]]).await,
        ];
        let after = |said: &Said| {
            let lines = said
                .text
                .lines()
                .filter(|line| !line.starts_with("against "));
            lines.map(str::to_owned).collect::<Vec<_>>()
        };
        assert_eq!(after(&said[0]), after(&said[1]));
        let [said, _] = said;
        said
    };
    let said = check(&before).await;
    let same = "against generation 1: 0 changes".to_owned();
    assert!(said.code == 0 && said.has_line(&same), "{said:?}");
    let after = before.replace("before", "after");
    let said = check(&after).await;
    assert_eq!(said.code, 0, "{said:?}");
    for line in [
        "against generation 1: 2 changes".to_owned(),
        "route after: added".to_owned(),
        "route before: removed".to_owned(),
    ] {
        assert!(said.has_line(&line), "{line}: {said:?}");
    }
    let said = check(&(after + "runtime: {threads: 7}\n")).await;
    assert_eq!(said.code, 2, "{said:?}");
    assert!(
        said.text
            .contains("\n  runtime.threads: 0 is running, 7 is wanted"),
        "{said:?}"
    );
    let said = check("listeners: 3").await;
    assert_eq!(said.code, 1, "{said:?}");
    assert_eq!(portcullis.metric("portcullis_reloads_total").await, 0.0);
    assert_eq!(text(portcullis.listener("http")).await, "before");
}

#[tokio::test]
async fn drain_fails_readiness_over_reloads_until_it_is_taken_back() {
    let portcullis = Portcullis::start(&config(&[HTTP], &[&says("hello", &[])], &[])).await;
    let ready = async || Raw::connect(portcullis.admin()).await.get("/readyz").await;
    assert_eq!(portcullis.run(&["drain"]).await.code, 0);
    assert_eq!(
        (ready().await.status, ready().await.text().as_str()),
        (503, "drained\n")
    );
    portcullis
        .apply(&config(&[HTTP], &[&says("hi", &[])], &[]))
        .await;
    assert_eq!(ready().await.status, 503);
    assert_eq!(text(portcullis.listener("http")).await, "hi");
    assert_eq!(portcullis.run(&["drain", "--off"]).await.code, 0);
    assert_eq!(ready().await.status, 200);
}
