//! Have more requests come than may, to all machines together?

use std::sync::Arc;
use std::time::Instant;

use super::rate_limit::RateLimit;
use super::{Access, Asked, Granted, Ruling, Verdict};
use crate::admission::rate::Limit;
use crate::admission::shared::{KeySecret, Shared};
use crate::route::key::Source;

/// A limit that is counted in Redis. What this machine knows of it stands in its own buckets as well: a key that has had
/// too much is refused without a question until it may come again, and while Redis is away they are what decides.
pub struct SharedRateLimit {
    own: Arc<Own>,
    store: Arc<Shared>,
    /// What tells the limit from others in Redis.
    place: Box<str>,
    secret: KeySecret,
}

/// What this machine needs to decide alone.
struct Own {
    limit: RateLimit,
    /// What may come here while Redis is away.
    alone: Limit,
}

impl SharedRateLimit {
    /// `limit`, counted in `store` under the name of `place`; with so many percent of its rate and burst on this machine
    /// while Redis is away.
    pub fn new(limit: RateLimit, store: Arc<Shared>, place: &str, while_away: u8) -> Self {
        Self {
            secret: store.secret_of(place),
            place: place.into(),
            store,
            own: Arc::new(Own {
                alone: limit.limit.share(while_away),
                limit,
            }),
        }
    }
}

impl Own {
    fn decide(&self, key: u64, now: Instant, granted: &mut Granted) -> Ruling {
        let taken = self.limit.buckets.take(key, now, &self.alone);
        self.limit.ruling(&taken, &self.alone, granted)
    }
}

impl Access for SharedRateLimit {
    fn decide(&self, asked: &Asked<'_>, granted: &mut Granted) -> Verdict {
        let limit = &self.own.limit;
        let from = Source {
            request: asked.request,
            client: asked.client,
            claims: granted.claims.as_deref(),
        };
        if limit.exempts(asked, &from) {
            limit.metrics.exempt.inc();
            return Verdict::pass();
        }
        let key = limit.buckets.key(|hasher| limit.key.feed(&from, hasher));
        let then = asked.now;
        if !self.store.is_away()
            && let Some(refused) = limit.buckets.refused(key, then, &limit.limit)
        {
            return limit.ruling(&refused, &limit.limit, granted).into();
        }
        let name = || {
            let digest = self.secret.digest(|feed| limit.key.feed(&from, feed));
            self.store.name_of(&self.place, &digest)
        };
        let answer = self
            .store
            .ask(&name, limit.limit.interval(), limit.limit.full());
        let Ok(answer) = answer else {
            return self.own.decide(key, then, granted).into();
        };
        let own = Arc::clone(&self.own);
        Verdict::Later(Box::pin(async move {
            let mut granted = Granted::default();
            let limit = &own.limit;
            let ruling = match answer.await {
                Ok(debt) => {
                    let mut told = limit.limit.told(debt.allowed, debt.nanos);
                    told.forgot = limit.buckets.note(key, then, &told, &limit.limit);
                    limit.ruling(&told, &limit.limit, &mut granted)
                }
                Err(_) => own.decide(key, Instant::now(), &mut granted),
            };
            (ruling, granted)
        }))
    }
}
