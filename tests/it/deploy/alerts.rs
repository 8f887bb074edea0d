//! Is each alert explained, tested and worded so that somebody knows what to do?

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::Command;

use super::prometheus::is_installed;
use super::shipped::*;
use super::{path, text};

/// The names of all alerts.
fn alerts() -> BTreeSet<String> {
    let alerts = rules("alerts.yml");
    alerts
        .iter()
        .map(|alert| word(alert, "alert").to_owned())
        .collect()
}

#[test]
fn each_alert_has_its_paragraph_in_the_runbook_and_each_paragraph_its_alert() {
    let runbook = text("prometheus/runbook.md");
    let mut paragraphs = BTreeSet::new();
    for section in runbook.split("\n## ").skip(1) {
        let (name, body) = section.split_once('\n').expect("a paragraph");
        let words = body
            .split("\n# ")
            .next()
            .unwrap_or_default()
            .split_whitespace();
        assert!(words.count() >= 25, "{name}: nothing is said");
        assert!(paragraphs.insert(name.to_owned()), "{name}: twice");
    }
    assert_eq!(paragraphs, alerts());
}

#[test]
fn each_alert_says_how_urgent_it_is_what_is_wrong_and_where_to_read_on() {
    let mut seen = BTreeMap::new();
    for alert in rules("alerts.yml") {
        let name = word(&alert, "alert");
        let (labels, annotations) = (&alert["labels"], &alert["annotations"]);
        let severity = word(labels, "severity");
        assert!(
            ["critical", "warning"].contains(&severity),
            "{name}: {severity:?}"
        );
        assert!(!word(annotations, "summary").is_empty(), "{name}");
        let says = word(annotations, "description");
        // Nobody is there whose value could be told.
        assert!(
            says.contains("{{ $") || name == "PortcullisAbsent",
            "{name}: {says}"
        );
        let url = word(annotations, "runbook_url");
        let (base, anchor) = url.split_once('#').expect("an anchor");
        assert_eq!(base, "https://runbooks.example/portcullis", "{name}");
        assert_eq!(anchor, name.to_lowercase());
        let window = word(labels, "window").to_owned();
        let twice = seen.insert(
            (name.to_owned(), severity.to_owned(), window),
            says.to_owned(),
        );
        assert_eq!(twice, None, "{name}: two of a kind");
    }
}

#[test]
fn each_alert_fires_in_a_case_of_the_tests() {
    let mut fired = BTreeSet::new();
    for file in ["tests.yml", "tests-of-days.yml"] {
        let file = yaml(&text(&format!("prometheus/{file}")));
        let cases = list(&file, "tests").iter();
        for check in cases.flat_map(|case| list(case, "alert_rule_test")) {
            for expected in list(check, "exp_alerts") {
                let labels = &expected["exp_labels"];
                let name = word(check, "alertname");
                fired.insert((
                    name.to_owned(),
                    word(labels, "severity").to_owned(),
                    word(labels, "window").to_owned(),
                ));
            }
        }
    }
    for alert in rules("alerts.yml") {
        let labels = &alert["labels"];
        let [severity, window] = ["severity", "window"].map(|label| word(labels, label).to_owned());
        let name = word(&alert, "alert").to_owned();
        assert!(
            fired.contains(&(name, severity, window)),
            "never fires: {alert}"
        );
    }
}

/// Runs `promtool` in this directory.
fn promtool(directory: &Path, words: &[&str]) {
    let mut command = Command::new("promtool");
    let command = command.args(words).current_dir(directory);
    let output = command.output().expect("promtool");
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "promtool {words:?}:\n{said}");
}

#[test]
fn prometheus_takes_the_configuration_and_the_rules() {
    if is_installed() {
        let directory = path("prometheus");
        promtool(&directory, &["check", "config", "prometheus.yml"]);
        let strictly = ["check", "rules", "--lint=all", "--lint-fatal"];
        let strictly = [&strictly[..], &["rules.yml", "alerts.yml"]].concat();
        promtool(&directory, &strictly);
    }
}

#[test]
fn prometheus_takes_the_configuration_of_the_containers() {
    if is_installed() {
        // As compose.yaml mounts them.
        let directory = tempfile::tempdir().expect("a directory");
        let rules = directory.path().join("rules");
        fs::create_dir(&rules).expect("a directory");
        for file in ["rules.yml", "alerts.yml"] {
            fs::write(rules.join(file), text(&format!("prometheus/{file}"))).expect("a file");
        }
        let config = text("docker/prometheus.yml");
        fs::write(directory.path().join("docker.yml"), config).expect("a file");
        promtool(directory.path(), &["check", "config", "docker.yml"]);
    }
}

#[test]
fn each_alert_fires_on_what_provokes_it_and_on_nothing_calm() {
    if is_installed() {
        let tests = ["test", "rules", "tests.yml", "tests-of-days.yml"];
        promtool(&path("prometheus"), &tests);
    }
}
