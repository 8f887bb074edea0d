//! Which answers end before they are complete, or are none at all?

use std::time::Duration;

use bytes::Bytes;

use super::{Answer, Answered, Asked, Unusable, sizes};
use crate::answer::{Content, Step, Steps};

/// The body of `/garbage`: not the start of any HTTP version.
pub(super) const GARBAGE: Bytes = Bytes::from_static(b"\x00\xffthis is not HTTP\r\n\r\n");

/// A reset stream loses what HTTP/2 has not sent yet, so the bytes are given this head start.
const BEFORE_RESET: Duration = Duration::from_millis(50);

/// `/close-mid/N`
pub(super) fn announced(size: &str, asked: &Asked) -> Answered {
    let length = sizes::parse_size(size)?;
    let promised = length
        .checked_mul(2)
        .filter(|promised| *promised > 0)
        .ok_or_else(|| Unusable(format!("twice `{size}` cannot be promised")))?;
    Answer::ok(Content::script(Some(promised), broken_off(length, asked)))
}

/// `/close-mid-chunked/N`
pub(super) fn chunked(size: &str, asked: &Asked) -> Answered {
    let length = sizes::parse_size(size)?;
    Answer::ok(Content::script(None, broken_off(length, asked)))
}

fn broken_off(length: u64, asked: &Asked) -> Steps {
    let sent = sizes::pages(length, false).map(Step::Send);
    Box::new(sent.chain(break_off(asked)))
}

/// The end of an answer that is not complete.
pub(super) fn break_off(asked: &Asked) -> Vec<Step> {
    if asked.is_http2() {
        vec![Step::Pause(BEFORE_RESET), Step::Fail]
    } else {
        vec![Step::Cut(asked.line.clone())]
    }
}
