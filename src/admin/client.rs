//! How does the command line ask a running process?

use std::io;
use std::path::PathBuf;

use bytes::Bytes;
use http::header::{HOST, USER_AGENT};
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde::de::DeserializeOwned;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};

use crate::config::Diagnostics;
use crate::pool::Address;
use crate::server::directory::Directory;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// Nobody is there.
    #[error(
        "no running Portcullis was reached: {0}; if it runs, name its control socket with `--at unix:/path`, or use signals"
    )]
    Unreached(String),
    /// It ended, or did not answer in the way it should.
    #[error("no answer: {0}")]
    NoAnswer(String),
    /// It refused.
    #[error("{}", .0.trim_end())]
    Refused(String),
}

/// Where a running process may be.
#[derive(Clone, Debug)]
pub enum Place {
    /// At its admin listener, or a control socket.
    At(Address),
    /// At the control socket in one of these directories, unless what is wrong with the configuration hides another.
    In(Vec<Directory>, Diagnostics),
}

impl Place {
    /// Asks, and gives status code and body. Waits for as long as it takes.
    ///
    /// # Errors
    ///
    /// See [`AskError`].
    pub fn ask(&self, path: &str, body: Vec<u8>) -> Result<(StatusCode, Bytes), AskError> {
        self.send(&Method::POST, path, body)
    }

    /// Asks for something that changes nothing, and gives status code and body.
    ///
    /// # Errors
    ///
    /// See [`AskError`].
    pub fn look(&self, path: &str) -> Result<(StatusCode, Bytes), AskError> {
        self.send(&Method::GET, path, Vec::new())
    }

    fn send(
        &self,
        method: &Method,
        path: &str,
        body: Vec<u8>,
    ) -> Result<(StatusCode, Bytes), AskError> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_io()
            .build()
            .map_err(|error| AskError::NoAnswer(error.to_string()))?;
        runtime.block_on(async {
            match self {
                Self::At(Address::Inet(address)) => match TcpStream::connect(address).await {
                    Ok(stream) => exchange(stream, method, path, body).await,
                    Err(error) => Err(AskError::Unreached(format!("{address}: {error}"))),
                },
                Self::At(Address::Unix(socket)) => {
                    let stream = first(std::slice::from_ref(&**socket)).await?;
                    exchange(stream, method, path, body).await
                }
                Self::In(directories, wrong) => {
                    let sockets: Vec<PathBuf> =
                        directories.iter().map(Directory::control).collect();
                    let stream = first(&sockets).await.map_err(|error| match error {
                        AskError::Unreached(places) if wrong.has_errors() => {
                            AskError::Unreached(format!("{places}\n{wrong}"))
                        }
                        error => error,
                    })?;
                    exchange(stream, method, path, body).await
                }
            }
        })
    }
}

/// Reads an answer in JSON; one of another status than these is a refusal in words.
///
/// # Errors
///
/// It refused, or the answer can't be read.
pub fn read<T: DeserializeOwned>(
    (status, body): (StatusCode, Bytes),
    expected: &[StatusCode],
) -> Result<T, AskError> {
    if !expected.contains(&status) {
        return Err(AskError::Refused(
            String::from_utf8_lossy(&body).into_owned(),
        ));
    }
    serde_json::from_slice(&body).map_err(|error| AskError::NoAnswer(error.to_string()))
}

/// A connection to the first of the sockets at which somebody listens.
async fn first(sockets: &[PathBuf]) -> Result<UnixStream, AskError> {
    let mut problems = Vec::new();
    for socket in sockets {
        match UnixStream::connect(socket).await {
            Ok(stream) => return Ok(stream),
            Err(error) => problems.push(format!("{}: {error}", socket.display())),
        }
    }
    Err(AskError::Unreached(problems.join("; ")))
}

async fn exchange<S>(
    stream: S,
    method: &Method,
    path: &str,
    body: Vec<u8>,
) -> Result<(StatusCode, Bytes), AskError>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let no_answer = |error: &dyn std::fmt::Display| AskError::NoAnswer(error.to_string());
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream))
        .await
        .map_err(|error| no_answer(&error))?;
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header(HOST, "localhost")
        .header(
            USER_AGENT,
            concat!("portcullis/", env!("CARGO_PKG_VERSION")),
        )
        .body(Full::<Bytes>::from(body))
        .map_err(|error| no_answer(&io::Error::other(error)))?;
    let ask = async {
        let response = sender.send_request(request).await?;
        let status = response.status();
        Ok((status, response.into_body().collect().await?.to_bytes()))
    };
    let mut ask = std::pin::pin!(ask);
    let mut connection = std::pin::pin!(connection);
    let mut open = true;
    let answer: hyper::Result<(StatusCode, Bytes)> = loop {
        tokio::select! {
            answer = &mut ask => break answer,
            ended = &mut connection, if open => {
                open = false;
                if let Err(error) = ended {
                    log::debug!("{error}");
                }
            }
        }
    };
    answer.map_err(|error| no_answer(&error))
}
