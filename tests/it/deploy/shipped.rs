//! What is in `deploy/prometheus` and `deploy/grafana`?

use std::fs;

use regex::Regex;
use saphyr_parser::{Event, Parser, ScalarStyle};
use serde_json::{Map, Value};

use super::{path, text};

/// A query, and where it stands.
#[derive(Clone, Debug)]
pub struct Query {
    /// The file, and the panel, variable, alert or rule.
    pub place: String,
    /// In PromQL; a dashboard's variables are not replaced.
    pub expr: String,
    /// What a dashboard shows beside a line, as `{{route}}`.
    pub legend: String,
}

/// Every dashboard, with the name of its file.
pub fn dashboards() -> Vec<(String, Value)> {
    let files = fs::read_dir(path("grafana")).expect("a directory");
    let mut names: Vec<String> = files
        .filter_map(|file| file.expect("a file").file_name().into_string().ok())
        .filter(|name| name.ends_with(".json"))
        .collect();
    names.sort_unstable();
    let read = |name: String| {
        let text = text(&format!("grafana/{name}"));
        let dashboard =
            serde_json::from_str(&text).unwrap_or_else(|error| panic!("{name}: {error}"));
        (name, dashboard)
    };
    names.into_iter().map(read).collect()
}

/// A list in a JSON or YAML document; none there is an empty one.
pub fn list<'v>(value: &'v Value, key: &str) -> &'v [Value] {
    value[key].as_array().map_or(&[], Vec::as_slice)
}

/// A text in a JSON or YAML document; none there is an empty one.
pub fn word<'v>(value: &'v Value, key: &str) -> &'v str {
    value[key].as_str().unwrap_or_default()
}

/// The panels of a dashboard that show something, rows left out.
pub fn panels(dashboard: &Value) -> impl Iterator<Item = &Value> {
    let panels = list(dashboard, "panels").iter();
    panels.filter(|panel| word(panel, "type") != "row")
}

/// Every query of every dashboard: of panels and annotations.
pub fn dashboard_queries() -> Vec<Query> {
    let mut queries = Vec::new();
    for (file, dashboard) in dashboards() {
        for panel in panels(&dashboard) {
            for target in list(panel, "targets") {
                queries.push(Query {
                    place: format!(
                        "{file}, {}, {}",
                        word(panel, "title"),
                        word(target, "refId")
                    ),
                    expr: word(target, "expr").to_owned(),
                    legend: word(target, "legendFormat").to_owned(),
                });
            }
        }
        for annotation in list(&dashboard["annotations"], "list") {
            queries.push(Query {
                place: format!("{file}, annotation {}", word(annotation, "name")),
                expr: word(annotation, "expr").to_owned(),
                legend: String::new(),
            });
        }
    }
    queries
}

/// What every variable of every dashboard takes its choices from, as PromQL has it: `label_values` is Grafana's own.
pub fn variable_queries() -> Vec<Query> {
    let of_grafana = Regex::new(r"^label_values\((.+), (\w+)\)$").expect("a pattern");
    let mut queries = Vec::new();
    for (file, dashboard) in dashboards() {
        let variables = list(&dashboard["templating"], "list").iter();
        for variable in variables.filter(|variable| word(variable, "type") == "query") {
            let place = format!("{file}, ${}", word(variable, "name"));
            let asked = word(&variable["query"], "query");
            assert_eq!(word(variable, "definition"), asked, "{place}");
            let parts = of_grafana.captures(asked);
            let parts = parts.unwrap_or_else(|| panic!("{place}: {asked}"));
            queries.push(Query {
                expr: format!("count by ({}) ({})", &parts[2], &parts[1]),
                place,
                legend: String::new(),
            });
        }
    }
    queries
}

/// Every query of the table in the manual's guide.
pub fn guide_queries() -> Vec<Query> {
    let page = include_str!("../../../src/manual/guides/observability.md");
    let code = Regex::new("`([^`]+)`").expect("a pattern");
    let mut queries = Vec::new();
    for (number, line) in page.lines().enumerate() {
        for found in code.captures_iter(line).filter(|_| line.starts_with('|')) {
            let expr = found[1].replace("\\|", "|");
            if expr.contains("portcullis_") || expr.contains("process_") {
                queries.push(Query {
                    place: format!("observability.md:{}", number + 1),
                    expr,
                    legend: String::new(),
                });
            }
        }
    }
    assert!(queries.len() >= 12, "{queries:?}");
    queries
}

/// Every rule of a file.
pub fn rules(name: &str) -> Vec<Value> {
    let file = yaml(&text(&format!("prometheus/{name}")));
    let groups = list(&file, "groups").iter();
    groups
        .flat_map(|group| list(group, "rules").to_vec())
        .collect()
}

/// The queries of a file of rules; `key` is `record` or `alert`.
pub fn rule_queries(file: &str, key: &str) -> Vec<Query> {
    let query = |rule: &Value| Query {
        place: format!(
            "{file}, {} {}",
            word(rule, key),
            word(&rule["labels"], "window")
        ),
        expr: word(rule, "expr").to_owned(),
        legend: String::new(),
    };
    rules(file).iter().map(query).collect()
}

/// A YAML document without aliases and tags; every scalar is a text.
pub fn yaml(text: &str) -> Value {
    enum Open {
        List(Vec<Value>),
        Mapping(Map<String, Value>, Option<String>),
    }
    let mut open: Vec<Open> = Vec::new();
    let mut root = Value::Null;
    for event in Parser::new_from_str(text) {
        let done = match event.expect("YAML").0 {
            Event::SequenceStart(..) => {
                open.push(Open::List(Vec::new()));
                continue;
            }
            Event::MappingStart(..) => {
                open.push(Open::Mapping(Map::new(), None));
                continue;
            }
            Event::Scalar(text, ScalarStyle::Plain, ..) if text.is_empty() => Value::Null,
            Event::Scalar(text, ..) => Value::String(text.into_owned()),
            Event::SequenceEnd | Event::MappingEnd => match open.pop().expect("it was begun") {
                Open::List(list) => Value::Array(list),
                Open::Mapping(mapping, _) => Value::Object(mapping),
            },
            _ => continue,
        };
        match open.last_mut() {
            None => root = done,
            Some(Open::List(list)) => list.push(done),
            Some(Open::Mapping(mapping, key)) => match key.take() {
                None => *key = Some(done.as_str().expect("a key").to_owned()),
                Some(key) => _ = mapping.insert(key, done),
            },
        }
    }
    root
}
