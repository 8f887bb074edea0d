//! What does a fetch do with what it brings: hand it on, store it, or both?

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use http::header::{ACCEPT_ENCODING, AGE, RANGE};
use http::{HeaderMap, Method, StatusCode};

use super::flight::{Answer, Flight, Landing, NotKept};
use super::flights::Flights;
use super::keeper::Keeper;
use super::plan::Plan;
use crate::cache::rules::{
    Refusal, ask_for_the_whole, ask_whether_modified, same_representation, stored_fields,
    unshared_fields,
};
use crate::error::{Phase, ProxyError, Reason};
use crate::proxy::fetch::{self, Fetch};
use crate::proxy::forward::{Keep, strip_response};

/// How long requests for what can't be stored do not wait for each other, nor ask for the whole.
const PASSES: Duration = Duration::from_secs(10);

/// Fetches, on a task of its own.
pub async fn fly(flight: Arc<Flight>, mut fetch: Fetch, plan: Plan) {
    let ends = Ends {
        flight: &flight,
        flights: &plan.flights,
        primary: plan.place.primary,
    };
    plan.prepare(&mut fetch);
    let requested = SystemTime::now();
    let mut answer = match fetch.ask().await {
        Ok(answer) => answer,
        Err(error) => {
            flight.land(Landing::Failed(error, Box::new(fetch.told())));
            return;
        }
    };
    let mut requested = requested;
    if let Some(stored) = plan
        .stored
        .as_ref()
        .filter(|_| answer.header().status == StatusCode::NOT_MODIFIED)
    {
        if same_representation(&stored.head.validators, &answer.header().headers) {
            let (object, shared) = plan.good(stored, answer.header(), requested, &flight);
            let told = Box::new(fetch.told());
            flight.land(Landing::Good {
                object,
                told,
                shared,
            });
            answer.end().await;
            return;
        }
        // It speaks of another version (RFC 9111 §4.3.3): only the whole answer helps.
        answer.end().await;
        fetch.edit(ask_for_the_whole);
        requested = SystemTime::now();
        answer = match fetch.ask().await {
            Ok(answer) => answer,
            Err(error) => {
                flight.land(Landing::Failed(error, Box::new(fetch.told())));
                return;
            }
        };
    }
    plan.bring(&flight, &fetch, answer, requested).await;
    drop(ends);
}

/// However a flight ends, nobody waits for it after that.
struct Ends<'f> {
    flight: &'f Arc<Flight>,
    flights: &'f Flights,
    primary: u128,
}

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        let internal = ProxyError::new(Reason::Internal, Phase::Response);
        self.flights.arrive(self.primary, self.flight);
        self.flight.land(Landing::Failed(internal, Box::default()));
        self.flight.end(Err(internal));
    }
}

impl Plan {
    /// Makes the client's request into that for the object.
    fn prepare(&self, fetch: &mut Fetch) {
        fetch.header_mut().set_method(Method::GET);
        fetch.edit(|fields| {
            let range = fields.get(RANGE).filter(|_| self.part).cloned();
            match &self.stored {
                Some(stored) => ask_whether_modified(fields, &stored.head.validators),
                None => ask_for_the_whole(fields),
            }
            if let Some(range) = range {
                fields.insert(RANGE, range);
            }
            if self.identity {
                fields.remove(ACCEPT_ENCODING);
            }
        });
    }

    /// Hands an answer on, and stores it if it may be.
    async fn bring(
        &self,
        flight: &Arc<Flight>,
        fetch: &Fetch,
        mut answer: fetch::Answer,
        requested: SystemTime,
    ) {
        let (status, length) = (answer.header().status, answer.length());
        if self.part && status == StatusCode::PARTIAL_CONTENT {
            return self.bring_part(flight, fetch, answer, requested).await;
        }
        let kept = match self.part && status != StatusCode::OK {
            // What is said to a range says nothing about the whole: a 416 would be the answer to all.
            true => Err(NotKept::Part),
            false => self.judge(status, fetch, answer.header(), length, requested),
        };
        let until = Instant::now() + PASSES;
        match &kept {
            Err(NotKept::Refused(Refusal::Authorization)) => {
                self.cache.put_somebodys(self.place.hash, until);
            }
            Err(NotKept::Refused(refusal)) if refusal.lasting() && !self.has_fresh() => {
                self.cache.put_passing(self.place.hash, until);
            }
            _ => {}
        }
        let mut keeper = match &kept {
            Ok(_) => Keeper::new(self, length),
            Err(_) => None,
        };
        let kept = match &keeper {
            Some(_) => kept,
            None => kept.and(Err(NotKept::TooLarge)),
        };
        let sent = &answer.header().headers;
        let (fields, unshared) = match &kept {
            Ok(_) => (stored_fields(sent), unshared_fields(sent)),
            // Who passes an answer on leaves it as it is.
            Err(_) => (passed_on(sent), HeaderMap::new()),
        };
        let aged = sent.contains_key(AGE);
        let passes = kept.is_err();
        let version = answer.header().version;
        let answered = Arc::new(Answer {
            status,
            fields,
            unshared,
            aged,
            version,
            length,
            kept,
            told: fetch.told(),
        });
        if passes {
            self.flights.leave(flight);
            flight.pass();
        }
        flight.land(Landing::Answer(Arc::clone(&answered)));
        loop {
            let mut piece = match next(flight, &mut answer).await {
                Next::Piece(piece) => piece,
                Next::Whole => break,
                Next::Broken => return,
            };
            if let Some(keeps) = &mut keeper {
                if keeps.take(self, flight, &answered, &piece).await {
                    piece = keeps.counted(piece);
                } else {
                    keeper = None;
                    self.flights.leave(flight);
                    flight.pass();
                }
            }
            if !flight.push(piece).await {
                return;
            }
        }
        if let (Some(keeper), Ok(kept)) = (keeper, &answered.kept) {
            keeper.store(self, flight, &answered, kept).await;
        }
        flight.end(Ok(()));
        self.flights.leave(flight);
        answer.end().await;
    }
}

/// What comes next of an answer.
pub(super) enum Next {
    /// This piece.
    Piece(Bytes),
    /// Nothing: it is whole.
    Whole,
    /// Nothing, and it is not whole; those who read it have been told.
    Broken,
}

/// The next piece of an answer, as soon as it is there.
pub(super) async fn next(flight: &Flight, answer: &mut fetch::Answer) -> Next {
    match answer.piece().await {
        Ok(Some(piece)) => Next::Piece(piece),
        Ok(None) => Next::Whole,
        Err(error) => {
            flight.end(Err(error));
            Next::Broken
        }
    }
}

/// The fields of an answer that is not stored, without those of the connection it came on.
pub(super) fn passed_on(fields: &HeaderMap) -> HeaderMap {
    let mut fields = fields.clone();
    strip_response(&mut fields, Keep::default());
    fields
}
