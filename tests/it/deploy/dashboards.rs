//! Can Grafana read the dashboards, and a human as well? There is no Grafana here: this is what it documents of its format.

use std::collections::HashSet;

use serde_json::Value;

use super::shipped::*;
use super::text;

/// The kinds of panels that Grafana has had since version 8, none of them on its way out.
const KINDS: &[&str] = &["heatmap", "stat", "state-timeline", "table", "timeseries"];

/// The schema of Grafana 11; it reads older ones as well.
const OLDEST_SCHEMA: u64 = 39;

fn number(value: &Value, key: &str) -> u64 {
    value[key]
        .as_u64()
        .unwrap_or_else(|| panic!("no number {key}: {value}"))
}

#[test]
fn each_dashboard_has_a_name_of_its_own_that_stays() {
    let mut seen = HashSet::new();
    for (file, dashboard) in dashboards() {
        let name = file.trim_end_matches(".json");
        assert_eq!(word(&dashboard, "uid"), format!("portcullis-{name}"));
        assert!(seen.insert(word(&dashboard, "title").to_owned()), "{file}");
        assert!(
            number(&dashboard, "schemaVersion") >= OLDEST_SCHEMA,
            "{file}"
        );
        assert!(
            dashboard.get("id").is_none(),
            "{file}: Grafana gives the id"
        );
        assert_eq!(list(&dashboard, "tags"), ["portcullis"], "{file}");
    }
    assert_eq!(seen.len(), 3);
}

#[test]
fn each_panel_says_what_it_shows_in_which_unit_and_what_good_looks_like() {
    for (file, dashboard) in dashboards() {
        let (mut ids, mut titles) = (HashSet::new(), HashSet::new());
        for panel in list(&dashboard, "panels") {
            assert!(ids.insert(number(panel, "id")), "{file}: {panel}");
            assert!(!word(panel, "title").is_empty(), "{file}: {panel}");
        }
        for panel in panels(&dashboard) {
            let title = word(panel, "title");
            let place = format!("{file}, {title}");
            assert!(titles.insert(title), "{place}: twice");
            assert!(
                KINDS.contains(&word(panel, "type")),
                "{place}: {}",
                panel["type"]
            );
            assert!(word(panel, "description").contains("Good: "), "{place}");
            let unit = word(&panel["fieldConfig"]["defaults"], "unit");
            assert!(!unit.is_empty(), "{place}");
            assert_eq!(
                word(&panel["datasource"], "uid"),
                "${datasource}",
                "{place}"
            );
            let mut letters = HashSet::new();
            for target in list(panel, "targets") {
                assert!(letters.insert(word(target, "refId")), "{place}");
                assert!(!word(target, "expr").is_empty(), "{place}");
                assert_eq!(
                    word(&target["datasource"], "uid"),
                    "${datasource}",
                    "{place}"
                );
            }
            assert!(!letters.is_empty(), "{place}: no query");
        }
    }
}

#[test]
fn no_panel_lies_over_another_or_beyond_the_edge() {
    for (file, dashboard) in dashboards() {
        let mut taken = HashSet::new();
        for panel in list(&dashboard, "panels") {
            let [x, y, width, height] =
                ["x", "y", "w", "h"].map(|key| number(&panel["gridPos"], key));
            assert!(
                width > 0 && height > 0 && x + width <= 24,
                "{file}: {}",
                panel["title"]
            );
            for column in x..x + width {
                for row in y..y + height {
                    assert!(taken.insert((column, row)), "{file}: {}", panel["title"]);
                }
            }
        }
    }
}

#[test]
fn every_variable_is_there_and_of_use() {
    for (file, dashboard) in dashboards() {
        let variables = list(&dashboard["templating"], "list").iter();
        let names: Vec<&str> = variables.map(|variable| word(variable, "name")).collect();
        assert_eq!(names[..3], ["datasource", "job", "instance"], "{file}");
        let text = dashboard.to_string();
        for name in &names {
            let used = text.contains(&format!("${name}")) || text.contains(&format!("${{{name}}}"));
            assert!(used, "{file}: ${name} is not used");
        }
        for panel in panels(&dashboard) {
            for target in list(panel, "targets") {
                for name in word(target, "expr").split('$').skip(1) {
                    let name: String = name
                        .chars()
                        .take_while(|&c| c == '_' || c.is_alphanumeric())
                        .collect();
                    let known = name == "__rate_interval" || names.contains(&name.as_str());
                    assert!(known, "{file}: there is no ${name}");
                }
            }
        }
    }
}

#[test]
fn what_grafana_is_provisioned_with_names_what_is_there() {
    let datasources = yaml(&text("grafana/provisioning/datasources/prometheus.yml"));
    let sources = list(&datasources, "datasources");
    assert_eq!(sources.len(), 1);
    assert_eq!(word(&sources[0], "type"), "prometheus");
    let prometheus = yaml(&text("prometheus/prometheus.yml"));
    // Else $__rate_interval would be shorter than what `rate` needs.
    assert_eq!(
        word(&sources[0]["jsonData"], "timeInterval"),
        word(&prometheus["global"], "scrape_interval")
    );
    let providers = yaml(&text("grafana/provisioning/dashboards/portcullis.yml"));
    assert_eq!(word(&list(&providers, "providers")[0], "type"), "file");
}
