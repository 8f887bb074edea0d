//! What is asked for, and what came with it?

use std::time::Duration;

use bytes::Bytes;
use http::{Request, StatusCode, Uri};
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;

use super::reply::{Answer, text};
use crate::route::parameter as parameter_of;

/// How long a body may take, as a whole.
const BODY_TIME: Duration = Duration::from_secs(10);

/// What can be asked for.
#[derive(Clone, Copy)]
pub enum Ask {
    Metrics,
    Alive,
    Ready,
    Pools,
    Cache,
    Purge,
    Reload,
    Drain,
    Undrain,
    DrainEndpoint,
    UndrainEndpoint,
    Compare,
    Check,
    Upgrade,
}

impl Ask {
    /// What this path asks for; `None` if it is nothing.
    pub fn of(path: &str) -> Option<Self> {
        Some(match path {
            "/metrics" => Self::Metrics,
            "/livez" => Self::Alive,
            "/readyz" => Self::Ready,
            "/pools" => Self::Pools,
            "/cache" => Self::Cache,
            "/cache/purge" => Self::Purge,
            "/reload" => Self::Reload,
            "/drain" => Self::Drain,
            "/undrain" => Self::Undrain,
            "/endpoints/drain" => Self::DrainEndpoint,
            "/endpoints/undrain" => Self::UndrainEndpoint,
            "/compare" => Self::Compare,
            "/check" => Self::Check,
            "/upgrade" => Self::Upgrade,
            _ => return None,
        })
    }

    /// Whether it is more than a look.
    pub const fn changes(self) -> bool {
        !matches!(
            self,
            Self::Metrics | Self::Alive | Self::Ready | Self::Pools | Self::Cache
        )
    }
}

/// All of a body of so many bytes at most, or what is answered instead.
pub async fn body(request: Request<Incoming>, most: usize) -> Result<Bytes, Box<Answer>> {
    let body = Limited::new(request.into_body(), most).collect();
    match tokio::time::timeout(BODY_TIME, body).await {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) => Err(Box::new(text(
            StatusCode::BAD_REQUEST,
            format!("the body can't be read: {error}\n"),
        ))),
        Err(_) => Err(Box::new(text(
            StatusCode::REQUEST_TIMEOUT,
            "the body took too long\n",
        ))),
    }
}

/// The value of a parameter of the query.
pub fn parameter(uri: &Uri, name: &str) -> Option<String> {
    parameter_of(uri.query()?, name)
}
