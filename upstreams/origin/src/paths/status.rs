//! Which answers are chosen for their status?

use std::sync::atomic::{AtomicU64, Ordering};

use http::{Response, StatusCode};

use super::{Answer, Answered, Unusable, parse};
use crate::answer::Content;

/// Ratios are kept in millionths, so that the share is exact after that many requests.
const MILLION: u64 = 1_000_000;

/// `/status/CODE`. A final status only: interim ones (1xx) are for a [`crate::RawOrigin`].
pub(super) fn fixed(code: &str) -> Answered {
    let number: u16 = parse(code, "a status code")?;
    let status = StatusCode::from_u16(number)
        .ok()
        .filter(|_| (200..=599).contains(&number))
        .ok_or_else(|| Unusable(format!("`{code}` is not between 200 and 599")))?;
    let mut response = Response::new(Content::EMPTY);
    *response.status_mut() = status;
    Ok(Answer::Response(response))
}

/// `/flaky/RATIO`, counted over all requests to `/flaky` of this origin.
pub(super) fn flaky(ratio: &str, requests: &AtomicU64) -> Answered {
    let share: f64 = parse(ratio, "a ratio")?;
    if !(0.0..=1.0).contains(&share) {
        return Err(Unusable(format!("`{ratio}` is not between 0 and 1")));
    }
    // In range by the check above, so the cast is exact.
    let millionths = (share * MILLION as f64).round() as u64;
    let earlier = requests.fetch_add(1, Ordering::Relaxed) % MILLION;
    Ok(if fails(earlier, millionths) {
        Answer::text(StatusCode::SERVICE_UNAVAILABLE, "flaky\n".to_owned())
    } else {
        Answer::text(StatusCode::OK, "steady\n".to_owned())
    })
}

/// Whether the request after `earlier` ones crosses the next whole failure.
fn fails(earlier: u64, millionths: u64) -> bool {
    (earlier + 1) * millionths / MILLION > earlier * millionths / MILLION
}

/// `/reject-expect`
pub(super) fn expectation_failed() -> Answer {
    let mut response = Response::new(Content::EMPTY);
    *response.status_mut() = StatusCode::EXPECTATION_FAILED;
    Answer::Response(response)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_are_evenly_spread_and_exact() {
        let pattern = |share: u64, n: u64| -> String {
            (0..n)
                .map(|earlier| if fails(earlier, share) { 'x' } else { '.' })
                .collect()
        };
        assert_eq!(pattern(250_000, 8), "...x...x");
        assert_eq!(pattern(0, 4), "....");
        assert_eq!(pattern(MILLION, 4), "xxxx");
        let failed = (0..1000).filter(|n| fails(*n, 333_000)).count();
        assert_eq!(failed, 333);
    }

    #[test]
    fn a_ratio_outside_of_0_to_1_is_refused() {
        for ratio in ["", "1.1", "-0.1", "NaN", "inf", "half"] {
            assert!(flaky(ratio, &AtomicU64::new(0)).is_err(), "{ratio}");
        }
    }

    #[test]
    fn an_interim_or_impossible_status_is_refused() {
        for code in ["", "100", "199", "600", "99999", "ok"] {
            assert!(fixed(code).is_err(), "{code}");
        }
    }
}
