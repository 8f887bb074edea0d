//! Has a command said what the page shows?

use regex::Regex;

/// Whether it has: line for line, where `…` stands for the rest of a line or a part of it, and alone on a line for any
/// number of lines. White space at the ends of lines does not count.
pub fn is(said: &str, shown: &str) -> bool {
    let mut pattern = String::from("^");
    for line in shown.trim_end().lines() {
        if line.trim() == "…" {
            pattern.push_str("(?:[^\n]*\n)*?");
            continue;
        }
        let parts: Vec<String> = line.trim_end().split('…').map(regex::escape).collect();
        pattern.push_str(&parts.join("[^\n]*?"));
        pattern.push('\n');
    }
    pattern.push('$');
    let said: String = said
        .trim_end()
        .lines()
        .map(|line| format!("{}\n", line.trim_end()))
        .collect();
    Regex::new(&pattern).expect("a pattern").is_match(&said)
}

#[test]
fn an_ellipsis_stands_for_a_part_of_a_line_or_for_lines() {
    assert!(is("a\nb\n", "a\nb"));
    assert!(is("a 1.2\r\nb\n", "a …\nb\n"));
    assert!(is("a 12 ms\n", "a … ms"));
    assert!(is("a\nx\ny\nb", "a\n…\nb"));
    assert!(is("a\nb", "a\n…\nb"));
    assert!(is("a\nb\nc", "a\n…"));
    assert!(!is("a\nb", "a"));
    assert!(!is("ab", "a"));
    assert!(!is("a.b", "a?b"));
}
