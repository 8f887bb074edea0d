//! Which stored response is the one a request asks for?

use std::sync::Arc;
use std::time::{Instant, SystemTime};

use http::HeaderMap;

use crate::cache::disk::Found as OnDisk;
use crate::cache::key::hash;
use crate::cache::purge::Purged;
use crate::cache::rules::variant;
use crate::cache::{Body, Cache, Chunks, Object, Stored, Varies};

/// What is looked for: the key of an object, which becomes that of a variant once it is known that there are variants.
#[derive(Clone, Debug)]
pub struct Place {
    /// The key.
    pub key: Vec<u8>,
    /// Its hash.
    pub hash: u128,
    /// The hash of the key before it became that of a variant.
    pub primary: u128,
    /// How much of the key stood there before.
    pub primary_length: usize,
}

impl Place {
    /// The place of this key.
    pub fn new(key: Vec<u8>) -> Self {
        let hash = hash(&key);
        Self {
            hash,
            primary: hash,
            primary_length: key.len(),
            key,
        }
    }

    /// Whether it is that of a variant.
    pub fn is_variant(&self) -> bool {
        self.key.len() > self.primary_length
    }

    /// Goes on to the variant for a request with these fields.
    pub fn vary(&mut self, varies: &Varies, asked: &HeaderMap) {
        self.key.truncate(self.primary_length);
        write_variant(varies, asked, &mut self.key);
        self.hash = hash(&self.key);
    }
}

/// Writes what tells a variant from others behind its primary key. A length stands before every key, so that none is the
/// beginning of another's.
pub fn write_variant(varies: &Varies, asked: &HeaderMap, key: &mut Vec<u8>) {
    key.push(0);
    key.extend_from_slice(&varies.generation.to_be_bytes());
    variant(&varies.names, asked, key);
}

/// What is there.
pub enum Found {
    /// An object, and since when it is stale by a soft purge.
    Object(Arc<Object>, Option<SystemTime>),
    /// The last answers could not be stored.
    Passes,
    /// Nothing.
    Nothing,
}

/// Looks in memory, then on disk.
pub async fn find(cache: &Cache, place: &mut Place, asked: &HeaderMap) -> Found {
    loop {
        let in_memory = cache.memory.get(place.hash);
        let stored = match in_memory.filter(is_not_over) {
            Some(stored) => stored,
            None => match from_disk(cache, place.hash).await {
                Some(stored) => stored,
                None => return Found::Nothing,
            },
        };
        match stored {
            Stored::Object(object) if *object.key == *place.key => {
                return match cache.purges.of(&object.head.marks) {
                    Purged::Gone => Found::Nothing,
                    Purged::Softly(since) => Found::Object(object, Some(since)),
                    Purged::No => Found::Object(object, None),
                };
            }
            Stored::Varies(varies) if *varies.key == *place.key && !place.is_variant() => {
                if matches!(cache.purges.of(&varies.marks), Purged::Gone) {
                    return Found::Nothing;
                }
                place.vary(&varies, asked);
            }
            Stored::Passes(_) => return Found::Passes,
            // Another key with the same hash.
            _ => return Found::Nothing,
        }
    }
}

fn is_not_over(stored: &Stored) -> bool {
    !matches!(stored, Stored::Passes(until) if Instant::now() >= *until)
}

/// What is on disk, which from then on is in memory too, if there is room.
async fn from_disk(cache: &Cache, hash: u128) -> Option<Stored> {
    let disk = cache.disk()?;
    if !disk.might_have(hash) {
        return None;
    }
    // A purge may have looked through memory before this is there, and through the disk after it was read.
    let _begun = cache.purges.begin();
    let stored = match disk.get(hash).await? {
        OnDisk::Object(mut object) => {
            if let Body::Memory(chunks) = &object.body {
                let Some(mut room) = cache.room(chunks.len()) else {
                    return Some(Stored::Object(Arc::from(object)));
                };
                let pieces = chunks.pieces().iter().cloned();
                let counted = pieces.map(|piece| room.counted(piece)).collect();
                object.body = Body::Memory(Chunks::new(counted));
            }
            Stored::Object(Arc::from(object))
        }
        OnDisk::Varies(varies) => Stored::Varies(Arc::new(varies)),
    };
    cache.memory.put(hash, stored.clone());
    Some(stored)
}
