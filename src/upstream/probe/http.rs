//! How is an endpoint asked over HTTP?

use std::pin::pin;

use bytes::{Buf, Bytes};
use http::header::{CONNECTION, HOST};
use http::{HeaderValue, Request, Response, Uri};
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};

use super::{Tasks, Wire, beside, broken, scheme};
use crate::pool::health::check::{Failure, HttpQuestion};
use crate::upstream::connection::EndpointConnection;

/// How much of a body is looked at, in bytes. What comes after it is not read.
const LOOKED_AT: usize = 64 << 10;

/// The largest header of an answer, in bytes.
const LARGEST_HEAD: usize = 64 << 10;

/// Asks once, on this connection.
pub(super) async fn ask(
    connection: EndpointConnection,
    question: &HttpQuestion,
    host: &HeaderValue,
    tls: bool,
) -> Result<(), Failure> {
    let wire = Wire::new(connection);
    let mut request = Request::new(Empty::<Bytes>::new());
    *request.method_mut() = question.method.clone();
    request.headers_mut().clone_from(&question.headers);
    if question.http2 {
        *request.uri_mut() = absolute(&question.path, host, tls)?;
        // Dropped last, and everything that runs in it with it.
        let tasks = Tasks::default();
        let (mut sender, connection) = http2::handshake(tasks.clone(), wire)
            .await
            .map_err(|error| broken(&error))?;
        let exchange = async {
            let answer = sender.send_request(request).await;
            judge(question, answer.map_err(|error| broken(&error))?).await
        };
        beside(connection, exchange).await
    } else {
        *request.uri_mut() = question.path.clone();
        let headers = request.headers_mut();
        headers.insert(HOST, host.clone());
        headers.insert(CONNECTION, HeaderValue::from_static("close"));
        let (mut sender, connection) = http1::Builder::new()
            .max_buf_size(LARGEST_HEAD)
            .handshake(wire)
            .await
            .map_err(|error| broken(&error))?;
        let exchange = async {
            let answer = sender.send_request(request).await;
            judge(question, answer.map_err(|error| broken(&error))?).await
        };
        beside(connection, exchange).await
    }
}

async fn judge(question: &HttpQuestion, answer: Response<Incoming>) -> Result<(), Failure> {
    if !question.accepts(answer.status()) {
        return Err(Failure::Status(answer.status().as_u16()));
    }
    match &question.body {
        None => Ok(()),
        Some(rule) => {
            let body = beginning(answer.into_body(), LOOKED_AT).await?;
            rule.accepts(&body).then_some(()).ok_or(Failure::Body)
        }
    }
}

/// The first bytes of a body, `most` of them.
async fn beginning(body: Incoming, most: usize) -> Result<Vec<u8>, Failure> {
    let mut body = pin!(body);
    let mut read = Vec::new();
    while read.len() < most {
        let Some(frame) = body.frame().await else {
            break;
        };
        if let Ok(mut piece) = frame.map_err(|error| broken(&error))?.into_data() {
            let wanted = piece.remaining().min(most - read.len());
            read.extend_from_slice(&piece.split_to(wanted));
        }
    }
    Ok(read)
}

/// The URI that HTTP/2 wants: with scheme and authority.
pub(super) fn absolute(path: &Uri, host: &HeaderValue, tls: bool) -> Result<Uri, Failure> {
    let whole = Uri::builder()
        .scheme(scheme(tls))
        .authority(host.as_bytes())
        .path_and_query(path.path_and_query().map_or("/", |path| path.as_str()))
        .build();
    whole.map_err(|error| Failure::Broken(error.to_string()))
}
