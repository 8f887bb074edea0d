//! What becomes of a request that is under way when the process ends? It is cut, and its line says so.
//!
//! The worker's runtime then drops its futures where they wait, and no hook is called any more. So what drops with the
//! future of the hook that answers and carries requests notes it. What Pingora's duplex carries is noted when its context
//! is dropped ([`finish::dropped`]).

use std::cell::Cell;

use pingora::proxy::Session;

use super::ctx::RequestCtx;
use super::duplex;
use super::finish;
use super::unwind;
use crate::error::{ProxyError, Reason};

thread_local! {
    static ALL: Cell<bool> = const { Cell::new(false) };
}

/// Runs what drops all requests of this thread, for good.
pub fn all(let_go: impl FnOnce()) {
    ALL.set(true);
    let_go();
}

/// Whether the requests of this thread are being cut. They may have stood still for a while before: what their time has come
/// to says nothing about whom they waited for.
pub fn are_all() -> bool {
    ALL.get()
}

/// A request in the hook that answers or carries it.
pub struct UnderWay<'r> {
    /// Its session.
    pub session: &'r mut Session,
    /// What is known of it.
    pub ctx: &'r mut RequestCtx,
    /// Whether the hook has come to its end.
    over: bool,
}

impl<'r> UnderWay<'r> {
    /// It is, from now on.
    pub fn begin(session: &'r mut Session, ctx: &'r mut RequestCtx) -> Self {
        Self {
            session,
            ctx,
            over: false,
        }
    }

    /// The hook comes to its end; what follows is others' to note.
    pub fn end(mut self) {
        self.over = true;
    }

    fn cut(&mut self) {
        let reached = duplex::reached(self.session, self.ctx);
        self.ctx
            .failed(ProxyError::new(Reason::ProcessEnded, reached));
        finish::record(self.session, self.ctx);
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        // A panic is noted by who catches it.
        if self.over || std::thread::panicking() {
            return;
        }
        if let Err(panic) = unwind::catch_now(|| self.cut()) {
            unwind::unexplained(&panic, &self.ctx.snapshot.metrics);
        }
    }
}
