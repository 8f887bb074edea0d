//! Does a long response of events come in order, and to its end?

use std::sync::Arc;
use std::time::Duration;

use super::AFTER_FAILURE;
use super::book::{Entry, Page, What};
use super::door::Door;
use super::expected::check_status;
use super::http1::{Line, piece};
use crate::support::{full, request};

/// How many events one response has, 50 milliseconds apart.
const EVENTS: u64 = 60;

/// Listens to one response after the other.
pub async fn keep_listening(door: Arc<Door>, page: Page) {
    let mut pause = Duration::ZERO;
    let mut line = Line::new(Arc::clone(&door));
    while page.goes_on(pause).await {
        pause = AFTER_FAILURE;
        let asked = request("GET", &format!("/sse?n={EVENTS}&ms=50")).body(full(""));
        let asked = asked.expect("a request");
        let Some((entry, response)) = line.ask(&page, asked).await else {
            continue;
        };
        match listen(&entry, response).await {
            Ok(()) => {
                pause = Duration::ZERO;
                entry.done();
            }
            Err(what) => {
                entry.settle(Err(what));
                line = Line::new(Arc::clone(&door));
            }
        }
    }
}

async fn listen(
    entry: &Entry,
    response: http::Response<hyper::body::Incoming>,
) -> Result<(), What> {
    check_status(response.status(), response.headers())?;
    let mut body = response.into_body();
    let (mut pending, mut number) = (Vec::new(), 0);
    while let Some(piece) = piece(&mut body).await? {
        pending.extend_from_slice(&piece);
        loop {
            let event = format!("id: {number}\ndata: event {number}\n\n").into_bytes();
            if pending.starts_with(&event) {
                pending.drain(..event.len());
                entry.message();
                number += 1;
            } else if event.starts_with(&pending) {
                break;
            } else {
                let shown = String::from_utf8_lossy(&pending);
                return Err(What::Wrong(format!("{shown:?} as event {number}")));
            }
        }
    }
    if number == EVENTS && pending.is_empty() {
        Ok(())
    } else {
        // The framing says that it is whole, and yet it is not.
        let more = format!("{number} of {EVENTS} events, then {pending:?}");
        Err(What::CutShort(more))
    }
}
