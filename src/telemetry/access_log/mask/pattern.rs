//! Which names are meant by one in which `*` may stand?

use memchr::memmem;

/// A name in which `*` stands for anything.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    /// What stands before the first `*`, in small letters; all of it, if there is none.
    start: Box<[u8]>,
    rest: Option<Rest>,
    /// What every such name has: most names lack some of it, and need not be compared.
    pub(super) letters: u32,
}

/// What there is behind the first `*`.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Rest {
    /// What stands between each two `*`.
    middle: Box<[Box<[u8]>]>,
    /// What stands behind the last one.
    end: Box<[u8]>,
}

impl Pattern {
    /// Reads one.
    pub fn new(name: &str) -> Self {
        let name = name.to_ascii_lowercase();
        let letters = name
            .split('*')
            .fold(0, |all, part| all | letters(part.as_bytes()));
        let mut parts = name.split('*').map(|part| Box::from(part.as_bytes()));
        let start = parts.next().unwrap_or_default();
        let mut rest: Vec<Box<[u8]>> = parts.collect();
        let rest = rest.pop().map(|end| Rest {
            middle: rest.into_boxed_slice(),
            end,
        });
        Self {
            start,
            rest,
            letters,
        }
    }

    /// Whether `name`, in small letters, is such a name.
    pub fn is(&self, name: &[u8]) -> bool {
        let Some(Rest { middle, end }) = &self.rest else {
            return *name == *self.start;
        };
        let Some(name) = name.strip_prefix(&*self.start) else {
            return false;
        };
        let Some(mut name) = name.strip_suffix(&**end) else {
            return false;
        };
        // The first place that fits leaves most room for the others.
        middle.iter().all(|part| match memmem::find(name, part) {
            Some(at) => {
                name = &name[at + part.len()..];
                true
            }
            None => false,
        })
    }
}

/// The bytes that are there, as bits. Some share one.
pub(super) fn letters(name: &[u8]) -> u32 {
    name.iter().fold(0, |there, byte| there | 1 << (byte & 31))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_anything() {
        for (pattern, name, is) in [
            ("*", "", true),
            ("*", "a", true),
            ("a*", "a", true),
            ("a*a", "a", false),
            ("a*a", "aa", true),
            ("a*b*c", "a-b-c", true),
            ("a*b*c", "a-c", false),
            ("*ab*ab*", "xabab", true),
            ("*ab*ab*", "xabyb", false),
            ("**a**", "bab", true),
            ("a", "ab", false),
        ] {
            assert_eq!(
                Pattern::new(pattern).is(name.as_bytes()),
                is,
                "{pattern} {name}"
            );
        }
    }
}
