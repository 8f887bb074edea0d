//! How does an answer get its coding on the way to the client, whichever carrier moves it?

use std::io;

use bytes::{Bytes, BytesMut};
use http::header::TRANSFER_ENCODING;
use http::{HeaderValue, Method, StatusCode, Version};
use pingora::http::ResponseHeader;
use pingora::proxy::Session;

use super::ctx::RequestCtx;
use super::forward::Fields;
use crate::error::{Phase, ProxyError, Reason};
use crate::policy::compress::{Choice, Encoding, LARGEST_PIECE, dress_not_modified, length};

/// Decides about the answer of an endpoint, and makes its fields those of the coded one if it is to be that. The encoder, if
/// there is a body to encode. To be called when all other fields are as the client will see them.
pub fn begin(
    session: &Session,
    header: &mut ResponseHeader,
    bodiless: bool,
    ctx: &RequestCtx,
) -> Option<Encoding> {
    let route = ctx.route.as_ref().filter(|_| !ctx.panicked)?;
    let compress = route.compress.as_ref()?;
    let request = session.req_header();
    if header.status == StatusCode::NOT_MODIFIED {
        dress_not_modified(&request.headers, header);
        return None;
    }
    let is_head = request.method == Method::HEAD;
    let length = match bodiless && !is_head {
        true => Some(0),
        false => length(&header.headers),
    };
    let asked = &request.headers;
    let mut choice = compress.choose(asked, header.status, &header.headers, length);
    if ctx.version == Version::HTTP_10 && choice != Choice::Leave {
        // Its length is not known beforehand, and chunks are not for this client: the end of such a body could not be told
        // from a cut.
        choice = Choice::Plain;
    }
    let mut encoding = None;
    if let (Choice::Coded(coding), false) = (choice, is_head) {
        encoding = compress.begin(coding, length);
        if encoding.is_none() {
            choice = Choice::Plain;
        }
    }
    compress.dress(header, choice);
    if choice.coding().is_some() && ctx.version == Version::HTTP_11 {
        header.set(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
    }
    encoding
}

/// What goes to the client instead of a piece of the body, in the duplex: everything that came in. Whether more follows at
/// once is not known there, and nobody may wait for it.
///
/// # Errors
///
/// The encoder failed.
pub fn piece(body: &mut Option<Bytes>, end: bool, ctx: &mut RequestCtx) -> Result<(), ProxyError> {
    let Some(mut encoding) = ctx.encoding.take() else {
        return Ok(());
    };
    let mut out = BytesMut::new();
    for part in body.take().unwrap_or_default().chunks(LARGEST_PIECE) {
        out.extend_from_slice(&encoding.push(part).map_err(failed)?);
    }
    if end {
        out.extend_from_slice(&(*encoding).finish().map_err(failed)?);
    } else {
        out.extend_from_slice(&encoding.flush().map_err(failed)?);
        ctx.encoding = Some(encoding);
    }
    *body = (!out.is_empty()).then(|| out.freeze());
    Ok(())
}

/// What an encoder's failure is to a request whose answer is under way.
pub fn failed(error: io::Error) -> ProxyError {
    log::error!("an answer is cut off: {error}");
    ProxyError::new(Reason::Internal, Phase::Body)
}
