//! How does an answer from the cache get its coding: once for an object, however often it is asked for?

use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use bytes::Bytes;
use http::header::CONTENT_LENGTH;
use http::{HeaderValue, Version};
use pingora::http::ResponseHeader;
use pingora::proxy::Session;
use tokio::task::yield_now;
use tokio::time::timeout;

use super::answer::{Given, begin, next, send};
use super::body::{BodyReader, Source};
use super::flight::Flight;
use super::flights::{Flights, Part};
use crate::cache::alive::Room;
use crate::cache::key::hash;
use crate::cache::{Body, Chunks, Object, Stored};
use crate::error::{Phase, ProxyError, Reason};
use crate::policy::Compress;
use crate::policy::compress::{Choice, Coding, Encoding, LARGEST_PIECE};
use crate::proxy::coded::failed;
use crate::proxy::ctx::RequestCtx;
use crate::proxy::direct::{Broken, in_answer, write_in_time};
use crate::proxy::forward::Fields;
use crate::snapshot::Route;

/// How long a request waits for another that puts the same object into the same coding.
const PATIENCE: Duration = Duration::from_secs(2);

/// What becomes of the answer, by the policy of its route.
pub fn choose(
    session: &Session,
    ctx: &RequestCtx,
    given: &Given<'_>,
) -> Option<(Arc<Route>, Choice)> {
    let route = ctx.route.as_ref()?;
    let compress = route.compress.as_ref()?;
    let asked = &session.req_header().headers;
    let choice = compress.choose(asked, given.status, given.fields, given.length);
    Some((Arc::clone(route), choice))
}

/// Sends the body in a coding.
///
/// # Errors
///
/// [`Broken`], with the reason.
pub async fn give(
    session: &mut Session,
    ctx: &mut RequestCtx,
    compress: &Compress,
    coding: Coding,
    given: &Given<'_>,
    mut header: Box<ResponseHeader>,
    mut source: Source,
) -> Result<(), Broken> {
    let coded = match given.object {
        Some(object) => coded(ctx, compress, object, coding).await,
        None => None,
    };
    if let Some(coded) = coded {
        compress.dress(&mut *header, Choice::Coded(coding));
        header.set(CONTENT_LENGTH, HeaderValue::from(coded.body.len()));
        let mut source = Source::from(&coded.body);
        return send(session, ctx, header, BodyReader::whole(&mut source)).await;
    }
    // Of a body whose length is not known, a client of HTTP/1.0 could not tell the end from a cut.
    let encoding = match ctx.version {
        Version::HTTP_10 => None,
        _ => compress.begin(coding, given.length),
    };
    let Some(encoding) = encoding else {
        compress.dress(&mut *header, Choice::Plain);
        if let Some(length) = given.length {
            header.set(CONTENT_LENGTH, HeaderValue::from(length));
        }
        return send(session, ctx, header, BodyReader::whole(&mut source)).await;
    };
    compress.dress(&mut *header, Choice::Coded(coding));
    if begin(session, ctx, header).await? {
        return Ok(());
    }
    stream(session, ctx, encoding, BodyReader::whole(&mut source)).await
}

/// Sends a body while it is put into a coding, for it is large or still coming.
async fn stream(
    session: &mut Session,
    ctx: &mut RequestCtx,
    mut encoding: Encoding,
    mut body: BodyReader<'_>,
) -> Result<(), Broken> {
    loop {
        if body.must_wait() {
            // What has come goes out before there is a pause.
            let out = encoding
                .flush()
                .map_err(|error| in_answer(ctx, failed(error)))?;
            write(session, ctx, out).await?;
        }
        let Some(piece) = next(session, ctx, &mut body).await? else {
            break;
        };
        for part in piece.chunks(LARGEST_PIECE) {
            let out = encoding
                .push(part)
                .map_err(|error| in_answer(ctx, failed(error)))?;
            write(session, ctx, out).await?;
            yield_now().await;
        }
    }
    let out = encoding
        .finish()
        .map_err(|error| in_answer(ctx, failed(error)))?;
    write_in_time(session, ctx, out, true, None).await
}

/// Nothing must not be written: as a chunk that would be the last one.
async fn write(session: &mut Session, ctx: &mut RequestCtx, out: Bytes) -> Result<(), Broken> {
    if out.is_empty() {
        return Ok(());
    }
    write_in_time(session, ctx, out, false, None).await
}

/// The object in this coding: as it was kept, or as it is kept from now on. `None` if it is too large for that, or there
/// is no room.
async fn coded(
    ctx: &RequestCtx,
    compress: &Compress,
    object: &Arc<Object>,
    coding: Coding,
) -> Option<Arc<Object>> {
    let Body::Memory(body) = &object.body else {
        return None;
    };
    let key = key(object, coding);
    let hash = hash(&key);
    let kept = || match ctx.snapshot.store.memory.get(hash) {
        Some(Stored::Object(coded)) if *coded.key == *key => Some(coded),
        _ => None,
    };
    if let Some(coded) = kept() {
        return Some(coded);
    }
    let flights = &ctx.snapshot.flights;
    let flight = match flights.join(hash, ctx.snapshot.store.purges.now()) {
        Part::Leads(flight) => flight,
        Part::Follows(flight) => {
            // Whether it came in time or not shows below.
            timeout(PATIENCE, flight.settled()).await.ok();
            return kept();
        }
    };
    let _ends = Ends { flights, flight };
    let room = ctx.snapshot.store.room(body.len())?;
    let done = encode(compress, coding, body, room).await;
    let coded = done.map(|chunks| {
        Arc::new(Object {
            key: key.into(),
            head: object.head.clone(),
            body: Body::Memory(chunks),
        })
    });
    if let Some(coded) = &coded {
        ctx.snapshot
            .store
            .memory
            .put(hash, Stored::Object(Arc::clone(coded)));
    }
    coded
}

/// Lets those who wait go on, also when who does the work is dropped in the middle of it: nobody else would.
struct Ends<'f> {
    flights: &'f Flights,
    flight: Arc<Flight>,
}

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.flights.leave(&self.flight);
        let internal = ProxyError::new(Reason::Internal, Phase::Body);
        self.flight.end(Err(internal));
    }
}

async fn encode(
    compress: &Compress,
    coding: Coding,
    body: &Chunks,
    mut room: Room,
) -> Option<Chunks> {
    let mut encoding = compress.begin(coding, Some(body.len()))?;
    let mut pieces = Vec::new();
    for part in body
        .pieces()
        .iter()
        .flat_map(|piece| piece.chunks(LARGEST_PIECE))
    {
        pieces.push(room.counted(encoding.push(part).ok()?));
        yield_now().await;
    }
    pieces.push(room.counted(encoding.finish().ok()?));
    pieces.retain(|piece| !piece.is_empty());
    Some(Chunks::new(pieces))
}

/// What the coded form of an object is kept under: its own key, and what tells this body from those that were stored there
/// before. Freshened by a 304 it still has the same.
fn key(object: &Object, coding: Coding) -> Vec<u8> {
    let mut key = object.key.to_vec();
    key.extend_from_slice(&[0, 1, coding as u8]);
    key.extend_from_slice(&object.body.len().to_be_bytes());
    match &object.head.validators.etag {
        Some(etag) if !etag.weak => key.extend_from_slice(&etag.opaque),
        _ => {
            let received = object.head.terms.received.duration_since(UNIX_EPOCH);
            key.extend_from_slice(&received.unwrap_or_default().as_nanos().to_be_bytes());
        }
    }
    key
}
