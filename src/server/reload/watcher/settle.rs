//! When is a change of files complete?

use super::Seen;

/// When is a change complete? When two looks in a row see the same: a file that is being written, or the second of two
/// that belong together, is waited for.
#[derive(Clone, Debug)]
pub struct Settle {
    /// What was told last, or what it began with.
    told: Seen,
    /// The look before.
    last: Seen,
}

impl Settle {
    /// Waits for a change of what was `loaded`: seen before the files were read, so that what changes while they are
    /// read counts. A reload, whatever caused it, may bring other files; then it begins anew.
    pub fn new(loaded: Seen) -> Self {
        Self {
            told: loaded.clone(),
            last: loaded,
        }
    }

    /// Whether there is a complete change. Each is told once, also if what is in the files is then refused.
    pub fn look(&mut self, seen: Seen) -> bool {
        let calm = seen == self.last;
        self.last = seen;
        if !calm || self.last == self.told {
            return false;
        }
        self.told.clone_from(&self.last);
        true
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::path::PathBuf;

    use super::*;
    use crate::server::reload::watcher::seen::Found;

    /// A look that is equal to others with the same number.
    fn version(number: u64) -> Seen {
        let file = Found::File {
            device: 1,
            inode: 1,
            length: number,
            modified: 0,
            changed: 0,
        };
        Seen(BTreeMap::from([(PathBuf::from("a"), file)]))
    }

    /// What each look answers, after version 0 was loaded.
    fn answers(looks: &[u64]) -> Vec<bool> {
        let mut settle = Settle::new(version(0));
        looks
            .iter()
            .map(|number| settle.look(version(*number)))
            .collect()
    }

    #[test]
    fn a_change_is_told_when_two_looks_agree_and_only_once() {
        assert_eq!(answers(&[0, 0]), [false, false]);
        assert_eq!(answers(&[1, 1, 1, 1]), [false, true, false, false]);
        let two = [false, true, false, true];
        assert_eq!(answers(&[1, 1, 2, 2]), two);
        assert_eq!(answers(&[1, 1, 0, 0]), two, "back again is a change");
    }

    #[test]
    fn a_file_that_is_still_being_written_is_waited_for() {
        let looks = [1, 2, 3, 3, 3];
        assert_eq!(answers(&looks), [false, false, false, true, false]);
    }

    #[test]
    fn a_change_that_is_taken_back_before_it_settles_is_none() {
        assert_eq!(answers(&[1, 0, 0, 0]), [false; 4]);
        assert_eq!(answers(&[1, 1, 2, 1, 1])[2..], [false; 3]);
    }
}
