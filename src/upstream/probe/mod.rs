//! Is an endpoint well? It is asked as requests ask it: over the same kind of socket, with the same TLS settings, and on
//! a connection that is the check's own and closed after it.

mod grpc;
mod http;

use std::future::Future;
use std::io;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};

use ::http::HeaderValue;
use tokio::task::JoinSet;

use super::PeerTls;
use super::connect::{ConnectError, open};
use super::connection::EndpointConnection;
use crate::pool::health::check::{Check, Failure, Question, host_for};
use crate::pool::{Address, Endpoint};

/// A check of one endpoint, ready to be asked again and again.
#[derive(Clone)]
pub struct Probe {
    check: Check,
    address: Address,
    tls: Option<PeerTls>,
    host: HeaderValue,
}

impl Probe {
    /// What `check` asks this endpoint.
    pub fn new(check: &Check, endpoint: &Endpoint) -> Self {
        let host = match &check.question {
            Question::Http(question) => host_for(&question.host, endpoint),
            Question::Grpc { host, .. } => host_for(host, endpoint),
            Question::Tcp => endpoint.host.clone(),
        };
        Self {
            address: check.place.of(endpoint.address()),
            tls: endpoint.peer.tls.clone().filter(|_| check.tls),
            host,
            check: check.clone(),
        }
    }

    /// What is asked, and how often.
    pub fn check(&self) -> &Check {
        &self.check
    }

    /// Asks once.
    ///
    /// # Errors
    ///
    /// A [`Failure`]: why the check was not passed.
    pub async fn ask(&self) -> Result<(), Failure> {
        let limit = self.check.timeout;
        match tokio::time::timeout(limit, self.ask_patiently()).await {
            Ok(result) => result,
            Err(_) => Err(Failure::Timeout(limit)),
        }
    }

    async fn ask_patiently(&self) -> Result<(), Failure> {
        let opened = open(&self.address, self.tls.as_ref()).await;
        let connection = opened.map_err(|error| match error {
            ConnectError::Connect(error) => Failure::Connect(in_words(&error)),
            ConnectError::Tls(error) => Failure::Tls(error.to_string()),
            ConnectError::Timeout(limit) => Failure::Timeout(limit),
        })?;
        match &self.check.question {
            Question::Tcp => Ok(()),
            Question::Http(question) => {
                http::ask(connection, question, &self.host, self.tls.is_some()).await
            }
            Question::Grpc { service, .. } => {
                let (host, tls) = (&self.host, self.tls.is_some());
                grpc::ask(connection, service, host, tls, self.check.timeout).await
            }
        }
    }
}

/// The system's word without its number.
pub(super) fn in_words(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => "connection refused".to_owned(),
        io::ErrorKind::ConnectionReset => "connection reset".to_owned(),
        io::ErrorKind::NotFound => "no such socket".to_owned(),
        _ => error.to_string(),
    }
}

/// What the HTTP library says, down to the cause.
fn broken(error: &hyper::Error) -> Failure {
    let mut said = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(deeper) = cause {
        said = format!("{said}: {deeper}");
        cause = deeper.source();
    }
    Failure::Broken(said)
}

/// What an exchange gives, while the connection it needs is driven along.
pub(super) async fn beside<T>(connection: impl Future, exchange: impl Future<Output = T>) -> T {
    let (mut connection, mut exchange) = (pin!(connection), pin!(exchange));
    tokio::select! {
        given = &mut exchange => given,
        // It may end when the answer has been read from it in full.
        _ = &mut connection => exchange.await,
    }
}

/// Runs what HTTP/2 needs beside an exchange, and ends it when the check ends.
#[derive(Clone, Default)]
struct Tasks(Arc<Mutex<JoinSet<()>>>);

impl<F: Future<Output = ()> + Send + 'static> hyper::rt::Executor<F> for Tasks {
    fn execute(&self, task: F) {
        let mut tasks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        tasks.spawn(task);
    }
}

/// The `http` or `https` of a URI.
fn scheme(tls: bool) -> &'static str {
    if tls { "https" } else { "http" }
}

/// A connection to ask over.
type Wire = hyper_util::rt::TokioIo<EndpointConnection>;
