//! How is a request answered from an object, or from a flight that brings one?

use std::ops::Range;
use std::pin::pin;
use std::sync::Arc;
use std::time::SystemTime;

use aws_lc_rs::rand;
use bytes::Bytes;
use http::header::{AGE, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Method, StatusCode, Version};
use pingora::http::ResponseHeader;
use pingora::proxy::Session;

use super::body::{BodyReader, Source};
use super::coded;
use super::flight::{Answer, Reader};
use crate::cache::Object;
use crate::cache::rules::{
    Multipart, Piece, Portion, Precondition, Validators, content_range, not_modified, portion,
    precondition, unsatisfied_range,
};
use crate::error::{Phase, ProxyError, Reason};
use crate::policy::compress::{Choice, dress_not_modified};
use crate::proxy::answer::{decorate, header_only, keep_date, note_end, note_last};
use crate::proxy::ctx::RequestCtx;
use crate::proxy::direct::{Broken, failed, frame, in_answer, lost, write_in_time};
use crate::proxy::forward::{Fields, add_response_fields};
use crate::proxy::presence::{Gone, client_gone, while_client_stays};

/// What a client is answered with.
pub(super) struct Given<'g> {
    pub(super) status: StatusCode,
    pub(super) fields: &'g HeaderMap,
    version: Version,
    validators: &'g Validators,
    pub(super) length: Option<u64>,
    /// The object it is, if it was stored.
    pub(super) object: Option<&'g Arc<Object>>,
    /// How old it is; `None` if it has just come.
    age: Option<u64>,
}

/// Answers from a stored object.
///
/// # Errors
///
/// [`Broken`], with the reason.
pub async fn object(
    session: &mut Session,
    ctx: &mut RequestCtx,
    object: &Arc<Object>,
) -> Result<(), Broken> {
    let given = Given {
        status: object.head.status,
        fields: &object.head.fields,
        version: Version::HTTP_11,
        validators: &object.head.validators,
        length: Some(object.body.len()),
        object: Some(object),
        age: Some(object.head.terms.age(ctx.time).as_secs()),
    };
    give(session, ctx, given, Source::from(&object.body)).await
}

/// Answers with what a flight brings, which another request led to, or this one.
///
/// # Errors
///
/// [`Broken`], with the reason.
pub async fn flight(
    session: &mut Session,
    ctx: &mut RequestCtx,
    answer: &Answer,
    reader: Reader,
    anothers: bool,
) -> Result<(), Broken> {
    let validators = Validators::of(&answer.fields);
    let own = match anothers || answer.unshared.is_empty() {
        true => None,
        false => {
            let mut own = answer.fields.clone();
            own.extend(answer.unshared.clone());
            Some(own)
        }
    };
    // What was fresh elsewhere before goes on being as old as it is (RFC 9111 §5.1).
    let kept = answer.kept.as_ref().ok().filter(|_| answer.aged);
    let given = Given {
        status: answer.status,
        fields: own.as_ref().unwrap_or(&answer.fields),
        version: answer.version,
        validators: &validators,
        length: answer.length,
        object: None,
        age: kept.map(|kept| kept.terms.age(SystemTime::now()).as_secs()),
    };
    give(session, ctx, given, Source::Flight(reader)).await
}

async fn give(
    session: &mut Session,
    ctx: &mut RequestCtx,
    given: Given<'_>,
    mut source: Source,
) -> Result<(), Broken> {
    let asked = session.req_header();
    match precondition(
        &asked.method,
        &asked.headers,
        given.status,
        given.validators,
    ) {
        Precondition::Go => {}
        Precondition::NotModified => {
            let fields = not_modified(given.fields);
            let mut header = header(StatusCode::NOT_MODIFIED, fields, &given, ctx);
            let route = ctx.route.as_ref();
            if route.is_some_and(|route| route.compress.is_some()) {
                dress_not_modified(&session.req_header().headers, &mut *header);
            }
            return bare(session, ctx, header).await;
        }
        Precondition::Failed => {
            let mut header = header(
                StatusCode::PRECONDITION_FAILED,
                HeaderMap::new(),
                &given,
                ctx,
            );
            header.set(CONTENT_LENGTH, HeaderValue::from_static("0"));
            return bare(session, ctx, header).await;
        }
    }
    let Some(length) = given.length else {
        let header = header(given.status, given.fields.clone(), &given, ctx);
        return whole(session, ctx, &given, header, source).await;
    };
    let in_flight = matches!(source, Source::Flight(_));
    match portion(
        &asked.method,
        &asked.headers,
        given.status,
        given.validators,
        length,
    ) {
        Portion::One(range) => {
            let mut header = header(
                StatusCode::PARTIAL_CONTENT,
                given.fields.clone(),
                &given,
                ctx,
            );
            if let Some(value) = content_range(&range, length) {
                header.set(CONTENT_RANGE, value);
            }
            header.set(CONTENT_LENGTH, HeaderValue::from(range.end - range.start));
            send(session, ctx, header, BodyReader::part(&mut source, &range)).await
        }
        // What is on its way can be read once, and forwards.
        Portion::Many(ranges) if !in_flight => {
            parts(session, ctx, &given, &ranges, length, &mut source).await
        }
        Portion::Unsatisfiable => {
            let mut header = header(
                StatusCode::RANGE_NOT_SATISFIABLE,
                HeaderMap::new(),
                &given,
                ctx,
            );
            if let Some(value) = unsatisfied_range(length) {
                header.set(CONTENT_RANGE, value);
            }
            header.set(CONTENT_LENGTH, HeaderValue::from_static("0"));
            bare(session, ctx, header).await
        }
        Portion::Whole | Portion::Many(_) => {
            let mut header = header(given.status, given.fields.clone(), &given, ctx);
            if !matches!(given.status.as_u16(), 204 | 304) {
                header.set(CONTENT_LENGTH, HeaderValue::from(length));
            }
            whole(session, ctx, &given, header, source).await
        }
    }
}

/// Sends all of it, compressed if the route says so.
async fn whole(
    session: &mut Session,
    ctx: &mut RequestCtx,
    given: &Given<'_>,
    mut header: Box<ResponseHeader>,
    mut source: Source,
) -> Result<(), Broken> {
    if let Some((route, choice)) = coded::choose(session, ctx, given)
        && let Some(compress) = &route.compress
    {
        if let Choice::Coded(coding) = choice {
            // Boxed, so that what few routes want takes no room in every request.
            let given = coded::give(session, ctx, compress, coding, given, header, source);
            return Box::pin(given).await;
        }
        compress.dress(&mut *header, choice);
    }
    send(session, ctx, header, BodyReader::whole(&mut source)).await
}

/// The header that the client gets. The fields are edited before they are Pingora's, which reads each name once more.
fn header(
    status: StatusCode,
    mut fields: HeaderMap,
    given: &Given<'_>,
    ctx: &RequestCtx,
) -> Box<ResponseHeader> {
    if let Some(age) = given.age {
        fields.insert(AGE, HeaderValue::from(age));
    }
    if ctx.snapshot.forwarding.added.via {
        add_response_fields(&mut fields, given.version);
    }
    decorate(&mut fields, ctx);
    let (mut parts, ()) = http::Response::new(()).into_parts();
    parts.status = status;
    parts.headers = fields;
    Box::new(ResponseHeader::from(parts))
}

/// Sends several ranges as the parts of one body (RFC 9110 §14.6).
async fn parts(
    session: &mut Session,
    ctx: &mut RequestCtx,
    given: &Given<'_>,
    ranges: &[Range<u64>],
    length: u64,
    source: &mut Source,
) -> Result<(), Broken> {
    let kind = given.fields.get(CONTENT_TYPE);
    let mut boundary = [0; 16];
    // One that could be told from those before it would let who writes into the body write parts.
    rand::fill(&mut boundary)
        .map_err(|_| failed(ctx, ProxyError::new(Reason::Internal, Phase::Response)))?;
    let multipart = Multipart::new(kind, ranges, length, u128::from_ne_bytes(boundary));
    let mut header = header(
        StatusCode::PARTIAL_CONTENT,
        given.fields.clone(),
        given,
        ctx,
    );
    if let Some(kind) = multipart.content_type() {
        header.set(CONTENT_TYPE, kind);
    }
    header.set(CONTENT_LENGTH, HeaderValue::from(multipart.len()));
    if begin(session, ctx, header).await? {
        return Ok(());
    }
    for piece in multipart {
        match piece {
            Piece::Bytes(bytes) => write_in_time(session, ctx, bytes, false, None).await?,
            Piece::Body(range) => {
                let mut body = BodyReader::part(source, &range);
                while let Some(piece) = next(session, ctx, &mut body).await? {
                    write_in_time(session, ctx, piece, false, None).await?;
                }
            }
        }
    }
    write_in_time(session, ctx, Bytes::new(), true, None).await
}

/// Sends a header that no body follows.
async fn bare(
    session: &mut Session,
    ctx: &mut RequestCtx,
    header: Box<ResponseHeader>,
) -> Result<(), Broken> {
    note_last(session, ctx);
    keep_date(session, &header.headers);
    let write = header_only(session, header).await;
    write.map_err(|error| in_answer(ctx, lost(&error, Phase::Response)))
}

/// Sends the header; whether that was all.
pub(super) async fn begin(
    session: &mut Session,
    ctx: &mut RequestCtx,
    mut header: Box<ResponseHeader>,
) -> Result<bool, Broken> {
    let head = session.req_header().method == Method::HEAD;
    let no_body = head || matches!(header.status.as_u16(), 204 | 304);
    frame(&mut header, ctx.version, no_body, head);
    if no_body {
        bare(session, ctx, header).await?;
        return Ok(true);
    }
    note_last(session, ctx);
    keep_date(session, &header.headers);
    note_end(session, &header.headers, ctx);
    let write = session.write_response_header(header, false).await;
    write.map_err(|error| in_answer(ctx, lost(&error, Phase::Response)))?;
    Ok(false)
}

pub(super) async fn send(
    session: &mut Session,
    ctx: &mut RequestCtx,
    header: Box<ResponseHeader>,
    mut body: BodyReader<'_>,
) -> Result<(), Broken> {
    if begin(session, ctx, header).await? {
        return Ok(());
    }
    while let Some(piece) = next(session, ctx, &mut body).await? {
        let end = body.is_over();
        write_in_time(session, ctx, piece, end, None).await?;
        if end {
            return Ok(());
        }
    }
    write_in_time(session, ctx, Bytes::new(), true, None).await
}

/// The next piece of a body, unless the client leaves.
pub(super) async fn next(
    session: &mut Session,
    ctx: &mut RequestCtx,
    body: &mut BodyReader<'_>,
) -> Result<Option<Bytes>, Broken> {
    let piece = {
        let piece = pin!(body.piece());
        while_client_stays(session, piece).await
    };
    match piece {
        Ok(Ok(piece)) => Ok(piece),
        Ok(Err(error)) => Err(in_answer(ctx, error)),
        Err(Gone) => Err(in_answer(ctx, client_gone(Phase::Body))),
    }
}
