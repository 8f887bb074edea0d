//! Which of the requests that wait goes first?

/// How much a request is worth where not all can be served at once. It changes nothing for requests that need not wait,
/// and has nothing to do with the [priority of an endpoint](super::Endpoint::priority).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Priority {
    /// After all others.
    Low,
    /// What a request has that says nothing else.
    #[default]
    Normal,
    /// Before all others.
    High,
}

impl Priority {
    /// Every priority, in the order of their numbers.
    pub const ALL: [Self; 3] = [Self::Low, Self::Normal, Self::High];

    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Normal => "normal",
            Self::High => "high",
        }
    }

    /// The priority that this word stands for, in any case of its letters: `low`, `normal` or `high`.
    pub fn of_word(word: &[u8]) -> Option<Self> {
        let words = [
            (&b"low"[..], Self::Low),
            (b"normal", Self::Normal),
            (b"high", Self::High),
        ];
        let is_meant = |known: &&(&[u8], Self)| known.0.eq_ignore_ascii_case(word);
        words.iter().find(is_meant).map(|(_, priority)| *priority)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_a_priority_and_everything_else_is_none() {
        assert_eq!(Priority::of_word(b"high"), Some(Priority::High));
        assert_eq!(Priority::of_word(b"Low"), Some(Priority::Low));
        assert_eq!(Priority::of_word(b"NORMAL"), Some(Priority::default()));
        for other in [&b""[..], b"9", b"highest", b" high", b"\xff"] {
            assert_eq!(Priority::of_word(other), None);
        }
        assert!(Priority::High > Priority::Normal && Priority::Normal > Priority::Low);
    }
}
