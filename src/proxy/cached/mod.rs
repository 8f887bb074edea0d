//! Is a request answered from the cache, from a fetch that others wait for as well, or by its own way to an endpoint?
//!
//! [`find`] looks the object up, `cache::rules` says what may be done with it, [`answer`] sends it. What has to be fetched is
//! fetched by a [`flight`], which is no client's own.

mod answer;
mod body;
mod coded;
mod find;
mod flight;
mod flights;
mod fly;
mod invalidate;
mod parts;
mod promote;
pub mod purge;

use std::pin::pin;
use std::sync::Arc;
use std::time::SystemTime;

use http::header::{
    AUTHORIZATION, CONNECTION, HeaderName, IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE,
    IF_UNMODIFIED_SINCE, RANGE,
};
use http::{HeaderMap, Method, StatusCode};
use pingora::proxy::Session;
use tokio::time::{Instant, timeout_at};

use super::ctx::RequestCtx;
use super::decide::told_query;
use super::direct::{Broken, failed};
use super::facts::Facts;
use super::fetch::{Fetch, Told};
use super::presence::{Gone, client_gone, while_client_stays};
use crate::cache::rules::{CacheStatus, Forward, Use, Wishes, usable, usable_on_error};
use crate::cache::{Cache, KeyParts, Object, Outcome, Rule};
use crate::error::{Phase, ProxyError, Reason};
use crate::route::Request;
use crate::telemetry::metrics::Fetch as Why;
use crate::upstream::idle::IdlePool;
use find::{Found, Place, find};
use flight::{Answer, Flight, Landing, Reader};
pub use flights::Flights;
use flights::Part;
use fly::{Plan, fly};
pub use invalidate::{Changing, invalidate};
use parts::Wants;

/// How often a request looks again after another's fetch brought what is of no use to it.
const ROUNDS: usize = 3;

/// What a request asks the cache for.
pub struct Wanted {
    /// What its route's cache does.
    pub rule: Arc<Rule>,
    /// Where the object is.
    pub place: Place,
}

/// A stored object that must not be used as it is, and since when that is so by a soft purge.
type Stale = (Arc<Object>, Option<SystemTime>);

/// Whether a request was answered.
pub enum Served {
    /// It was.
    Answered,
    /// It goes its own way.
    Carry,
}

/// A request on its way through the cache.
struct Asking<'a> {
    session: &'a mut Session,
    ctx: &'a mut RequestCtx,
    idle: &'a Arc<IdlePool>,
    cache: Arc<Cache>,
    rule: Arc<Rule>,
    wishes: Wishes,
    /// Whether only the range that is asked for is fetched.
    part: bool,
    /// Until when it waits for others, once it does.
    patience: Option<Instant>,
}

/// Takes note of what a request asks the cache for, or why it does not ask it.
pub fn want(rule: &Arc<Rule>, request: &Request<'_>, parts: &KeyParts<'_>, ctx: &mut RequestCtx) {
    if !matches!(*request.method, Method::GET | Method::HEAD) {
        return pass_by(ctx, Forward::Method);
    }
    // Fields that the client's connection nominates reach no endpoint, and the key might go by them.
    if rule.is_bypassed(request) || nominates(request.headers) {
        return pass_by(ctx, Forward::Bypass);
    }
    let mut key = Vec::with_capacity(KEY);
    rule.key.write(&rule.space, parts, &mut key);
    ctx.wanted_object = Some(Box::new(Wanted {
        rule: Arc::clone(rule),
        place: Place::new(key),
    }));
}

/// Whether `Connection` names fields that belong to the connection, beside the usual words.
fn nominates(fields: &HeaderMap) -> bool {
    fields.get_all(CONNECTION).iter().any(|line| {
        let mut words = line.as_bytes().split(|byte| *byte == b',');
        !words.all(|word| {
            let word = word.trim_ascii();
            USUAL.iter().any(|usual| word.eq_ignore_ascii_case(usual))
        })
    })
}

/// The words of `Connection` that say nothing about what is asked for.
const USUAL: [&[u8]; 6] = [
    b"keep-alive",
    b"close",
    b"te",
    b"upgrade",
    b"http2-settings",
    b"",
];

/// The fields by which a client asks for less than the whole.
const CONDITIONS: [HeaderName; 6] = [
    IF_MATCH,
    IF_MODIFIED_SINCE,
    IF_NONE_MATCH,
    IF_RANGE,
    IF_UNMODIFIED_SINCE,
    RANGE,
];

/// How long a key usually is, at most.
const KEY: usize = 192;

/// Answers a request from the cache, if it may.
///
/// # Errors
///
/// [`Broken`], with the reason.
pub async fn serve(
    session: &mut Session,
    ctx: &mut RequestCtx,
    idle: &Arc<IdlePool>,
) -> Result<Served, Broken> {
    let Some(wanted) = ctx.wanted_object.take() else {
        return Ok(Served::Carry);
    };
    let Wanted { rule, mut place } = *wanted;
    // A body of GET may mean something to the endpoint that the key does not know.
    if ctx.upgrade || !session.as_downstream_mut().is_body_empty() {
        return Ok(carry(ctx, Forward::Bypass));
    }
    let mut asking = Asking {
        wishes: Wishes::read(&session.req_header().headers),
        cache: Arc::clone(&ctx.snapshot.store),
        session,
        ctx,
        idle,
        rule,
        part: false,
        patience: None,
    };
    asking.ctx.body_done = true;
    for _ in 0..ROUNDS {
        if let Some(served) = asking.round(&mut place).await? {
            return Ok(served);
        }
    }
    let flight = Flight::alone();
    Box::pin(asking.lead(flight, &place, None, Forward::UriMiss)).await
}

/// Leaves the request to the carriers.
fn carry(ctx: &mut RequestCtx, why: Forward) -> Served {
    pass_by(ctx, why);
    Served::Carry
}

/// Takes note of why a request goes its own way.
fn pass_by(ctx: &mut RequestCtx, why: Forward) {
    let outcome = match why {
        Forward::Bypass | Forward::Method | Forward::Request => Outcome::Bypass,
        _ => Outcome::Miss,
    };
    tell(ctx, outcome, CacheStatus::forwarded(why));
}

/// What a request counts as for which something had to be fetched.
fn fetched(why: Forward) -> Outcome {
    match why {
        Forward::Stale => Outcome::Expired,
        _ => Outcome::Miss,
    }
}

/// Takes note of the cache's part in a request: for log and metric, and for the client.
fn tell(ctx: &mut RequestCtx, outcome: Outcome, status: CacheStatus) {
    ctx.cache = Some(outcome);
    ctx.cache_status = Some(status);
}

impl Asking<'_> {
    /// Looks once, and does what follows; `None` if it is worth looking again.
    async fn round(&mut self, place: &mut Place) -> Result<Option<Served>, Broken> {
        let fields = &self.session.req_header().headers;
        let found = find(&self.cache, place, fields).await;
        let (object, softly) = match found {
            Found::Object(object, softly) => (object, softly),
            // Boxed, so that what has to fetch takes no room in every hit. So below.
            Found::Passes => return Box::pin(self.passes(place)).await.map(Some),
            Found::Nothing => return Box::pin(self.nothing(place)).await,
        };
        match usable(&object.head.terms, &self.wishes, softly, self.ctx.time) {
            Use::Fresh => self.give(&object, Outcome::Hit).await.map(Some),
            Use::Stale => self.give(&object, Outcome::Stale).await.map(Some),
            Use::WhileRevalidating => {
                self.refresh(place, &object);
                self.give(&object, Outcome::Updating).await.map(Some)
            }
            Use::Validate => Box::pin(self.validate(place, object, softly)).await,
        }
    }

    /// What the last answers were like: it is not worth waiting for another's. This one may be stored all the same, so that
    /// who gets what is for nobody else can't keep it from all others.
    async fn passes(&mut self, place: &Place) -> Result<Served, Broken> {
        if self.wishes.only_if_cached {
            return Err(self.not_cached());
        }
        let header = self.session.req_header();
        let is_whole = header.method == Method::GET
            && !CONDITIONS
                .iter()
                .any(|name| header.headers.contains_key(name));
        if self.wishes.no_store || !is_whole {
            return Ok(carry(self.ctx, Forward::UriMiss));
        }
        self.lead(Flight::alone(), place, None, Forward::UriMiss)
            .await
    }

    /// Answers from a stored object.
    async fn give(&mut self, object: &Arc<Object>, outcome: Outcome) -> Result<Served, Broken> {
        let status = CacheStatus::hit(object.head.terms.ttl(self.ctx.time));
        tell(self.ctx, outcome, status);
        promote::consider(&self.cache, object);
        answer::object(self.session, self.ctx, object).await?;
        Ok(Served::Answered)
    }

    async fn nothing(&mut self, place: &Place) -> Result<Option<Served>, Broken> {
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
            return self.give(&kept, Outcome::Hit).await.map(Some);
        }
        self.part = true;
        self.lead(Flight::alone(), place, None, why).await.map(Some)
    }

    fn not_cached(&mut self) -> Broken {
        let status = CacheStatus {
            detail: Some("only-if-cached"),
            ..CacheStatus::default()
        };
        tell(self.ctx, Outcome::Miss, status);
        failed(self.ctx, ProxyError::new(Reason::NotCached, Phase::Route))
    }

    /// Asks the endpoint whether a stored object is still good.
    async fn validate(
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
    async fn fetch(
        &mut self,
        place: &Place,
        stale: Option<Stale>,
        why: Forward,
    ) -> Result<Option<Served>, Broken> {
        // Nobody waits for what is somebody's.
        let somebodys = self.is_identified() && self.cache.is_somebodys(place.hash);
        if self.rule.collapse.is_zero() || somebodys {
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
    fn refresh(&mut self, place: &Place, object: &Arc<Object>) {
        let flights = Arc::clone(&self.ctx.snapshot.flights);
        if let Part::Leads(flight) = flights.join(place.hash, self.cache.purges.now()) {
            flight.unread();
            match self.plan(place, Some(Arc::clone(object))) {
                Some(plan) => self.take_off(flight, plan, Why::Background),
                None => flights.leave(&flight),
            }
        }
    }

    fn plan(&self, place: &Place, stored: Option<Arc<Object>>) -> Option<Plan> {
        let (ctx, header) = (&*self.ctx, self.session.req_header());
        let listener = ctx.listener.as_ref()?;
        let facts = Facts::read(header, listener).ok()?;
        let query = told_query(ctx.route.as_ref()?, facts.query);
        let parts = facts.key_parts(query.as_deref(), ctx.scheme, &header.headers);
        Some(Plan {
            cache: Arc::clone(&self.cache),
            flights: Arc::clone(&ctx.snapshot.flights),
            rule: Arc::clone(&self.rule),
            place: place.clone(),
            url: self.rule.key.url(&parts),
            asked: header.headers.clone(),
            identified: self.is_identified(),
            stored,
            part: self.part,
            begun: self.cache.purges.begin(),
            metrics: Arc::clone(&ctx.snapshot.metrics.cache),
            identity: ctx.route.as_ref()?.compress.is_some(),
        })
    }

    /// Whether the request is somebody's (RFC 9111 §3.5), as it says itself or our own policies know.
    fn is_identified(&self) -> bool {
        let (granted, fields) = (&self.ctx.granted, &self.session.req_header().headers);
        let says_so = fields.contains_key(AUTHORIZATION);
        says_so || granted.user.is_some() || !granted.to_endpoint.is_empty()
    }

    fn take_off(&self, flight: Arc<Flight>, plan: Plan, why: Why) {
        plan.metrics.fetched(why);
        let fetch = Fetch::new(self.session.req_header(), self.ctx, Arc::clone(self.idle));
        plan.flights.depart(plan.place.primary, &flight);
        tokio::spawn(fly(flight, fetch, plan));
    }

    /// Starts a fetch and waits for it.
    async fn lead(
        &mut self,
        flight: Arc<Flight>,
        place: &Place,
        stale: Option<Stale>,
        why: Forward,
    ) -> Result<Served, Broken> {
        // Its end tells the flight that nobody reads what it is not to store.
        let reader = flight.lead();
        let stored = stale.as_ref().map(|(object, _)| Arc::clone(object));
        let Some(plan) = self.plan(place, stored) else {
            self.ctx.snapshot.flights.leave(&flight);
            return Err(failed(
                self.ctx,
                ProxyError::new(Reason::Internal, Phase::Route),
            ));
        };
        let need = match stale {
            Some(_) => Why::Expired,
            None => Why::Miss,
        };
        self.take_off(Arc::clone(&flight), plan, need);
        let landing = self.awaited(&flight).await?;
        match landing {
            Landing::Good { object, told, .. } => {
                self.note(&told);
                self.revalidated(&object, why).await
            }
            Landing::Answer(answer) => {
                self.note(&answer.told);
                if let Some(served) = self.instead(&answer, stale.as_ref()).await? {
                    return Ok(served);
                }
                self.hand_on(&answer, reader, why, false).await
            }
            Landing::Failed(error, told) => {
                self.note(&told);
                self.without(error, stale, why).await
            }
        }
    }

    /// Waits for another's fetch; `None` if that is of no use.
    async fn follow(
        &mut self,
        flight: Arc<Flight>,
        place: &Place,
        stale: Option<Stale>,
        why: Forward,
    ) -> Result<Option<Served>, Broken> {
        let until = *self
            .patience
            .get_or_insert_with(|| Instant::now() + self.rule.collapse);
        let mut flight = flight;
        let landing = loop {
            let landing = {
                let landing = pin!(timeout_at(until, flight.landing()));
                while_client_stays(self.session, landing).await
            };
            let landing = landing.map_err(|Gone| failed(self.ctx, client_gone(Phase::Response)))?;
            let Ok(landing) = landing else {
                // It takes too long for others to wait for it.
                let own = Flight::alone();
                return self.lead(own, place, stale, why).await.map(Some);
            };
            if !landing.is_failure() {
                break landing;
            }
            // An endpoint that fails is tried by one after the other, and not by all who waited at once.
            let flights = Arc::clone(&self.ctx.snapshot.flights);
            match flights.join(place.hash, self.cache.purges.now()) {
                Part::Leads(own) => return self.lead(own, place, stale, why).await.map(Some),
                Part::Follows(next) => flight = next,
            }
        };
        match landing {
            Landing::Good { shared: false, .. } => {
                let own = Flight::alone();
                self.lead(own, place, stale, why).await.map(Some)
            }
            Landing::Good { object, .. } => {
                if *object.key != *place.key {
                    return Ok(None);
                }
                self.revalidated(&object, why).await.map(Some)
            }
            Landing::Answer(answer) => {
                let Ok(kept) = &answer.kept else {
                    let own = Flight::alone();
                    return self.lead(own, place, stale, why).await.map(Some);
                };
                let mut own = place.clone();
                if !kept.varies.is_empty() || *kept.key != *place.key {
                    find::find(&self.cache, &mut own, &self.session.req_header().headers).await;
                }
                if *own.key != *kept.key {
                    return Ok(None);
                }
                if answer.length.is_none() {
                    // Whether it can be stored shows at its end.
                    let settled = pin!(timeout_at(until, flight.settled()));
                    let settled = while_client_stays(self.session, settled).await;
                    settled
                        .map_err(|Gone| failed(self.ctx, client_gone(Phase::Response)))?
                        .ok();
                    return Ok(None);
                }
                let Some(reader) = flight.follow() else {
                    return Ok(None);
                };
                self.hand_on(&answer, reader, why, true).await.map(Some)
            }
            Landing::Failed(error, told) => {
                self.ctx.retry_after = told.retry_after;
                self.without(error, stale, why).await.map(Some)
            }
        }
    }

    async fn awaited(&mut self, flight: &Flight) -> Result<Landing, Broken> {
        let landing = pin!(flight.landing());
        let landing = while_client_stays(self.session, landing).await;
        landing.map_err(|Gone| failed(self.ctx, client_gone(Phase::Response)))
    }

    /// Takes note of how it was fetched, for its line in the log.
    fn note(&mut self, told: &Told) {
        let ctx = &mut *self.ctx;
        ctx.attempts = told.attempts;
        ctx.endpoint.clone_from(&told.endpoint);
        ctx.connect = told.connect;
        ctx.first_byte = told.first_byte;
        ctx.upstream_status = told.upstream_status;
        ctx.queued = told.queued;
        ctx.repeats.made = told.retries;
        ctx.retry_after = told.retry_after;
    }

    async fn revalidated(&mut self, object: &Arc<Object>, why: Forward) -> Result<Served, Broken> {
        let status = CacheStatus {
            fwd_status: Some(StatusCode::NOT_MODIFIED),
            ttl: Some(object.head.terms.ttl(self.ctx.time)),
            ..CacheStatus::forwarded(why)
        };
        tell(self.ctx, Outcome::Revalidated, status);
        answer::object(self.session, self.ctx, object).await?;
        Ok(Served::Answered)
    }

    /// Answers with what a flight brings.
    async fn hand_on(
        &mut self,
        answer: &Answer,
        reader: Reader,
        why: Forward,
        collapsed: bool,
    ) -> Result<Served, Broken> {
        let mut status = CacheStatus {
            collapsed,
            ..CacheStatus::forwarded(why)
        };
        match &answer.kept {
            Ok(kept) => {
                status.stored = !collapsed;
                status.ttl = Some(kept.terms.ttl(self.ctx.time));
            }
            Err(not) => status.detail = Some(not.as_str()),
        }
        if collapsed {
            self.ctx.snapshot.metrics.cache.followers.inc();
        }
        tell(self.ctx, fetched(why), status);
        answer::flight(self.session, self.ctx, answer, reader, collapsed).await?;
        Ok(Served::Answered)
    }

    /// What is stored instead of an answer that is an error of the endpoint's (RFC 5861 §4), if it may be used.
    async fn instead(
        &mut self,
        answer: &Answer,
        stale: Option<&Stale>,
    ) -> Result<Option<Served>, Broken> {
        if !matches!(answer.status.as_u16(), 500 | 502 | 503 | 504) {
            return Ok(None);
        }
        let Some((object, softly)) = stale else {
            return Ok(None);
        };
        if !usable_on_error(&object.head.terms, &self.wishes, *softly, self.ctx.time) {
            return Ok(None);
        }
        self.give(object, Outcome::Stale).await.map(Some)
    }

    /// What is stored instead of no answer at all, if it may be used.
    async fn without(
        &mut self,
        error: ProxyError,
        stale: Option<Stale>,
        why: Forward,
    ) -> Result<Served, Broken> {
        if let Some((object, softly)) = stale
            && usable_on_error(&object.head.terms, &self.wishes, softly, self.ctx.time)
        {
            return self.give(&object, Outcome::Stale).await;
        }
        tell(self.ctx, fetched(why), CacheStatus::forwarded(why));
        Err(failed(self.ctx, error))
    }
}
