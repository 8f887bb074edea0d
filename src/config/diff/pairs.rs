//! Which items of two lists are the same one?

use std::collections::HashMap;

/// Two lists, matched by the names of their items.
pub(super) struct Pairs<'l, T> {
    /// Each item of the new list, in its order, with what it was before; `None` for one that was added.
    pub now: Vec<(Option<&'l T>, &'l T)>,
    /// The items that are only in the old list, in its order.
    pub removed: Vec<&'l T>,
    /// Whether those in both follow one another in another order.
    pub reordered: bool,
}

/// Matches the items of two lists. A name stands once in each list; of those that stand twice, the last is the one that
/// is matched.
pub(super) fn pairs<'l, T>(
    old: &'l [T],
    new: &'l [T],
    name: impl Fn(&'l T) -> &'l str,
) -> Pairs<'l, T> {
    let mut before: HashMap<&str, usize> = old
        .iter()
        .enumerate()
        .map(|(index, item)| (name(item), index))
        .collect();
    let mut last = 0;
    let mut reordered = false;
    let now = new
        .iter()
        .map(|item| {
            let index = before.remove(name(item));
            if let Some(index) = index {
                reordered |= index < last;
                last = index;
            }
            (index.and_then(|index| old.get(index)), item)
        })
        .collect();
    let removed = old
        .iter()
        .filter(|item| before.contains_key(name(item)))
        .collect();
    Pairs {
        now,
        removed,
        reordered,
    }
}
