//! How is a request put on a stream of an HTTP/2 connection?

use std::io;
use std::time::{Duration, Instant};

use http::Uri;
use http::header::HOST;
use http::uri::{Authority, PathAndQuery, Scheme};
use pingora::connectors::http::v2::ConnectionRef;
use pingora::http::RequestHeader;
use pingora::{Error, ErrorType, RetryType};
use pingora_timeout::fast_timeout::fast_timeout;

use super::exchange::Exchange;
use super::once::{Course, Unanswered};
use super::{Limits, within};
use crate::error::{Phase, ProxyError, Reason};
use crate::pool::Endpoint;
use crate::proxy::fail::{self, Stage};
use crate::proxy::forward::Fields;
use crate::upstream::connect::ConnectError;
use crate::upstream::connection::EndpointConnection;
use crate::upstream::idle::IdlePool;
use crate::upstream::shared;

/// Begins HTTP/2 on a new connection within `limit`, and lets others find it.
///
/// # Errors
///
/// The endpoint does not speak it, or takes too long.
pub(super) async fn share(
    connection: EndpointConnection,
    endpoint: &Endpoint,
    idle: &IdlePool,
    limit: Duration,
) -> Result<ConnectionRef, ConnectError> {
    let begun = fast_timeout(limit, shared::begin(connection)).await;
    let begun = begun.map_err(|_| ConnectError::Timeout(limit))?;
    let connection = begun.map_err(|error| ConnectError::Connect(io::Error::other(error)))?;
    let peer = &endpoint.peer;
    let now = Instant::now();
    let metrics = &endpoint.pool_metrics;
    idle.shared
        .put(peer.id, &connection, &peer.keepalive, metrics, now);
    Ok(connection)
}

/// Sends a request without body and waits for the header of its answer. `kept` is a connection that was there before.
pub(super) async fn put(
    endpoint: &Endpoint,
    connection: ConnectionRef,
    mut request: Box<RequestHeader>,
    until: Option<Instant>,
    limits: &Limits,
    course: &mut Course,
    kept: bool,
) -> Result<Exchange, Unanswered> {
    address(&mut request, endpoint)?;
    let broke = |error: &Error, phase| {
        let reason = fail::reason(error, Stage::BeforeHeader);
        Unanswered {
            error: ProxyError::new(reason, phase),
            untouched: kept && reason == Reason::UpstreamReset && is_stale(error),
            unconnected: None,
        }
    };
    // There is nothing to wait for: whether there is room was looked at, and more is queued within the connection.
    let stream = match connection.spawn_stream().await {
        Ok(Some(stream)) => stream,
        Ok(None) => {
            return Err(Unanswered {
                untouched: kept,
                ..ProxyError::new(Reason::UpstreamReset, Phase::Request).into()
            });
        }
        Err(error) => {
            connection.mark_shutdown();
            return Err(Unanswered {
                untouched: kept,
                ..broke(&error, Phase::Request)
            });
        }
    };
    let mut stream = Box::new(stream);
    let sent = stream.write_request_header(request, true);
    sent.map_err(|error| broke(&error, Phase::Request))?;
    course.sent = Some(Instant::now());
    let limit = within(limits.deadline, within(until, limits.timeouts.first_byte));
    match fast_timeout(limit, stream.read_response_header()).await {
        Ok(Ok(())) => Ok(Exchange::Http2(stream)),
        Ok(Err(error)) => Err(broke(&error, Phase::Response)),
        Err(_) => {
            // It may be dead, and nothing would tell.
            connection.mark_shutdown();
            let reason = fail::timeout(limits.deadline, Reason::UpstreamFirstByteTimeout);
            Err(ProxyError::new(reason, Phase::Response).into())
        }
    }
}

/// Whether the endpoint closed the connection while the request was on its way, or has said that it did nothing with it
/// (RFC 9113 §6.8, §8.7), which Pingora marks.
fn is_stale(error: &Error) -> bool {
    matches!(error.retry, RetryType::Decided(true))
        || matches!(
            error.etype(),
            ErrorType::ConnectionClosed | ErrorType::WriteError | ErrorType::ReadError
        )
}

/// Says in pseudo-fields what is asked for (RFC 9113 §8.3.1).
fn address(request: &mut RequestHeader, endpoint: &Endpoint) -> Result<(), ProxyError> {
    let internal = ProxyError::new(Reason::Internal, Phase::Request);
    let authority = request.headers.get(HOST).ok_or(internal)?;
    let authority = Authority::try_from(authority.as_bytes()).map_err(|_| internal)?;
    let path = PathAndQuery::try_from(request.raw_path()).map_err(|_| internal)?;
    let scheme = match endpoint.peer.tls {
        Some(_) => Scheme::HTTPS,
        None => Scheme::HTTP,
    };
    let uri = Uri::builder().scheme(scheme).authority(authority);
    let uri = uri.path_and_query(path).build().map_err(|_| internal)?;
    request.set_uri(uri);
    Fields::remove(request, &HOST);
    Ok(())
}
