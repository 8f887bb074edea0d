//! What does a 304 change in what is stored?

use std::sync::Arc;
use std::time::SystemTime;

use http::HeaderMap;
use http::header::ACCEPT_ENCODING;
use pingora::http::ResponseHeader;

use super::flight::Flight;
use super::plan::{Plan, answered};
use crate::cache::key::hash;
use crate::cache::rules::{Refusal, Vary, freshen, freshened, stored_fields};
use crate::cache::{Head, Object, Stored};

impl Plan {
    /// The stored object, which is good again: on the terms of what was said now (RFC 9111 §4.3.4), and whether that was
    /// said to all. What is for one request alone changes nothing for the others.
    pub(super) fn good(
        &self,
        stored: &Arc<Object>,
        newer: &ResponseHeader,
        requested: SystemTime,
        flight: &Flight,
    ) -> (Arc<Object>, bool) {
        let mut fields = stored.head.fields.clone();
        freshen(&mut fields, &newer.headers);
        let status = stored.head.status;
        let answered = answered(newer, requested);
        let settings = &self.rule.settings;
        let mut terms = freshened(&self.asked(), status, &fields, &answered, settings);
        if terms.is_ok() && !self.varies_as_before(&fields) {
            terms = Err(Refusal::VaryAny);
        }
        let fields = stored_fields(&fields);
        let marks = self.marks(&fields);
        let head = Head::new(status, &fields, terms.unwrap_or(stored.head.terms), marks);
        let object = Arc::new(Object {
            key: stored.key.clone(),
            head,
            body: stored.body.clone(),
        });
        let hash = hash(&object.key);
        match terms {
            Ok(_) if !flight.is_doomed() => {
                self.cache
                    .memory
                    .put(hash, Stored::Object(Arc::clone(&object)));
                if let Some(disk) = self.cache.disk() {
                    disk.freshened(hash, &object);
                }
                self.forget_if_doomed(flight, hash);
            }
            Err(refusal) if refusal.lasting() && !self.identified => self.cache.remove(hash),
            // Whoever invalidated it has removed it.
            Ok(_) | Err(_) => {}
        }
        (object, terms.is_ok())
    }

    /// Whether the fields by which a response varies are among those that its key goes by.
    fn varies_as_before(&self, fields: &HeaderMap) -> bool {
        let names = match Vary::of(fields) {
            Vary::None => return true,
            Vary::Any => return false,
            Vary::On(names) => names,
        };
        let known = match self.cache.memory.get(self.place.primary) {
            Some(Stored::Varies(varies)) => Some(varies),
            _ => None,
        };
        names.iter().all(|name| {
            let in_key = known
                .as_ref()
                .is_some_and(|known| known.names.contains(name));
            in_key || self.identity && *name == ACCEPT_ENCODING
        })
    }
}
