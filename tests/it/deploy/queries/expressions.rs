//! What does an expression of PromQL name, and what does it compare? Read as far as these tests need it.

use std::sync::LazyLock;

use regex::{Captures, Regex};

/// What stands in a query in the place of a dashboard's variables, when a test asks it: everything, over four scrapes.
const VARIABLES: &[(&str, &str)] = &[
    ("$__rate_interval", "4s"),
    ("$job", ".+"),
    ("$instance", ".+"),
    ("$route", ".+"),
    ("$pool", ".+"),
];

/// A metric in an expression, and the labels by which it is chosen.
#[derive(Debug)]
pub struct Selector {
    /// Its name.
    pub metric: String,
    /// Their names.
    pub labels: Vec<String>,
}

static TEXTS: LazyLock<Regex> = LazyLock::new(|| regex(r#""(?:[^"\\]|\\.)*""#));
static GROUPINGS: LazyLock<Regex> =
    LazyLock::new(|| regex(r"\b(by|without|on|ignoring|group_left|group_right)\s*\(([^)]*)\)"));
static DURATIONS: LazyLock<Regex> = LazyLock::new(|| regex(r"\[[^\]]*\]"));
static WORDS: LazyLock<Regex> = LazyLock::new(|| regex(r"([\w:.]+)\s*(?:(\()|\{([^}]*)\})?"));
static LABEL: LazyLock<Regex> = LazyLock::new(|| regex(r"^\s*(\w+)\s*[=!]"));
static SHOWN: LazyLock<Regex> = LazyLock::new(|| regex(r"\{\{\s*(\w+)\s*\}\}"));
static SEPARATORS: LazyLock<Regex> = LazyLock::new(|| {
    regex(r"^(?:(?:and|or|unless)\b(?:\s*(?:on|ignoring)\s*\([^)]*\))?|[<>=!]=|[<>])")
});

const KEYWORDS: &[&str] = &["and", "or", "unless", "bool", "offset"];

fn regex(pattern: &str) -> Regex {
    Regex::new(pattern).expect("a pattern")
}

/// With a dashboard's variables replaced.
pub fn filled_in(expr: &str) -> String {
    let filled = VARIABLES
        .iter()
        .fold(expr.to_owned(), |expr, (name, value)| {
            expr.replace(name, value)
        });
    assert!(!filled.contains('$'), "a variable is not known: {expr}");
    filled
}

/// The labels that are named in `by (…)` and the like.
pub fn groupings(expr: &str) -> Vec<String> {
    let bare = TEXTS.replace_all(expr, "\"\"");
    let lists = GROUPINGS.captures_iter(&bare);
    lists
        .flat_map(|list| {
            list[2]
                .split(',')
                .map(|label| label.trim().to_owned())
                .collect::<Vec<_>>()
        })
        .filter(|label| !label.is_empty())
        .collect()
}

/// The labels that a legend shows.
pub fn shown(legend: &str) -> Vec<String> {
    SHOWN
        .captures_iter(legend)
        .map(|label| label[1].to_owned())
        .collect()
}

/// Every metric in an expression.
pub fn selectors(expr: &str) -> Vec<Selector> {
    let bare = TEXTS.replace_all(expr, "\"\"");
    let bare = GROUPINGS.replace_all(&bare, " ");
    let bare = DURATIONS.replace_all(&bare, "");
    WORDS
        .captures_iter(&bare)
        .filter_map(|word| selector(&word))
        .collect()
}

fn selector(word: &Captures<'_>) -> Option<Selector> {
    let (name, is_function) = (&word[1], word.get(2).is_some());
    let is_number = name.starts_with(|first: char| first.is_ascii_digit() || first == '.');
    if is_function || is_number || KEYWORDS.contains(&name) {
        return None;
    }
    let labels = word.get(3).map_or("", |labels| labels.as_str()).split(',');
    let labels = labels.filter(|label| !label.trim().is_empty());
    Some(Selector {
        metric: name.to_owned(),
        labels: labels
            .map(|label| LABEL.captures(label).unwrap_or_else(|| panic!("{label}"))[1].to_owned())
            .collect(),
    })
}

/// What an expression compares, or asks to be there as well: what must have data so that an alert can ever fire. What
/// stands in parentheses is not taken apart.
pub fn operands(expr: &str) -> Vec<String> {
    let (mut operands, mut own) = (Vec::new(), String::new());
    let (mut depth, mut quoted) = (0, false);
    let mut rest = expr;
    while let Some(next) = rest.chars().next() {
        let begins =
            !own.ends_with(|last: char| last.is_alphanumeric() || last == '_' || last == ':');
        let separator = SEPARATORS
            .find(rest)
            .filter(|found| begins || !found.as_str().starts_with(char::is_alphabetic));
        if let (0, false, Some(found)) = (depth, quoted, separator) {
            operands.push(std::mem::take(&mut own));
            rest = &rest[found.end()..];
            continue;
        }
        match next {
            '"' => quoted = !quoted,
            '(' | '{' | '[' if !quoted => depth += 1,
            ')' | '}' | ']' if !quoted => depth -= 1,
            _ => {}
        }
        own.push(next);
        rest = &rest[next.len_utf8()..];
    }
    operands.push(own);
    operands.retain(|operand| !selectors(operand).is_empty());
    operands
        .iter()
        .map(|operand| operand.trim().to_owned())
        .collect()
}

#[test]
fn an_expression_is_read_as_far_as_the_tests_need_it() {
    let expr = "sum by (job, le) (rate(a_total{code=\"5xx\",x=~\"a,b}\"}[5m])) / on (job) group_left (v) (b:c > 0) > 14.4 * 0.001\n\
                and on (job) d{e!=\"\"} >= 10 unless f";
    let found: Vec<_> = selectors(expr)
        .into_iter()
        .map(|selector| (selector.metric, selector.labels.join(" ")))
        .collect();
    let found: Vec<_> = found
        .iter()
        .map(|(metric, labels)| (metric.as_str(), labels.as_str()))
        .collect();
    assert_eq!(
        found,
        [("a_total", "code x"), ("b:c", ""), ("d", "e"), ("f", "")]
    );
    assert_eq!(groupings(expr), ["job", "le", "job", "v", "job"]);
    assert_eq!(
        operands(expr),
        [
            "sum by (job, le) (rate(a_total{code=\"5xx\",x=~\"a,b}\"}[5m])) / on (job) group_left (v) (b:c > 0)",
            "d{e!=\"\"}",
            "f"
        ]
    );
}
