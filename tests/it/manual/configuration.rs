//! How does a part of a configuration become a whole one?

use regex::Regex;

/// What pages talk about unless they say otherwise.
const LISTENERS: &str = "\
listeners:
  - name: http
    address: \":8080\"
  - name: https
    address: \":8443\"
    tls: { certificates: [{ certificate: tls/fullchain.pem, key: tls/privkey.pem }] }
";

/// The configuration with the sections that it leaves out, which come behind it, so that its lines stay where they are.
pub fn whole(part: &str) -> String {
    let mut whole = part.to_owned();
    if !has(part, "listeners") {
        whole.push_str(LISTENERS);
    }
    if !has(part, "pools") {
        whole.push_str("pools:\n");
        let mut pools = pools_asked_for(part);
        if !has(part, "routes") {
            pools = vec!["app".to_owned()];
        }
        for (number, pool) in pools.iter().enumerate() {
            let network = number + 1;
            whole.push_str(&format!(
                "  - name: {pool}\n    endpoints: [10.{network}.0.1:8080, 10.{network}.0.2:8080]\n"
            ));
        }
        if pools.is_empty() {
            whole.truncate(whole.len() - "pools:\n".len());
        }
    }
    if !has(part, "routes") {
        whole.push_str("routes:\n");
        let pools = match has(part, "pools") {
            true => names_in(section(part, "pools")),
            false => vec!["app".to_owned()],
        };
        for (number, pool) in pools.iter().enumerate() {
            let matcher = match number {
                0 => String::new(),
                _ => format!("    match: {{ paths: [{{ prefix: /{pool} }}] }}\n"),
            };
            whole.push_str(&format!("  - name: {pool}\n{matcher}    pool: {pool}\n"));
        }
    }
    whole
}

fn has(text: &str, section: &str) -> bool {
    let begin = format!("{section}:");
    text.lines().any(|line| line.starts_with(&begin))
}

/// The lines of a section.
fn section<'a>(text: &'a str, name: &str) -> &'a str {
    let pattern = format!(r"(?m)^{name}:.*\n(?:(?:[ #-].*)?\n)*");
    let found = Regex::new(&pattern).expect("a pattern").find(text);
    found.map_or("", |found| found.as_str())
}

/// The names of a list's entries: those that stand least far to the right.
fn names_in(list: &str) -> Vec<String> {
    let pattern = Regex::new(r"(?m)^( *)- \{? ?name: ([\w-]+)").expect("a pattern");
    let found: Vec<(usize, &str)> = pattern
        .captures_iter(list)
        .map(|found| (found[1].len(), found.get(2).expect("a name").as_str()))
        .collect();
    let least = found.iter().map(|(indent, _)| *indent).min();
    let names = found
        .iter()
        .filter(|(indent, _)| Some(*indent) == least)
        .map(|(_, name)| (*name).to_owned());
    names.collect()
}

/// The pools that routes name, once each.
fn pools_asked_for(text: &str) -> Vec<String> {
    let pattern = Regex::new(r"(?m)\bpool: ([\w-]+)").expect("a pattern");
    let mut pools = Vec::new();
    for found in pattern.captures_iter(section(text, "routes")) {
        let pool = found[1].to_owned();
        if !pools.contains(&pool) {
            pools.push(pool);
        }
    }
    pools
}

#[test]
fn routes_get_their_pools_and_pools_their_routes() {
    let routes = "routes:\n  - name: a\n    pool: b\n  - { name: c, pool: d }\n";
    let found = whole(routes);
    assert!(found.starts_with(routes), "{found}");
    assert!(
        found.contains("  - name: b\n    endpoints: [10.1.0.1"),
        "{found}"
    );
    assert!(
        found.contains("  - name: d\n    endpoints: [10.2.0.1"),
        "{found}"
    );
    let pools = "pools:\n  - name: a\n    rate_limits:\n      - name: no\n  - { name: b }\n\ncache:\n  - name: no\n";
    let found = whole(pools);
    assert!(
        found.ends_with("routes:\n  - name: a\n    pool: a\n  - name: b\n    match: { paths: [{ prefix: /b }] }\n    pool: b\n"),
        "{found}"
    );
}
