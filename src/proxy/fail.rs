//! What does an error mean, and what does the client get for it? The one place where errors of carriers become reasons.

use std::io;
use std::time::Instant;

use pingora::{Error, ErrorSource, ErrorType};

use crate::error::Reason;

/// How far the exchange with the endpoint had come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// There was no connection yet.
    Connecting,
    /// No response header had come.
    BeforeHeader,
    /// The response's body was on its way.
    InBody,
}

/// The reason behind one of Pingora's errors.
pub fn reason(error: &Error, stage: Stage) -> Reason {
    match error.esource() {
        ErrorSource::Downstream => of_client(error),
        _ => of_endpoint(error, stage),
    }
}

/// A time was over: the request's own, or that of the step?
pub fn timeout(deadline: Option<Instant>, step: Reason) -> Reason {
    match deadline {
        Some(deadline) if Instant::now() >= deadline => Reason::TotalTimeout,
        _ => step,
    }
}

fn of_client(error: &Error) -> Reason {
    match error.etype() {
        ErrorType::ReadTimedout => Reason::BodyTimeout,
        // How our connection names chunks that break the protocol.
        ErrorType::ReadError if is_invalid_data(error) => Reason::BadRequest,
        ErrorType::InvalidHTTPHeader | ErrorType::H1Error | ErrorType::ConnectError => {
            Reason::BadRequest
        }
        // How Pingora's body reader names what breaks chunked framing.
        ErrorType::Custom("InvalidChunk" | "IncompleteChunk") => Reason::BadRequest,
        _ => Reason::ClientGone,
    }
}

fn is_invalid_data(error: &Error) -> bool {
    let cause = error.root_cause().downcast_ref::<std::io::Error>();
    cause.is_some_and(|cause| cause.kind() == std::io::ErrorKind::InvalidData)
}

fn of_endpoint(error: &Error, stage: Stage) -> Reason {
    let timed_out = matches!(
        error.cause.as_ref().and_then(|cause| cause.downcast_ref::<io::Error>()),
        Some(cause) if cause.kind() == io::ErrorKind::TimedOut
    );
    let kind = if timed_out && *error.etype() == ErrorType::ReadError {
        // A socket that keeps its time itself.
        &ErrorType::ReadTimedout
    } else {
        error.etype()
    };
    match (kind, stage) {
        (ErrorType::ConnectTimedout | ErrorType::TLSHandshakeTimedout, _) => Reason::ConnectTimeout,
        (ErrorType::ConnectRefused, _) => Reason::ConnectRefused,
        (
            ErrorType::TLSHandshakeFailure | ErrorType::InvalidCert | ErrorType::HandshakeError,
            _,
        ) => Reason::UpstreamTls,
        (
            ErrorType::ConnectNoRoute
            | ErrorType::ConnectError
            | ErrorType::SocketError
            | ErrorType::BindError,
            _,
        )
        | (_, Stage::Connecting) => Reason::ConnectFailed,
        (ErrorType::ReadTimedout, Stage::BeforeHeader) => Reason::UpstreamFirstByteTimeout,
        (ErrorType::ReadTimedout, Stage::InBody) => Reason::UpstreamReadTimeout,
        (ErrorType::WriteTimedout, _) => Reason::UpstreamWriteTimeout,
        (ErrorType::InternalError, _) => Reason::Internal,
        (_, Stage::InBody) => Reason::UpstreamIncomplete,
        (ErrorType::ReadError | ErrorType::WriteError | ErrorType::ConnectionClosed, _) => {
            Reason::UpstreamReset
        }
        _ => Reason::UpstreamBadResponse,
    }
}
