//! What is a request answered with, once that is known?

use std::sync::Arc;

use http::StatusCode;

use super::flight::{Answer, Reader};
use super::told::{fetched, tell};
use super::{Asking, Served, Stale, answer, promote};
use crate::cache::rules::{CacheStatus, Forward, usable_on_error};
use crate::cache::{CacheResult, Object};
use crate::error::ProxyError;
use crate::proxy::direct::{Broken, failed};

impl Asking<'_> {
    /// Answers from a stored object.
    pub(super) async fn give(
        &mut self,
        object: &Arc<Object>,
        result: CacheResult,
    ) -> Result<Served, Broken> {
        let status = CacheStatus::hit(object.head.terms.ttl(self.ctx.time));
        tell(self.ctx, result, status);
        promote::consider(&self.cache, object);
        answer::object(self.session, self.ctx, object).await?;
        Ok(Served::Answered)
    }

    pub(super) async fn revalidated(
        &mut self,
        object: &Arc<Object>,
        why: Forward,
    ) -> Result<Served, Broken> {
        let status = CacheStatus {
            fwd_status: Some(StatusCode::NOT_MODIFIED),
            ttl: Some(object.head.terms.ttl(self.ctx.time)),
            ..CacheStatus::forwarded(why)
        };
        tell(self.ctx, CacheResult::Revalidated, status);
        answer::object(self.session, self.ctx, object).await?;
        Ok(Served::Answered)
    }

    /// Answers with what a flight brings.
    pub(super) async fn hand_on(
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
    pub(super) async fn instead(
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
        self.give(object, CacheResult::Stale).await.map(Some)
    }

    /// What is stored instead of no answer at all, if it may be used.
    pub(super) async fn without(
        &mut self,
        error: ProxyError,
        stale: Option<Stale>,
        why: Forward,
    ) -> Result<Served, Broken> {
        if let Some((object, softly)) = stale
            && usable_on_error(&object.head.terms, &self.wishes, softly, self.ctx.time)
        {
            return self.give(&object, CacheResult::Stale).await;
        }
        tell(self.ctx, fetched(why), CacheStatus::forwarded(why));
        Err(failed(self.ctx, error))
    }
}
