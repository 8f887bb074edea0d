//! How is a regex of the configuration compiled and matched?

use regex::bytes::{Regex, RegexBuilder};
use std::cmp::{Ordering, Reverse};
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use super::pattern::InvalidPattern;

/// The memory one compiled regex may take, in bytes: thousands of routes may each bring one. With
/// ASCII classes only this is enough for hundreds of characters of pattern.
const SIZE_LIMIT: usize = 256 << 10;

/// A regex that must match the whole of a value, not a part of it.
///
/// Syntax of the `regex` crate without look-around and back-references, so matching takes time
/// linear in the value. Works on bytes: `\d`, `\w`, `.` and `(?i)` know ASCII only, since a normal
/// path is ASCII and a header may be no UTF-8. Equality, order and hash are those of the pattern as
/// written; the longer pattern is the smaller one. Cloning is cheap.
#[derive(Clone)]
pub struct WholeRegex(Arc<Compiled>);

struct Compiled {
    pattern: String,
    regex: Regex,
}

impl WholeRegex {
    /// Compiles `pattern`; at most 256 KiB when compiled.
    ///
    /// # Errors
    ///
    /// When the pattern is no regex or too large.
    pub fn new(pattern: &str) -> Result<Self, InvalidPattern> {
        // First on its own: `a)|(b` would become valid, and another regex, between the anchors.
        let regex = compile(pattern).and_then(|_| compile(&format!(r"\A(?:{pattern})\z")));
        match regex {
            Ok(regex) => Ok(Self(Arc::new(Compiled {
                pattern: pattern.to_owned(),
                regex,
            }))),
            Err(regex::Error::CompiledTooBig(_)) => Err(InvalidPattern::new(format!(
                "the regex `{pattern}` is too large: use smaller repetitions, or several routes"
            ))),
            Err(error) => Err(InvalidPattern::new(format!(
                "`{pattern}` is not a regex: {error}"
            ))),
        }
    }

    /// The pattern as written.
    pub fn as_str(&self) -> &str {
        &self.0.pattern
    }

    /// Whether the regex matches `value` from its first to its last byte.
    pub fn is_match(&self, value: &[u8]) -> bool {
        self.0.regex.is_match(value)
    }
}

fn compile(pattern: &str) -> Result<Regex, regex::Error> {
    RegexBuilder::new(pattern)
        .unicode(false)
        .size_limit(SIZE_LIMIT)
        .dfa_size_limit(SIZE_LIMIT)
        .build()
}

impl PartialEq for WholeRegex {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for WholeRegex {}

impl PartialOrd for WholeRegex {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for WholeRegex {
    fn cmp(&self, other: &Self) -> Ordering {
        let key = |regex: &Self| Reverse(regex.as_str().len());
        key(self)
            .cmp(&key(other))
            .then_with(|| self.as_str().cmp(other.as_str()))
    }
}

impl Hash for WholeRegex {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_str().hash(state);
    }
}

impl fmt::Debug for WholeRegex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "WholeRegex({:?})", self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_regex_matches_the_whole_value_or_not_at_all() {
        let regex = WholeRegex::new("/a|/ab").unwrap();
        assert!(regex.is_match(b"/ab"));
        assert!(!regex.is_match(b"/abc"));
        assert!(!regex.is_match(b"x/a"));
        assert!(!regex.is_match(b"/a\n"));
    }

    #[test]
    fn a_regex_works_on_bytes_that_are_no_utf8() {
        assert!(WholeRegex::new("a.b").unwrap().is_match(b"a\xFFb"));
        assert!(!WholeRegex::new(r"\w").unwrap().is_match("é".as_bytes()));
    }

    #[test]
    fn a_pattern_that_breaks_out_of_its_anchors_is_refused() {
        for pattern in ["a)|(b", "(?x) a # (", "(?x) a # )", "a)(?:b"] {
            assert!(WholeRegex::new(pattern).is_err(), "{pattern}");
        }
    }

    #[test]
    fn a_regex_that_would_take_much_memory_is_refused() {
        let error = WholeRegex::new("(?:a{1000}){1000}").unwrap_err();
        assert!(error.to_string().contains("too large"));
        let error = WholeRegex::new("a(").unwrap_err();
        assert!(error.to_string().contains("not a regex"));
    }
}
