//! What becomes of a request for which nothing is stored that could be used as it is?

use std::sync::Arc;
use std::time::SystemTime;

use http::Method;
use http::header::{AUTHORIZATION, RANGE};

use super::find::Place;
use super::flight::Flight;
use super::flights::Part;
use super::parts::{self, Wants};
use super::told::carry;
use super::{Asking, Served, Stale};
use crate::cache::rules::{Forward, Use, is_conditional, usable};
use crate::cache::{CacheResult, Object};
use crate::proxy::direct::Broken;
use crate::telemetry::metrics::Fetch as Why;

impl Asking<'_> {
    /// What the last answers were like: it is not worth waiting for another's. This one may be stored all the same, so that
    /// who gets what is for nobody else can't keep it from all others.
    pub(super) async fn passes(&mut self, place: &Place) -> Result<Served, Broken> {
        if self.wishes.only_if_cached {
            return Err(self.not_cached());
        }
        let header = self.session.req_header();
        let is_whole = header.method == Method::GET && !is_conditional(&header.headers);
        if self.wishes.no_store || !is_whole {
            return Ok(carry(self.ctx, Forward::UriMiss));
        }
        self.lead(Flight::alone(), place, None, Forward::UriMiss)
            .await
    }

    pub(super) async fn nothing(&mut self, place: &Place) -> Result<Option<Served>, Broken> {
        let why = match place.is_variant() {
            true => Forward::VaryMiss,
            false => Forward::UriMiss,
        };
        if self.wishes.only_if_cached {
            return Err(self.not_cached());
        }
        let header = self.session.req_header();
        // What is not to be stored, or would be fetched whole for a part of it or for none, goes its own way.
        if self.wishes.no_store {
            return Ok(Some(carry(self.ctx, Forward::Request)));
        }
        if header.method == Method::HEAD {
            return Ok(Some(carry(self.ctx, why)));
        }
        if header.headers.contains_key(RANGE) {
            return self.ranged(place, why).await;
        }
        self.fetch(place, None, why).await
    }

    /// Answers a request for a range of what is not stored as a whole.
    async fn ranged(&mut self, place: &Place, why: Forward) -> Result<Option<Served>, Broken> {
        let header = self.session.req_header();
        match Wants::of(&header.headers) {
            Wants::All => return self.fetch(place, None, why).await,
            Wants::Other => return Ok(Some(carry(self.ctx, why))),
            Wants::Part => {}
        }
        let kept = parts::covering(&self.cache, place, &header.method, &header.headers);
        if let Some(kept) = kept
            && usable(&kept.head.terms, &self.wishes, None, self.ctx.time) == Use::Fresh
        {
            return self.give(&kept, CacheResult::Hit).await.map(Some);
        }
        self.part = true;
        self.lead(Flight::alone(), place, None, why).await.map(Some)
    }

    /// Asks the endpoint whether a stored object is still good.
    pub(super) async fn validate(
        &mut self,
        place: &Place,
        object: Arc<Object>,
        softly: Option<SystemTime>,
    ) -> Result<Option<Served>, Broken> {
        if self.wishes.only_if_cached {
            return Err(self.not_cached());
        }
        if self.wishes.no_store {
            return Ok(Some(carry(self.ctx, Forward::Request)));
        }
        let terms = &object.head.terms;
        // What is never used without asking is no fresher than what is stale: the client has not asked for more.
        let fresh = terms.ttl(self.ctx.time) >= 0 && softly.is_none() && !terms.validate;
        let why = match fresh {
            true => Forward::Request,
            false => Forward::Stale,
        };
        self.fetch(place, Some((object, softly)), why).await
    }

    /// Has another fetched, or follows the fetch that is under way.
    pub(super) async fn fetch(
        &mut self,
        place: &Place,
        stale: Option<Stale>,
        why: Forward,
    ) -> Result<Option<Served>, Broken> {
        // Nobody waits for what is somebody's.
        let somebodys = self.is_identified() && self.cache.is_somebodys(place.hash);
        if self.alone || self.rule.collapse.is_zero() || somebodys {
            let flight = Flight::alone();
            return self.lead(flight, place, stale, why).await.map(Some);
        }
        let flights = Arc::clone(&self.ctx.snapshot.flights);
        match flights.join(place.hash, self.cache.purges.now()) {
            Part::Leads(flight) => self.lead(flight, place, stale, why).await.map(Some),
            Part::Follows(flight) => self.follow(flight, place, stale, why).await,
        }
    }

    /// Starts a fetch that nobody waits for, unless there is one.
    pub(super) fn refresh(&mut self, place: &Place, object: &Arc<Object>) {
        let flights = Arc::clone(&self.ctx.snapshot.flights);
        if let Part::Leads(flight) = flights.join(place.hash, self.cache.purges.now()) {
            flight.unread();
            match self.plan(place, Some(Arc::clone(object))) {
                Some(plan) => self.take_off(flight, plan, Why::Background),
                None => flights.leave(&flight),
            }
        }
    }

    /// Whether the request is somebody's (RFC 9111 §3.5), as it says itself or our own policies know.
    pub(super) fn is_identified(&self) -> bool {
        let (granted, fields) = (&self.ctx.granted, &self.session.req_header().headers);
        let says_so = fields.contains_key(AUTHORIZATION);
        says_so || granted.user.is_some() || !granted.to_endpoint.is_empty()
    }
}
