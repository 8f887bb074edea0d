//! Which path gets which answer?

use std::convert::Infallible;
use std::fmt::Display;
use std::future::{Future, pending};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderName};
use http::request::Parts;
use http::{HeaderValue, Method, Request, Response, StatusCode, Version};
use http_body::Body;
use hyper::body::Incoming;
use hyper::service::Service;
use hyper::upgrade::OnUpgrade;
use tokio::time::sleep;

use crate::answer::{BrokenOff, Content, Released, Tracked};
use crate::journal::Exchange;
use crate::running::Shared;
use crate::script::KEPT_BYTES;
use crate::wire::Line;

mod breaking;
mod fields;
mod grpc;
mod pacing;
mod report;
mod scripted;
mod sizes;
mod status;
mod websocket;

pub use sizes::expected_bytes;

static X_ORIGIN: HeaderName = HeaderName::from_static("x-origin");

/// The paths that read their request body in a way of their own.
const BODY_READERS: [&str; 4] = ["/echo", "/upload", "/expect", "/reject-expect"];

/// What a path decides to do.
enum Answer {
    Response(Response<Content>),
    After(Duration, Response<Content>),
    Held(Released, Response<Content>),
    Hang,
    /// Closes the connection (HTTP/1) after these bytes, or resets the stream (HTTP/2).
    BreakOff(Bytes),
    /// Answers 101 and speaks WebSocket from then on.
    WebSocket(Response<Content>, OnUpgrade),
}

/// Why the argument of a path cannot be used; becomes the body of a 400.
struct Unusable(String);

type Answered = Result<Answer, Unusable>;

impl Answer {
    fn ok(content: Content) -> Answered {
        Ok(Self::Response(Response::new(content)))
    }

    fn text(status: StatusCode, text: String) -> Self {
        let mut response = Response::new(Content::Whole(text.into()));
        *response.status_mut() = status;
        let plain = HeaderValue::from_static("text/plain; charset=utf-8");
        response.headers_mut().insert(CONTENT_TYPE, plain);
        Self::Response(response)
    }
}

/// Parses `text`, or says that it is no `what`.
fn parse<T: std::str::FromStr>(text: &str, what: impl Display) -> Result<T, Unusable> {
    text.parse()
        .map_err(|_| Unusable(format!("`{text}` is not {what}")))
}

/// Answers the requests of one connection.
pub(crate) struct Answers {
    shared: Arc<Shared>,
    line: Arc<Line>,
}

impl Answers {
    pub(crate) fn new(shared: Arc<Shared>, line: Arc<Line>) -> Self {
        Self { shared, line }
    }
}

impl Service<Request<Incoming>> for Answers {
    type Response = Response<Tracked>;
    type Error = BrokenOff;
    type Future = Answering;

    fn call(&self, mut request: Request<Incoming>) -> Answering {
        let exchange = self.shared.journal.begin();
        let upgrade = (request.uri().path() == "/ws").then(|| hyper::upgrade::on(&mut request));
        let (head, body) = request.into_parts();
        let mut asked = Asked {
            head,
            upgrade,
            shared: self.shared.clone(),
            line: self.line.clone(),
        };
        // A bodiless request with an immediate answer, the hot path of a bench, costs no future.
        let delay = self.shared.delay;
        if body.is_end_stream()
            && delay.is_zero()
            && self.shared.turn.is_none()
            && let Some(answer) = asked.without_body()
        {
            return match answer {
                Answer::Response(response) => {
                    Answering::Now(Some(asked.finish(response, Some(exchange))))
                }
                later => Answering::Later(Box::pin(asked.carry_out(later, exchange))),
            };
        }
        Answering::Later(Box::pin(async move {
            // Until the answer begins.
            let _turn = match &asked.shared.turn {
                Some(turn) => Some(Arc::clone(turn).lock_owned().await),
                None => None,
            };
            if !delay.is_zero() {
                sleep(delay).await;
            }
            // Without its body a request is cancelled: `exchange` is dropped incomplete.
            let answer = asked.with_body(body).await.map_err(|_| BrokenOff)?;
            asked.carry_out(answer, exchange).await
        }))
    }
}

/// A response on its way.
pub(crate) enum Answering {
    Now(Option<Response<Tracked>>),
    Later(Pin<Box<dyn Future<Output = Result<Response<Tracked>, BrokenOff>> + Send>>),
}

impl Future for Answering {
    type Output = Result<Response<Tracked>, BrokenOff>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut *self {
            Self::Now(response) => match response.take() {
                Some(response) => Poll::Ready(Ok(response)),
                None => Poll::Pending,
            },
            Self::Later(future) => future.as_mut().poll(cx),
        }
    }
}

/// A request, its body apart, and where it came from.
struct Asked {
    head: Parts,
    /// Present on `/ws` only.
    upgrade: Option<OnUpgrade>,
    shared: Arc<Shared>,
    line: Arc<Line>,
}

impl Asked {
    fn is_http2(&self) -> bool {
        self.head.version == Version::HTTP_2
    }

    /// The answer of a path that does not look at the body; `None` if this path does.
    fn without_body(&mut self) -> Option<Answer> {
        if let Some(answer) = scripted::answer(self, Bytes::new()) {
            return Some(answer);
        }
        let path = self.head.uri.path();
        if BODY_READERS.contains(&path)
            || (self.head.method == Method::POST && path.starts_with(grpc::SERVICE))
        {
            return None;
        }
        let (verb, argument) = path
            .strip_prefix('/')
            .map_or(("", ""), |rest| rest.split_once('/').unwrap_or((rest, "")));
        let query = self.head.uri.query().unwrap_or_default();
        let answered = match (verb, argument) {
            ("bytes", size) => sizes::announced(size),
            ("chunked", size) => sizes::chunked(size),
            ("status", code) => status::fixed(code),
            ("flaky", ratio) => status::flaky(ratio, &self.shared.flaky_requests),
            ("delay", wait) => pacing::delay(wait),
            ("delay-body", wait) => pacing::delay_body(wait),
            ("drip", arguments) => pacing::drip(arguments),
            ("sse", "") => pacing::events(query),
            ("held", name) => pacing::held(self.shared.released(name)),
            ("held-body", "") => pacing::held_body(self.shared.released("")),
            ("hang", "") => Ok(Answer::Hang),
            ("hang-body", "") => pacing::hang_body(),
            ("close", "") => Ok(Answer::BreakOff(Bytes::new())),
            ("garbage", "") => Ok(Answer::BreakOff(breaking::GARBAGE)),
            ("close-mid", size) => breaking::announced(size, self),
            ("close-mid-chunked", size) => breaking::chunked(size, self),
            ("headers", "") => fields::asked_for(query),
            ("trailers", "") => fields::trailers(),
            ("ws", "") => return Some(websocket::accept(self)),
            _ => Ok(Answer::text(
                StatusCode::OK,
                format!(
                    "hello from {}: {} {path}\n",
                    self.shared.name, self.head.method
                ),
            )),
        };
        Some(answered.unwrap_or_else(|Unusable(reason)| {
            Answer::text(StatusCode::BAD_REQUEST, format!("{reason}\n"))
        }))
    }

    /// The answer of any path, once the body has been read as far as that path does.
    async fn with_body(&mut self, body: Incoming) -> Result<Answer, hyper::Error> {
        let journal = &self.shared.journal;
        if self.shared.scripts.has(&self.head) {
            let mut start = Vec::new();
            report::read(body, journal, |data| {
                let wanted = data.len().min(KEPT_BYTES - start.len());
                start.extend_from_slice(&data[..wanted]);
            })
            .await?;
            let answer = scripted::answer(self, start.into());
            return Ok(answer.unwrap_or_else(grpc::unimplemented));
        }
        match self.head.uri.path() {
            "/echo" => report::echo(self, body).await,
            "/upload" | "/expect" => report::upload(body, journal).await,
            "/reject-expect" => Ok(status::expectation_failed()),
            path => match grpc::Method::of(path) {
                Some(method) if self.head.method == Method::POST => {
                    method.answer(body, journal).await
                }
                _ => {
                    report::read(body, journal, |_| ()).await?;
                    Ok(self.without_body().unwrap_or_else(grpc::unimplemented))
                }
            },
        }
    }

    async fn carry_out(
        self,
        answer: Answer,
        exchange: Exchange,
    ) -> Result<Response<Tracked>, BrokenOff> {
        match answer {
            Answer::Response(response) => Ok(self.finish(response, Some(exchange))),
            Answer::After(wait, response) => {
                sleep(wait).await;
                Ok(self.finish(response, Some(exchange)))
            }
            Answer::Held(released, response) => {
                released.await;
                Ok(self.finish(response, Some(exchange)))
            }
            Answer::Hang => match pending::<Infallible>().await {},
            Answer::BreakOff(last_words) => {
                exchange.complete();
                if self.is_http2() {
                    return Err(BrokenOff);
                }
                self.line.cut(last_words);
                match pending::<Infallible>().await {}
            }
            Answer::WebSocket(response, upgrade) => {
                let journal = self.shared.journal.clone();
                self.line
                    .set_afterwards(Box::pin(websocket::echo(upgrade, journal, exchange)));
                Ok(self.finish(response, None))
            }
        }
    }

    fn finish(
        &self,
        mut response: Response<Content>,
        exchange: Option<Exchange>,
    ) -> Response<Tracked> {
        let fields = response.headers_mut();
        fields.insert(X_ORIGIN.clone(), self.shared.field.clone());
        if self.head.method == Method::HEAD {
            // Announces what GET would have (RFC 9110 section 9.3.2); the body itself must go, as
            // hyper would otherwise drop it half read and the exchange would seem cancelled.
            let content = std::mem::replace(response.body_mut(), Content::EMPTY);
            let length = content.length();
            if let Some(length) = length.filter(|length| *length > 0) {
                response
                    .headers_mut()
                    .insert(CONTENT_LENGTH, HeaderValue::from(length));
            }
        }
        response.map(|content| Tracked::new(content, exchange))
    }
}
