//! How are the metrics read, so that nobody notices?

use std::io;
use std::iter;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use http::HeaderMap;

use crate::policy::compress::{Coding, Encoder, negotiate};
use crate::server::process::Process;

/// The fastest of gzip: the text is so much alike that it takes a twentieth already.
const LEVEL: u8 = 1;

/// The metrics as text.
pub(super) struct Scraped {
    /// Every metric in the text format, coded or not.
    pub text: Bytes,
    /// In what coding it is.
    pub coding: Option<Coding>,
}

/// Reads them, coded if who asks takes that.
///
/// # Errors
///
/// The library for the coding fails.
pub(super) async fn scrape(process: &Arc<Process>, asked: &HeaderMap) -> io::Result<Scraped> {
    let coding = negotiate(asked, iter::once(Coding::Gzip));
    // One after the other: with many endpoints it is work for some hundredths of a second, and many who ask at once would
    // take the processors from the requests.
    let scraping = Arc::clone(&process.askers.scraping);
    let turn = scraping.acquire_owned().await.map_err(io::Error::other)?;
    let process = Arc::clone(process);
    // Not on this thread: probes, checks and look-ups go on meanwhile. Requests have threads of their own. It goes on when
    // who has asked leaves, so the turn is its own.
    tokio::task::spawn_blocking(move || {
        let _turn = turn;
        let text = text(&process);
        let Some(coding) = coding else {
            let text = text.into();
            return Ok(Scraped { text, coding: None });
        };
        let mut encoder = Encoder::new(coding, LEVEL, Some(text.len() as u64))?;
        let mut coded = encoder.push(&text)?.to_vec();
        coded.extend_from_slice(&encoder.finish()?);
        Ok(Scraped {
            text: coded.into(),
            coding: Some(coding),
        })
    })
    .await?
}

fn text(process: &Process) -> Vec<u8> {
    let now = Instant::now();
    for pool in &process.snapshot.load().pools {
        // No request may have asked since its endpoints fell ill or recovered.
        pool.recount_health(now);
    }
    let state = &process.state;
    let kept = state.cache.report(state.flights.len());
    state.metrics.cache.read(&kept);
    let mut text = Vec::new();
    state.metrics.render(&mut text);
    text
}
