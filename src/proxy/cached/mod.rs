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
mod good;
mod invalidate;
mod keeper;
mod landed;
mod miss;
mod parts;
mod plan;
mod promote;
pub mod purge;
mod told;
mod wait;
mod want;

use std::sync::Arc;
use std::time::SystemTime;

use pingora::proxy::Session;
use tokio::time::Instant;

use super::ctx::RequestCtx;
use super::direct::Broken;
use crate::cache::rules::{Forward, Use, Wishes, usable};
use crate::cache::{Cache, CacheResult, Object, Rule};
use crate::upstream::idle::IdlePool;
pub use find::Place;
use find::{Found, find};
pub use flights::Flights;
pub use invalidate::{Changing, invalidate};
use told::carry;
pub use want::want;

/// How often a request waits for another's fetch that then brings what is of no use to it.
const ROUNDS: usize = 3;

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
    /// Whether it has waited for others in vain often enough.
    alone: bool,
    /// Until when it waits for others, once it does.
    patience: Option<Instant>,
}

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
    let Some(mut place) = ctx.wanted_object.take() else {
        return Ok(Served::Carry);
    };
    let rule = ctx.route.as_ref().and_then(|route| route.cache.clone());
    let Some(rule) = rule else {
        return Ok(Served::Carry);
    };
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
        alone: false,
        patience: None,
    };
    asking.ctx.body_done = true;
    let mut rounds = 0;
    loop {
        if let Some(served) = asking.round(&mut place).await? {
            return Ok(served);
        }
        rounds += 1;
        asking.alone = rounds >= ROUNDS;
    }
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
            Use::Fresh => self.give(&object, CacheResult::Hit).await.map(Some),
            Use::Stale => self.give(&object, CacheResult::Stale).await.map(Some),
            Use::WhileRevalidating => {
                self.refresh(place, &object);
                self.give(&object, CacheResult::Updating).await.map(Some)
            }
            Use::Validate => Box::pin(self.validate(place, object, softly)).await,
        }
    }
}
