//! Which answers take their time?

use std::iter;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderValue, Response};

use super::fields::pairs;
use super::{Answer, Answered, Unusable, parse};
use crate::answer::{Content, Released, Step};

/// Pause between events unless `ms` says otherwise.
const EVENTS_EVERY: Duration = Duration::from_millis(100);

/// `/delay/MS`
pub(super) fn delay(wait: &str) -> Answered {
    let response = Response::new(Content::Whole(Bytes::from_static(b"at last\n")));
    Ok(Answer::After(milliseconds(wait)?, response))
}

/// `/delay-body/MS`
pub(super) fn delay_body(wait: &str) -> Answered {
    Answer::ok(Content::steps([
        Step::Pause(milliseconds(wait)?),
        Step::Send(Bytes::from_static(b"at last\n")),
    ]))
}

/// `/held`
pub(super) fn held(released: Released) -> Answered {
    let response = Response::new(Content::Whole(Bytes::from_static(b"at last\n")));
    Ok(Answer::Held(released, response))
}

/// `/held-body`
pub(super) fn held_body(released: Released) -> Answered {
    Answer::ok(Content::steps([
        Step::Send(Bytes::from_static(b"so far\n")),
        Step::Until(released),
        Step::Send(Bytes::from_static(b"at last\n")),
    ]))
}

/// `/hang-body`
pub(super) fn hang_body() -> Answered {
    Answer::ok(Content::steps([
        Step::Send(Bytes::from_static(b"so far\n")),
        Step::Hang,
    ]))
}

/// `/drip/N/MS`
pub(super) fn drip(arguments: &str) -> Answered {
    let (count, wait) = arguments
        .split_once('/')
        .ok_or_else(|| Unusable("use /drip/N/MS".to_owned()))?;
    let count = parse(count, "a number of chunks")?;
    let drops = paced(count, milliseconds(wait)?, |_| Bytes::from_static(b"."));
    Answer::ok(Content::script(None, Box::new(drops)))
}

/// `/sse?n=N&ms=MS`
pub(super) fn events(query: &str) -> Answered {
    let (mut count, mut wait) = (0, EVENTS_EVERY);
    for (name, value) in pairs(query) {
        match name {
            "n" => count = parse(value, "a number of events")?,
            "ms" => wait = milliseconds(value)?,
            _ => return Err(Unusable(format!("`{name}` is neither `n` nor `ms`"))),
        }
    }
    let count = if count == 0 { u64::MAX } else { count };
    let events = paced(count, wait, |id| {
        Bytes::from(format!("id: {id}\ndata: event {id}\n\n"))
    });
    let mut response = Response::new(Content::script(None, Box::new(events)));
    let fields = response.headers_mut();
    fields.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    fields.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    Ok(Answer::Response(response))
}

/// `count` chunks numbered from 0, the first at once and the others `wait` apart.
fn paced(count: u64, wait: Duration, chunk: fn(u64) -> Bytes) -> impl Iterator<Item = Step> {
    (0..count).flat_map(move |number| {
        let pause = (number > 0).then_some(Step::Pause(wait));
        pause
            .into_iter()
            .chain(iter::once(Step::Send(chunk(number))))
    })
}

fn milliseconds(text: &str) -> Result<Duration, Unusable> {
    parse(text, "a number of milliseconds").map(Duration::from_millis)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paced_chunks_have_a_pause_between_but_none_at_the_ends() {
        let kinds: String = paced(3, Duration::from_millis(1), |_| Bytes::new())
            .map(|step| match step {
                Step::Send(_) => 's',
                Step::Pause(_) => 'p',
                _ => '?',
            })
            .collect();
        assert_eq!(kinds, "spsps");
    }

    #[test]
    fn arguments_that_are_no_numbers_are_refused() {
        assert!(drip("3").is_err());
        assert!(drip("x/1").is_err());
        assert!(delay("").is_err());
        assert!(events("n=many").is_err());
        assert!(events("count=1").is_err());
    }
}
