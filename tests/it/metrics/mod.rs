//! Do the metrics tell what happens, in a form that every scraper reads, and nothing that a client could choose?

mod bounded;
mod connections;
mod exposition;
mod settings;

use exposition::Exposition;

use crate::support::*;

/// What `/metrics` says now, read as a scraper does; panics where it is not well-formed.
async fn scrape(portcullis: &Portcullis) -> Exposition {
    let response = Raw::connect(portcullis.admin()).await.get("/metrics").await;
    assert_eq!(response.status, 200);
    Exposition::parse(&response.text())
}

/// Waits until a series, or all that begin so, have this value together.
async fn becomes(portcullis: &Portcullis, series: &str, value: f64) {
    eventually(&format!("{series} {value}"), async || {
        portcullis.metric(series).await == value
    })
    .await;
}
