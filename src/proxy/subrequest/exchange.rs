//! How is one endpoint of the service asked, and its answer read?

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use http::header::{CONTENT_SECURITY_POLICY, ETAG, HOST, LAST_MODIFIED};
use http::{HeaderName, HeaderValue, StatusCode};
use pingora::http::RequestHeader;
use pingora_timeout::fast_timeout::fast_timeout;

use super::Asking;
use crate::error::{Phase, ProxyError, Reason};
use crate::policy::access::Reply;
use crate::pool::{Ending, Endpoint, HostRule, Lease};
use crate::proxy::ask::{Course, Exchange, Question, past_interim, put, within};
use crate::proxy::attempt;
use crate::proxy::fail::{self, Stage};
use crate::proxy::forward::{Fields, Keep, strip_response};
use crate::upstream::idle::IdlePool;

static X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");

/// How much body an answer may have that goes to the client.
const LONGEST_BODY: usize = 64 * 1024;

/// How long is waited for a body that nobody wants, so that its connection can be used again: enough for the packet behind that
/// of the header, and less than a new connection over some distance takes.
const A_MOMENT: Duration = Duration::from_millis(5);

impl Asking<'_> {
    /// Asks the leased endpoint, which learns from it.
    ///
    /// # Errors
    ///
    /// Why there is no answer. One that has a header is an answer, whatever becomes of its body.
    pub(super) async fn attempt(
        &self,
        lease: &mut Lease,
        idle: &IdlePool,
    ) -> Result<Reply, ProxyError> {
        let endpoint = Arc::clone(lease.endpoint());
        let per_try = self.pool.retries.per_try;
        let until = per_try.and_then(|time| lease.taken().checked_add(time));
        let asked = self.until_answered(&endpoint, idle, until).await;
        let ending = match &asked {
            Ok((_, status)) => Ending::Answered(status.as_u16()),
            Err(error) => Ending::Failed(error.reason),
        };
        lease.settle(ending, Instant::now());
        let (client, status) = asked?;
        Ok(self.read(client, status, &endpoint, idle).await)
    }

    /// Asks, up to the header of the answer. An idle connection that turns out to be closed is replaced by a new one.
    async fn until_answered(
        &self,
        endpoint: &Endpoint,
        idle: &IdlePool,
        until: Option<Instant>,
    ) -> Result<(Exchange, StatusCode), ProxyError> {
        let mut connection = idle.find(&endpoint.peer, Instant::now());
        loop {
            let question = Question {
                request: self.request(endpoint)?,
                connection: connection.take(),
                until,
            };
            let was_idle = question.connection.is_some();
            let mut course = Course::default();
            let asked = put(endpoint, question, idle, &self.limits, &mut course).await;
            course.count(self.pool, endpoint);
            let mut client = match asked {
                Ok(client) => client,
                Err(unanswered) if was_idle && unanswered.untouched => continue,
                Err(unanswered) => {
                    if let Some(error) = &unanswered.unconnected {
                        attempt::tell(self.pool, endpoint, self.time, error);
                    }
                    return Err(unanswered.error);
                }
            };
            past_interim(&mut client, &course, until, &self.limits).await?;
            if let Some(sent) = course.sent {
                attempt::began(self.pool, sent.elapsed(), Instant::now());
            }
            let plain = client.header().filter(|header| {
                goes_to_the_client(header.status) || attempt::framing_is_plain(header)
            });
            return match plain.map(|header| header.status) {
                Some(status) => Ok((client, status)),
                None => Err(broken()),
            };
        }
    }

    /// Reads what comes of the answer, and keeps its connection if both sides want that. A refusal whose body can't be had
    /// stays one: how long its body gets may be up to who is refused, and `on_failure` must not be.
    async fn read(
        &self,
        mut client: Exchange,
        status: StatusCode,
        endpoint: &Endpoint,
        idle: &IdlePool,
    ) -> Reply {
        let header = client.header();
        let plain = header.is_some_and(attempt::framing_is_plain);
        let mut fields = header
            .map(|header| header.headers.clone())
            .unwrap_or_default();
        strip_response(&mut fields, Keep::default());
        let mut without_body = false;
        let body = if goes_to_the_client(status) {
            let read = match plain {
                true => self.body(&mut client).await,
                false => Err(broken()),
            };
            if let Err(why) = &read {
                let why = format_args!("the body of a refusal is left out: {why}");
                attempt::tell(self.pool, endpoint, self.time, &why);
                without_body = true;
            }
            read.ok()
        } else {
            // For nobody; only its connection is worth something.
            let read = fast_timeout(A_MOMENT, self.body(&mut client)).await;
            read.ok().and_then(Result::ok).map(|_| Bytes::new())
        };
        if body.is_some() {
            client.keep(self.pool, endpoint, idle).await;
        }
        let fields = fields
            .iter()
            .filter(|(name, _)| !(without_body && is_about_the_body(name)))
            .map(|(name, value)| (name.clone(), value.clone()));
        Reply {
            status,
            fields: fields.collect(),
            body: body.unwrap_or_default(),
        }
    }

    async fn body(&self, client: &mut Exchange) -> Result<Bytes, ProxyError> {
        let deadline = self.limits.deadline;
        let mut body = BytesMut::new();
        while !client.is_done() {
            let limit = within(deadline, self.limits.timeouts.read);
            let reason = match fast_timeout(limit, client.piece()).await {
                Ok(Ok(Some(piece))) if body.len() + piece.len() <= LONGEST_BODY => {
                    body.extend_from_slice(&piece);
                    continue;
                }
                Ok(Ok(Some(_))) => return Err(broken()),
                Ok(Ok(None)) => break,
                Ok(Err(error)) => fail::reason(&error, Stage::InBody),
                Err(_) => fail::timeout(deadline, Reason::UpstreamReadTimeout),
            };
            return Err(ProxyError::new(reason, Phase::Body));
        }
        Ok(body.freeze())
    }

    /// The question as this endpoint gets it.
    fn request(&self, endpoint: &Endpoint) -> Result<Box<RequestHeader>, ProxyError> {
        let asked = self.subrequest;
        let mut header = RequestHeader::build_no_case(
            asked.method.clone(),
            asked.target.as_bytes(),
            Some(asked.fields.len() + 3),
        )
        .map_err(|_| ProxyError::new(Reason::Internal, Phase::Request))?;
        let host = match &self.pool.host {
            HostRule::Keep => self.host,
            HostRule::Endpoint => Some(&endpoint.host),
            HostRule::Fixed(host) => Some(host),
        };
        // RFC 9112 §3.2: a request must have the field, be it empty.
        let host = host.cloned().unwrap_or(HeaderValue::from_static(""));
        header.set(HOST, host);
        for (name, value) in &asked.fields {
            Fields::append(&mut header, name.clone(), value.clone());
        }
        if let Some(host) = self.host {
            header.set(X_FORWARDED_HOST.clone(), host.clone());
        }
        if let Some((name, id)) = self.request_id {
            header.set(name.clone(), id.clone());
        }
        Ok(Box::new(header))
    }
}

/// Whether an answer of this status is the service's word to the client.
fn goes_to_the_client(status: StatusCode) -> bool {
    status.is_redirection() || status.is_client_error()
}

/// Whether a field says what is in the body, so that it would be wrong without it.
fn is_about_the_body(name: &HeaderName) -> bool {
    const DIGESTS: [&str; 2] = ["digest", "repr-digest"];
    let name_is = |other: &HeaderName| name == other;
    let content = name.as_str().starts_with("content-")
        && !name.as_str().starts_with(CONTENT_SECURITY_POLICY.as_str());
    content || [ETAG, LAST_MODIFIED].iter().any(name_is) || DIGESTS.contains(&name.as_str())
}

fn broken() -> ProxyError {
    ProxyError::new(Reason::UpstreamBadResponse, Phase::Response)
}
