//! When does a body that is on disk come into memory?
//!
//! When it is asked for a second time: what a crawler asks for once does not drive out what is there. It is read behind the
//! answers, which go on being read from the disk until it is there.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::cache::disk::DiskBody;
use crate::cache::key::hash;
use crate::cache::{Body, Cache, Chunks, Object, Stored};

/// What is larger than this is read from the disk each time.
const LARGEST: u64 = 8 * 1024 * 1024;

/// How much is read at once.
const AT_ONCE: usize = 256 * 1024;

/// How many objects are remembered that were asked for.
const SEEN: usize = 1024;

/// What was asked for lately, by a part of its hash; a place has one object, the last.
static ASKED: [AtomicU64; SEEN] = [const { AtomicU64::new(0) }; SEEN];

/// Whether this is the second time; once it is, not again until the place was another's.
fn is_due(hash: u128) -> bool {
    let place = &ASKED[(hash >> 64) as usize % SEEN];
    // The last bit says that it was due before.
    let (once, due) = (hash as u64 & !1, hash as u64 | 1);
    match place.load(Ordering::Relaxed) {
        before if before == once => {
            place.store(due, Ordering::Relaxed);
            true
        }
        before if before == due => false,
        _ => {
            place.store(once, Ordering::Relaxed);
            false
        }
    }
}

/// Brings an object that is read from the disk into memory, if it is worth it and there is room.
pub fn consider(cache: &Arc<Cache>, object: &Arc<Object>) {
    let Body::Disk(body) = &object.body else {
        return;
    };
    let hash = hash(&object.key);
    if body.len() <= LARGEST.min(cache.memory.largest()) && is_due(hash) {
        let (cache, object, body) = (Arc::clone(cache), Arc::clone(object), body.clone());
        tokio::spawn(async move { promote(&cache, hash, &object, &body).await });
    }
}

async fn promote(cache: &Cache, hash: u128, object: &Object, body: &DiskBody) -> Option<()> {
    // A purge may look through memory before this is there.
    let _begun = cache.purges.begin();
    let mut room = cache.room(body.len())?;
    let (mut pieces, mut at) = (Vec::new(), 0);
    while at < body.len() {
        let piece = body.read(at, AT_ONCE).await.ok()?;
        if piece.is_empty() {
            return None;
        }
        at += piece.len() as u64;
        pieces.push(room.counted(piece));
    }
    let disk = cache.disk()?;
    if cache.memory.get(hash).is_some() || !disk.might_have(hash) {
        // There is another by now, or it was invalidated.
        return None;
    }
    let object = Object {
        key: object.key.clone(),
        head: object.head.clone(),
        body: Body::Memory(Chunks::new(pieces)),
    };
    cache.memory.put(hash, Stored::Object(Arc::new(object)));
    if !disk.might_have(hash) {
        cache.memory.remove(hash);
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_time_is_the_one_that_counts() {
        let (one, other) = (7_u128 << 64 | 10, 7_u128 << 64 | 20);
        assert!(!is_due(one));
        assert!(is_due(one));
        assert!(!is_due(one), "it is on its way");
        assert!(!is_due(other), "another takes the place");
        assert!(!is_due(one) && is_due(one));
    }
}
