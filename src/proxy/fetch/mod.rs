//! How is an endpoint asked for an object that more than one client may get?
//!
//! As the direct carrier asks it, with lease, retries, outcome and times, but for nobody in particular: whoever wanted the
//! object may leave, and the fetch goes on. It has all that it needs of the request that asked first.

mod answer;
mod shared;
#[cfg(test)]
mod tests;

use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::{HeaderMap, HeaderName, HeaderValue, Method};
use pingora::http::{RequestHeader, ResponseHeader};

use super::again::{Repeatable, Repeats};
use super::ask::{self, Asker, Limits};
use super::ctx::RequestCtx;
use super::facts::host_and_port;
use super::forward::Fields;
use super::presence::Gone;
use super::trail::{self, Trail};
use crate::error::{Phase, ProxyError, Reason};
use crate::pool::Tried;
use crate::upstream::idle::IdlePool;
pub use answer::Answer;

static X_FORWARDED_PORT: HeaderName = HeaderName::from_static("x-forwarded-port");

/// A request for an object, with nobody behind it.
pub struct Fetch {
    header: Box<RequestHeader>,
    ctx: Box<RequestCtx>,
    idle: Arc<IdlePool>,
    told: Told,
}

/// What the log says about a fetch, in the line of who waited for it. All attempts are in it, also of several questions.
#[derive(Clone, Debug, Default)]
pub struct Told {
    /// How many attempts were made.
    pub attempts: u32,
    /// What became of each, if it was more than one.
    pub trail: Trail,
    /// The endpoint of the last one.
    pub endpoint: Option<Arc<str>>,
    /// How long that took to connect, if it did.
    pub connect: Option<Duration>,
    /// From the sent request to the answer's header.
    pub first_byte: Option<Duration>,
    /// The endpoint's status code.
    pub upstream_status: Option<u16>,
    /// How long it waited for a slot of the pool; `None` if it did not have to.
    pub queued: Option<Duration>,
    /// Attempts after the first.
    pub retries: u32,
    /// How long until there may be an endpoint for it, if there was none and that is known.
    pub retry_after: Option<Duration>,
}

impl Fetch {
    /// A fetch of what `asked`, a request that `ctx` has decided on, is for. `idle` are the connections of the worker on
    /// which it will run. [What else may choose an answer](shared) than the object's key does not go along; authority,
    /// scheme and port are told in the key's form.
    pub fn new(asked: &RequestHeader, ctx: &RequestCtx, idle: Arc<IdlePool>) -> Self {
        let rule = ctx.route.as_ref().and_then(|route| route.cache.as_ref());
        let keyed = rule.map_or(&[][..], |rule| &rule.key.headers);
        let mut header = Box::new(RequestHeader::from(asked.as_owned_parts()));
        shared::clean(&mut *header, keyed);
        let mut own = Box::new(RequestCtx::new(Arc::clone(&ctx.snapshot)));
        own.time = ctx.time;
        own.peer = ctx.peer;
        own.client = ctx.client;
        own.version = ctx.version;
        own.request_id.clone_from(&ctx.request_id);
        own.route.clone_from(&ctx.route);
        own.granted.to_endpoint.clone_from(&ctx.granted.to_endpoint);
        own.target.clone_from(&ctx.target);
        own.key = ctx.key;
        own.priority = ctx.priority;
        own.wish = ctx.wish;
        own.scheme = ctx.scheme;
        own.spoken = ctx.scheme;
        let (host, port) = authority(ctx);
        own.host = host;
        own.port = port;
        if ctx.peer.trusted
            && ctx.snapshot.forwarding.added.x_forwarded
            && !keyed.contains(&X_FORWARDED_PORT)
            && let Some(port) = port
        {
            // A trusted peer's word would stay, and silence of it too.
            header.set(X_FORWARDED_PORT.clone(), HeaderValue::from(port));
        }
        own.body_done = true;
        Self {
            header,
            ctx: own,
            idle,
            told: Told::default(),
        }
    }

    /// The request, as far as it does not depend on which endpoint is asked. What an object's key and variant go by must
    /// be read here: what is not here, no endpoint sees.
    pub fn header(&self) -> &RequestHeader {
        &self.header
    }

    /// As [`header`](Self::header), to be changed before it is asked: conditions, ranges, the method.
    pub fn header_mut(&mut self) -> &mut RequestHeader {
        &mut self.header
    }

    /// Changes its fields.
    pub fn edit(&mut self, edit: impl FnOnce(&mut HeaderMap)) {
        let mut parts = self.header.as_owned_parts();
        edit(&mut parts.headers);
        *self.header = RequestHeader::from(parts);
    }

    /// Whether endpoints are told in this field what Portcullis knows of the client. Of two requests that had the same in it
    /// when they came, an answer that varies by it may then be for one alone.
    pub fn tells_apart(&self, name: &HeaderName) -> bool {
        let ctx = &*self.ctx;
        let rule = ctx.route.as_ref().and_then(|route| route.cache.as_ref());
        let edits = &ctx.granted.to_endpoint;
        name == ctx.id_field()
            || edits.iter().any(|edit| edit.name() == name)
            || rule.is_some_and(|rule| shared::is_told_apart(name.as_str(), &rule.key))
    }

    /// Asks; again, where an attempt failed and its rules allow that. Its time begins here. It may be done more than once,
    /// one after the other. Dropped in the middle, it gives back what it has.
    ///
    /// # Errors
    ///
    /// Why there is no answer.
    pub async fn ask(&mut self) -> Result<Answer, ProxyError> {
        let ctx = &mut *self.ctx;
        trail::close(ctx);
        ctx.started = Instant::now();
        ctx.failure = None;
        ctx.lease = None;
        ctx.tried = Tried::default();
        ctx.repeats = Repeats::default();
        ctx.retry_after = None;
        let internal = ProxyError::new(Reason::Internal, Phase::Pool);
        let (pool, timeouts) = ctx.pool().ok_or(internal)?;
        let (pool, timeouts) = (Arc::clone(pool), *timeouts);
        let limits = Limits::of(ctx, timeouts);
        let mut nobody = Nobody(&self.header);
        let asked = ask::ask(&mut nobody, ctx, &pool, &self.idle, &limits).await;
        if ctx.attempts > 1 {
            trail::close(ctx);
        }
        self.told = Told {
            attempts: ctx.attempts,
            trail: ctx.trail.clone(),
            endpoint: ctx.endpoint.clone(),
            connect: ctx.connect,
            first_byte: ctx.first_byte,
            upstream_status: ctx.upstream_status,
            queued: ctx.waited(),
            retries: self.told.retries + ctx.repeats.made,
            retry_after: ctx.retry_after,
        };
        let lease = ctx.lease.take();
        let (exchange, endpoint) = asked?;
        Answer::new(
            exchange,
            self.header.method == Method::HEAD,
            answer::Source {
                lease,
                pool,
                endpoint,
                idle: Arc::clone(&self.idle),
                limits,
            },
        )
    }

    /// What there is to tell about it by now.
    pub fn told(&self) -> Told {
        self.told.clone()
    }
}

/// The host as the key has it, with its port if that is not the scheme's own, and the port.
fn authority(ctx: &RequestCtx) -> (Option<HeaderValue>, Option<u16>) {
    let usual = ctx.scheme.port();
    let written = ctx.host.as_ref().and_then(|host| host.to_str().ok());
    let Some(written) = written.filter(|written| !written.is_empty()) else {
        return (ctx.host.clone(), Some(usual));
    };
    // It was read before, and was a host then.
    let Ok((host, port)) = host_and_port(written) else {
        return (ctx.host.clone(), Some(usual));
    };
    let port = port.unwrap_or(usual);
    let value = match port == usual {
        true => HeaderValue::from_str(&host),
        false => HeaderValue::try_from(format!("{host}:{port}")),
    };
    (value.ok().or_else(|| ctx.host.clone()), Some(port))
}

/// Nobody is waited for.
struct Nobody<'f>(&'f RequestHeader);

impl Asker for Nobody<'_> {
    fn request(&self) -> &RequestHeader {
        self.0
    }

    fn repeatable(&self) -> Repeatable {
        Repeatable {
            idempotent: self.0.method.is_idempotent(),
            body_lost: false,
        }
    }

    async fn while_waited_for<T: Send>(
        &mut self,
        work: Pin<&mut (impl Future<Output = T> + Send)>,
    ) -> Result<T, Gone> {
        Ok(work.await)
    }

    async fn interim(&mut self, _: &mut RequestCtx, _: &ResponseHeader) -> Result<(), ProxyError> {
        // Hints for one client; who has the object from the store gets none either.
        Ok(())
    }
}
