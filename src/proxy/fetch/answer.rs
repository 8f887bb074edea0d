//! How is the answer to a fetch read?

use std::sync::Arc;

use bytes::Bytes;
use http::Version;
use http::header::{CONTENT_LENGTH, TRANSFER_ENCODING};
use pingora::http::ResponseHeader;
use pingora_timeout::fast_timeout::fast_timeout;

use crate::error::{Phase, ProxyError, Reason};
use crate::pool::{Endpoint, Lease, Pool};
use crate::proxy::ask::{Exchange, Limits, within};
use crate::proxy::fail::{self, Stage};
use crate::upstream::idle::IdlePool;

/// An endpoint's answer. Dropped before its end, its connection is closed; its lease is given back in any case.
pub struct Answer {
    exchange: Exchange,
    header: Box<ResponseHeader>,
    /// Whether there is nothing more to read.
    done: bool,
    source: Source,
}

/// Where an answer comes from.
pub(super) struct Source {
    /// Counts as in flight until the answer is dropped.
    pub(super) lease: Option<Lease>,
    pub(super) pool: Arc<Pool>,
    pub(super) endpoint: Arc<Endpoint>,
    pub(super) idle: Arc<IdlePool>,
    pub(super) limits: Limits,
}

impl Answer {
    /// The answer that `exchange` has the header of.
    pub(super) fn new(
        mut exchange: Exchange,
        to_head: bool,
        source: Source,
    ) -> Result<Self, ProxyError> {
        let internal = ProxyError::new(Reason::Internal, Phase::Response);
        let header = Box::new(exchange.header().ok_or(internal)?.clone());
        // RFC 9112 §6.3.
        let without_body = to_head || matches!(header.status.as_u16(), 204 | 304);
        let done = without_body || exchange.is_done();
        Ok(Self {
            exchange,
            header,
            done,
            source,
        })
    }

    /// Its header, as the endpoint sent it.
    pub fn header(&self) -> &ResponseHeader {
        &self.header
    }

    /// The version of HTTP that the endpoint speaks.
    pub fn version(&self) -> Version {
        self.header.version
    }

    /// How long the body is that [`piece`](Self::piece) gives, if that is known before it is read.
    pub fn length(&self) -> Option<u64> {
        if self.done {
            return Some(0);
        }
        let fields = &self.header.headers;
        if fields.contains_key(TRANSFER_ENCODING) {
            return None;
        }
        // More lines, or a list, were found to say the same when the header was read.
        let value = fields.get(CONTENT_LENGTH)?.to_str().ok()?;
        value.split(',').next()?.trim().parse().ok()
    }

    /// The next piece of the body, as soon as it is there; `None` when it is whole. Time runs only while it is waited for,
    /// but for that of the whole fetch.
    ///
    /// # Errors
    ///
    /// The body breaks off, or takes too long. What is there of it is a part only.
    pub async fn piece(&mut self) -> Result<Option<Bytes>, ProxyError> {
        let Limits { timeouts, deadline } = &self.source.limits;
        while !self.done {
            let limit = within(*deadline, timeouts.read);
            let reason = match fast_timeout(limit, self.exchange.piece()).await {
                Ok(Ok(piece)) => {
                    self.done = piece.is_none() || self.exchange.is_done();
                    match piece.filter(|piece| !piece.is_empty()) {
                        Some(piece) => return Ok(Some(piece)),
                        None => continue,
                    }
                }
                Ok(Err(error)) => fail::reason(&error, Stage::InBody),
                Err(_) => fail::timeout(*deadline, Reason::UpstreamReadTimeout),
            };
            return Err(ProxyError::new(reason, Phase::Body));
        }
        Ok(None)
    }

    /// Lets it go. If its body was read to the end, or what is left of it is there already, the connection goes back to the
    /// idle ones, should both sides want that.
    pub async fn end(self) {
        let Source {
            lease,
            pool,
            endpoint,
            idle,
            ..
        } = self.source;
        self.exchange.forget(&pool, &endpoint, &idle).await;
        drop(lease);
    }
}
