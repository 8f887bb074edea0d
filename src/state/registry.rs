//! Where is the memory for this key?

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError, Weak};

/// Values by key: made when first asked for, shared while anyone holds them, forgotten after that. Asked only when a
/// snapshot is compiled, never by a request.
#[derive(Debug)]
pub struct Registry<K, V> {
    known: Mutex<HashMap<K, Weak<V>>>,
}

impl<K, V> Default for Registry<K, V> {
    fn default() -> Self {
        Self {
            known: Mutex::new(HashMap::new()),
        }
    }
}

impl<K: Eq + Hash, V> Registry<K, V> {
    /// The value for `key`, made by `make` if nobody holds one.
    pub fn get_or_create(&self, key: K, make: impl FnOnce() -> V) -> Arc<V> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(value) = known.get(&key).and_then(Weak::upgrade) {
            return value;
        }
        let value = Arc::new(make());
        known.insert(key, Arc::downgrade(&value));
        value
    }

    /// What somebody holds now, in no order.
    pub fn held(&self) -> Vec<(K, Arc<V>)>
    where
        K: Clone,
    {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let held = known
            .iter()
            .filter_map(|(key, value)| Some((key.clone(), value.upgrade()?)));
        held.collect()
    }

    /// Forgets what nobody holds; called after a reload.
    pub fn forget_unused(&self) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|_, value| value.strong_count() > 0);
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
