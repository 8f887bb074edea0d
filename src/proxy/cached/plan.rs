//! Whether, and as what, is an answer stored?

use std::sync::Arc;
use std::time::SystemTime;

use http::header::{ACCEPT_ENCODING, ACCEPT_RANGES, CONTENT_LENGTH};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use pingora::http::ResponseHeader;

use super::find::{Place, write_variant};
use super::flight::{Answer, Flight, Kept, NotKept};
use super::flights::Flights;
use crate::cache::key::hash;
use crate::cache::purge::{Begun, Marks, tags};
use crate::cache::rules::{Answered, Asked, Refusal, Vary, keep};
use crate::cache::{Cache, Head, Object, Rule};
use crate::proxy::fetch::Fetch;
use crate::telemetry::metrics::CacheMetrics;

/// What a fetch goes by.
pub struct Plan {
    /// Where it is stored.
    pub cache: Arc<Cache>,
    /// The flights it is one of.
    pub flights: Arc<Flights>,
    /// What its route's cache does.
    pub rule: Arc<Rule>,
    /// What it is stored under.
    pub place: Place,
    /// Its address, for purges.
    pub url: String,
    /// The fields of the request, as the client sent them.
    pub asked: HeaderMap,
    /// Whether our own policies tie the request to a user.
    pub identified: bool,
    /// What is stored, if it is to be asked whether that is still good.
    pub stored: Option<Arc<Object>>,
    /// Whether only the range that the request asks for is fetched.
    pub part: bool,
    /// When the fetch began, in the order of purges; it lasts until what it brings is stored.
    pub begun: Begun,
    /// What is counted.
    pub metrics: Arc<CacheMetrics>,
    /// Whether the route compresses, so that what is stored should not be.
    pub identity: bool,
}

impl Plan {
    pub(super) fn asked(&self) -> Asked<'_> {
        Asked {
            method: &Method::GET,
            fields: &self.asked,
            identified: self.identified,
        }
    }

    /// Whether what is stored could be used if no client wished for something newer.
    pub(super) fn has_fresh(&self) -> bool {
        let now = SystemTime::now();
        let stored = self.stored.as_ref();
        stored.is_some_and(|stored| stored.head.terms.is_fresh(None, now))
    }

    pub(super) fn marks(&self, fields: &HeaderMap) -> Marks {
        Marks {
            since: self.begun.since(),
            url: self.url.as_str().into(),
            tags: tags(fields),
        }
    }

    /// Whether, and as what, an answer is stored.
    pub(super) fn judge(
        &self,
        status: StatusCode,
        fetch: &Fetch,
        header: &ResponseHeader,
        length: Option<u64>,
        requested: SystemTime,
    ) -> Result<Kept, NotKept> {
        let fields = &header.headers;
        let answered = Answered {
            status,
            ..answered(header, requested)
        };
        let terms = keep(&self.asked(), &answered, &self.rule.settings);
        let terms = terms.map_err(NotKept::Refused)?;
        if length.is_some_and(|length| length > self.rule.max_object) {
            return Err(NotKept::TooLarge);
        }
        let mut varies: Box<[_]> = match Vary::of(fields) {
            Vary::None => Box::default(),
            Vary::Any => return Err(NotKept::Refused(Refusal::VaryAny)),
            Vary::On(names) if names.iter().any(|name| fetch.tells_apart(name)) => {
                return Err(NotKept::Refused(Refusal::VaryAny));
            }
            Vary::On(names) => names,
        };
        if self.identity {
            // What is stored is in no coding, and each client gets its own.
            varies = varies
                .into_iter()
                .filter(|name| *name != ACCEPT_ENCODING)
                .collect();
        }
        let mut key = self.place.key[..self.place.primary_length].to_vec();
        if !varies.is_empty() {
            let marks = self.marks(&HeaderMap::new());
            let marker = self.cache.varies(self.place.primary, &key, &varies, marks);
            write_variant(&marker, &self.asked, &mut key);
            varies = marker.names.clone();
        }
        Ok(Kept {
            terms,
            hash: hash(&key),
            key: key.into(),
            varies,
        })
    }

    pub(super) fn head(&self, answer: &Answer, kept: &Kept, length: Option<u64>) -> Head {
        let marks = self.marks(&answer.fields);
        let mut head = Head::new(answer.status, &answer.fields, kept.terms, marks);
        if let Some(length) = length {
            head.fields
                .insert(CONTENT_LENGTH, HeaderValue::from(length));
        }
        if answer.status == StatusCode::OK && !head.fields.contains_key(ACCEPT_RANGES) {
            let bytes = HeaderValue::from_static("bytes");
            head.fields.insert(ACCEPT_RANGES, bytes);
        }
        head
    }

    /// An invalidation that came while it was being stored must not be lost.
    pub(super) fn forget_if_doomed(&self, flight: &Flight, hash: u128) {
        if flight.is_doomed() {
            self.cache.remove(hash);
        }
    }
}

/// What an endpoint answered just now.
pub(super) fn answered(header: &ResponseHeader, requested: SystemTime) -> Answered<'_> {
    Answered {
        status: header.status,
        fields: &header.headers,
        requested,
        received: SystemTime::now(),
    }
}
