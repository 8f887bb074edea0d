//! What does an error mean, and what does the client get for it? The one place where errors of carriers become reasons.

use std::io;
use std::time::{Duration, Instant};

use pingora::{Error, ErrorSource, ErrorType};

use crate::error::Reason;
use crate::server::connection::waiting::TooSlow;
use crate::upstream::connect;

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

/// How much too early Pingora's timers may fire: they count whole milliseconds, and drop what is beyond.
const EARLY: Duration = Duration::from_millis(1);

/// A time was over: the request's own, or that of the step?
pub fn timeout(deadline: Option<Instant>, step: Reason) -> Reason {
    match deadline {
        Some(deadline) if deadline.saturating_duration_since(Instant::now()) <= EARLY => {
            Reason::TotalTimeout
        }
        _ => step,
    }
}

/// The reason behind an error of the client's side, whatever Pingora says where it was.
pub fn of_client(error: &Error) -> Reason {
    match error.etype() {
        ErrorType::ReadTimedout => Reason::BodyTimeout,
        ErrorType::WriteTimedout => Reason::ClientTooSlow,
        _ if too_slow(error) == Some(TooSlow::Body) => Reason::BodyTooSlow,
        _ if too_slow(error) == Some(TooSlow::Answer) => Reason::ClientTooSlow,
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

/// How our connection names what is too slow.
fn too_slow(error: &Error) -> Option<TooSlow> {
    let cause = error.root_cause().downcast_ref::<io::Error>()?;
    cause.get_ref()?.downcast_ref().copied()
}

fn is_invalid_data(error: &Error) -> bool {
    let cause = error.root_cause().downcast_ref::<std::io::Error>();
    cause.is_some_and(|cause| cause.kind() == std::io::ErrorKind::InvalidData)
}

/// Whether there was no descriptor for the connection.
fn is_shortage(error: &Error) -> bool {
    let mut cause = Some(error.root_cause() as &dyn std::error::Error);
    while let Some(one) = cause {
        if one
            .downcast_ref::<io::Error>()
            .is_some_and(connect::is_shortage)
        {
            return true;
        }
        cause = one.source();
    }
    false
}

fn of_endpoint(error: &Error, stage: Stage) -> Reason {
    if stage == Stage::Connecting && is_shortage(error) {
        return Reason::Overloaded;
    }
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
        // Over HTTP/2, the stream was reset, or its connection ended.
        (
            ErrorType::ReadError
            | ErrorType::WriteError
            | ErrorType::ConnectionClosed
            | ErrorType::H2Error,
            _,
        ) => Reason::UpstreamReset,
        _ => Reason::UpstreamBadResponse,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoint(kind: ErrorType, stage: Stage) -> Reason {
        let mut error = Error::explain(kind, "test");
        error.esource = ErrorSource::Upstream;
        reason(&error, stage)
    }

    #[test]
    fn the_same_error_means_what_the_stage_makes_of_it() {
        use Stage::{BeforeHeader, Connecting, InBody};
        for (kind, stage, want) in [
            (
                ErrorType::ConnectRefused,
                Connecting,
                Reason::ConnectRefused,
            ),
            (
                ErrorType::ConnectTimedout,
                Connecting,
                Reason::ConnectTimeout,
            ),
            (ErrorType::ConnectNoRoute, Connecting, Reason::ConnectFailed),
            (ErrorType::InvalidCert, Connecting, Reason::UpstreamTls),
            (ErrorType::ReadError, Connecting, Reason::ConnectFailed),
            (
                ErrorType::ReadTimedout,
                BeforeHeader,
                Reason::UpstreamFirstByteTimeout,
            ),
            (ErrorType::ReadTimedout, InBody, Reason::UpstreamReadTimeout),
            (
                ErrorType::WriteTimedout,
                BeforeHeader,
                Reason::UpstreamWriteTimeout,
            ),
            (
                ErrorType::ConnectionClosed,
                BeforeHeader,
                Reason::UpstreamReset,
            ),
            (
                ErrorType::ConnectionClosed,
                InBody,
                Reason::UpstreamIncomplete,
            ),
            (
                ErrorType::InvalidHTTPHeader,
                BeforeHeader,
                Reason::UpstreamBadResponse,
            ),
            (ErrorType::H2Error, BeforeHeader, Reason::UpstreamReset),
        ] {
            assert_eq!(endpoint(kind.clone(), stage), want, "{kind:?} {stage:?}");
        }
    }

    #[test]
    fn a_socket_that_keeps_its_time_itself_is_a_timeout_and_no_reset() {
        let cause = io::Error::from(io::ErrorKind::TimedOut);
        let mut error = Error::because(ErrorType::ReadError, "test", cause);
        error.esource = ErrorSource::Upstream;
        assert_eq!(
            reason(&error, Stage::BeforeHeader),
            Reason::UpstreamFirstByteTimeout
        );
        assert_eq!(reason(&error, Stage::InBody), Reason::UpstreamReadTimeout);
    }

    #[test]
    fn a_want_of_descriptors_is_no_fault_of_the_endpoint() {
        let cause = || io::Error::from_raw_os_error(libc::EMFILE);
        let wrapped = connect::ConnectError::Connect(cause());
        for error in [
            Error::because(ErrorType::ConnectError, "test", cause()),
            Error::because(ErrorType::ConnectError, "test", wrapped),
        ] {
            let outer = Error::because(ErrorType::ConnectError, "test", error);
            assert_eq!(reason(&outer, Stage::Connecting), Reason::Overloaded);
        }
    }

    #[test]
    fn a_client_that_is_late_or_wrong_is_not_one_that_left() {
        let client = |kind: ErrorType| {
            let mut error = Error::explain(kind, "test");
            error.esource = ErrorSource::Downstream;
            reason(&error, Stage::BeforeHeader)
        };
        assert_eq!(client(ErrorType::ReadTimedout), Reason::BodyTimeout);
        assert_eq!(client(ErrorType::InvalidHTTPHeader), Reason::BadRequest);
        assert_eq!(client(ErrorType::WriteTimedout), Reason::ClientTooSlow);
        assert_eq!(client(ErrorType::WriteError), Reason::ClientGone);
        assert_eq!(client(ErrorType::ConnectionClosed), Reason::ClientGone);
    }

    #[test]
    fn a_client_whose_bytes_move_too_slowly_is_told_by_the_cause() {
        for (kind, cause, reason) in [
            (ErrorType::ReadError, TooSlow::Body, Reason::BodyTooSlow),
            (
                ErrorType::WriteError,
                TooSlow::Answer,
                Reason::ClientTooSlow,
            ),
            (ErrorType::ReadError, TooSlow::Answer, Reason::ClientTooSlow),
        ] {
            let cause = io::Error::new(io::ErrorKind::TimedOut, cause);
            let error = Error::because(kind, "test", cause);
            assert_eq!(of_client(&error), reason, "{error}");
        }
    }

    #[test]
    fn a_timer_that_fires_up_to_a_millisecond_early_is_the_request_s_own_time() {
        let almost = Instant::now() + Duration::from_micros(900);
        assert_eq!(
            timeout(Some(almost), Reason::UpstreamReadTimeout),
            Reason::TotalTimeout
        );
    }

    #[test]
    fn the_request_s_own_time_goes_before_the_step_s() {
        let past = Instant::now();
        assert_eq!(
            timeout(Some(past), Reason::UpstreamReadTimeout),
            Reason::TotalTimeout
        );
        let later = past.checked_add(Duration::from_secs(60));
        assert_eq!(
            timeout(later, Reason::UpstreamReadTimeout),
            Reason::UpstreamReadTimeout
        );
        let soon = Instant::now() + Duration::from_millis(100);
        assert_eq!(
            timeout(Some(soon), Reason::UpstreamReadTimeout),
            Reason::UpstreamReadTimeout
        );
        assert_eq!(
            timeout(None, Reason::UpstreamReadTimeout),
            Reason::UpstreamReadTimeout
        );
    }
}
