//! Where is the memory for this key?

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError, Weak};

/// Below this many keys nothing is swept.
const SMALL: usize = 64;

/// Values by key: made when first asked for, shared while anyone holds them, forgotten after that. Asked only when a
/// snapshot is compiled or a pool gets other members, never by a request.
#[derive(Debug)]
pub struct Registry<K, V> {
    known: Mutex<Known<K, V>>,
}

#[derive(Debug)]
struct Known<K, V> {
    values: HashMap<K, Weak<V>>,
    /// With how many keys it is swept before it grows.
    full: usize,
}

impl<K, V> Default for Registry<K, V> {
    fn default() -> Self {
        Self {
            known: Mutex::new(Known {
                values: HashMap::new(),
                full: SMALL,
            }),
        }
    }
}

impl<K: Eq + Hash, V> Registry<K, V> {
    /// The value for `key`, made by `make` if nobody holds one.
    ///
    /// Addresses come and go with the answers of name servers, without a reload: what nobody holds is forgotten when the
    /// keys have doubled. So there are never more than twice as many as were held at the last sweep, and each new key
    /// pays for a few looks.
    pub fn get_or_create(&self, key: K, make: impl FnOnce() -> V) -> Arc<V> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(value) = known.values.get(&key).and_then(Weak::upgrade) {
            return value;
        }
        if known.values.len() >= known.full {
            known.sweep();
        }
        let value = Arc::new(make());
        known.values.insert(key, Arc::downgrade(&value));
        value
    }

    /// What somebody holds now, in no order.
    pub fn held(&self) -> Vec<(K, Arc<V>)>
    where
        K: Clone,
    {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let held = known
            .values
            .iter()
            .filter_map(|(key, value)| Some((key.clone(), value.upgrade()?)));
        held.collect()
    }

    /// Forgets what nobody holds; called after a reload.
    pub fn forget_unused(&self) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.sweep();
    }
}

impl<K: Eq + Hash, V> Known<K, V> {
    fn sweep(&mut self) {
        // The `Weak` of a value nobody holds keeps its room.
        self.values.retain(|_, value| value.strong_count() > 0);
        self.full = self.values.len().saturating_mul(2).max(SMALL);
        self.values.shrink_to(self.full);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_shared_while_someone_holds_it_and_forgotten_after() {
        let registry = Registry::<&str, u32>::default();
        let first = registry.get_or_create("a", || 1);
        assert!(Arc::ptr_eq(&first, &registry.get_or_create("a", || 2)));
        drop(first);
        registry.forget_unused();
        assert_eq!(*registry.get_or_create("a", || 3), 3);
    }

    #[test]
    fn keys_that_come_and_go_do_not_gather() {
        let registry = Registry::<u32, u32>::default();
        let size = || registry.known.lock().expect("no panic").values.len();
        let stays: Vec<Arc<u32>> = (0..100)
            .map(|key| registry.get_or_create(key, || key))
            .collect();
        for key in 100..10_000 {
            registry.get_or_create(key, || key);
            assert!(size() <= 200, "{} with key {key}", size());
        }
        for (key, value) in (0..).zip(&stays) {
            assert!(Arc::ptr_eq(value, &registry.get_or_create(key, || 0)));
        }
        drop(stays);
        registry.forget_unused();
        assert_eq!(size(), 0);
        for key in 0..1_000 {
            registry.get_or_create(key, || key);
            assert!(size() <= SMALL, "{} with key {key}", size());
        }
    }

    #[test]
    fn only_what_somebody_holds_is_listed() {
        let registry = Registry::<&str, u32>::default();
        let first = registry.get_or_create("a", || 1);
        registry.get_or_create("b", || 2);
        let held = registry.held();
        assert_eq!(held.len(), 1);
        assert_eq!(held[0].0, "a");
        assert!(Arc::ptr_eq(&held[0].1, &first));
        drop((first, held));
        assert!(registry.held().is_empty());
    }
}
