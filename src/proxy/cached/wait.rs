//! How does a request wait for a fetch, its own or another's?

use std::pin::pin;
use std::sync::Arc;

use tokio::time::{Instant, timeout_at};

use super::find::{Place, find};
use super::flight::{Flight, Landing};
use super::flights::Part;
use super::fly::fly;
use super::plan::Plan;
use super::{Asking, Served, Stale};
use crate::cache::Object;
use crate::cache::rules::Forward;
use crate::error::{Phase, ProxyError, Reason};
use crate::proxy::decide::told_query;
use crate::proxy::direct::{Broken, failed};
use crate::proxy::facts::Facts;
use crate::proxy::fetch::Fetch;
use crate::proxy::presence::{Gone, client_gone, while_client_stays};
use crate::telemetry::metrics::Fetch as Why;

impl Asking<'_> {
    pub(super) fn plan(&self, place: &Place, stored: Option<Arc<Object>>) -> Option<Plan> {
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

    pub(super) fn take_off(&self, flight: Arc<Flight>, plan: Plan, why: Why) {
        plan.metrics.fetched(why);
        let fetch = Fetch::new(self.session.req_header(), self.ctx, Arc::clone(self.idle));
        plan.flights.depart(plan.place.primary, &flight);
        tokio::spawn(fly(flight, fetch, plan));
    }

    /// Starts a fetch and waits for it.
    pub(super) async fn lead(
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
    pub(super) async fn follow(
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
                    find(&self.cache, &mut own, &self.session.req_header().headers).await;
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
}
