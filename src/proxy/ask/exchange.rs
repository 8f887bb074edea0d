//! What is a request that an endpoint has, and its answer, in either version of HTTP?

use std::time::Instant;

use bytes::Bytes;
use http::StatusCode;
use pingora::http::ResponseHeader;
use pingora::protocols::http::v1::client::HttpSession as Http1Session;
use pingora::protocols::http::v2::client::Http2Session;

use crate::pool::{Endpoint, Pool};
use crate::upstream::connection::EndpointConnection;
use crate::upstream::idle::IdlePool;

/// How much of an answer that is not passed on is read to keep its connection.
const FORGOTTEN: usize = 64 * 1024;

/// A request on its way, or answered. Dropped before its end, its connection is closed, or its stream reset.
pub enum Exchange {
    /// On a connection of its own.
    Http1(Box<Http1Session>),
    /// On a stream of a connection.
    Http2(Box<Http2Session>),
}

impl Exchange {
    /// The header that came last.
    pub fn header(&self) -> Option<&ResponseHeader> {
        match self {
            Self::Http1(session) => session.resp_header(),
            Self::Http2(session) => session.response_header(),
        }
    }

    /// Its status.
    pub fn status(&self) -> Option<StatusCode> {
        self.header().map(|header| header.status)
    }

    /// Whether it is known that nothing more comes. Over HTTP/2 only the end says so: a stream that was reset looks as one
    /// that has ended.
    pub fn is_done(&mut self) -> bool {
        match self {
            Self::Http1(session) => session.is_body_done(),
            Self::Http2(_) => false,
        }
    }

    /// The next piece of the body, which may be empty; `None` when it is whole.
    ///
    /// # Errors
    ///
    /// It breaks off.
    pub async fn piece(&mut self) -> pingora::Result<Option<Bytes>> {
        match self {
            Self::Http1(session) => session.read_body_bytes().await,
            Self::Http2(session) => session.read_response_body().await,
        }
    }

    /// Keeps the connection of an answer that was read to its end for another request, if both sides want that.
    pub async fn keep(self, pool: &Pool, endpoint: &Endpoint, idle: &IdlePool) {
        // Who has a stream has it on a connection that others may find already.
        let Self::Http1(mut session) = self else {
            return;
        };
        session.respect_keepalive();
        if let Some(stream) = (*session).reuse().await
            && let Ok(connection) = stream.into_any().downcast::<EndpointConnection>()
        {
            let now = Instant::now();
            let metrics = &pool.metrics;
            idle.put(endpoint.peer.id, connection, &pool.keepalive, metrics, now);
        }
    }

    /// Lets an answer go that is not passed on. Its connection is kept if all of it is there already: waiting for the rest
    /// would cost the client more than a new connection costs the endpoint.
    pub async fn forget(mut self, pool: &Pool, endpoint: &Endpoint, idle: &IdlePool) {
        let mut read = 0;
        while !self.is_done() {
            let piece = tokio::select! {
                biased;
                piece = self.piece() => piece,
                () = std::future::ready(()) => return,
            };
            match piece {
                Ok(Some(piece)) if read + piece.len() <= FORGOTTEN => read += piece.len(),
                Ok(None) => break,
                _ => return,
            }
        }
        self.keep(pool, endpoint, idle).await;
    }
}
