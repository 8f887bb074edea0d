//! What is asked and answered, and what becomes of it?

pub use std::time::{Duration, SystemTime, UNIX_EPOCH};

pub use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};

pub use super::fields;
pub use crate::cache::rules::*;

/// A second in September 2026.
pub fn now() -> SystemTime {
    UNIX_EPOCH + secs(1_789_302_400)
}

/// So many seconds after that.
pub fn at(seconds: i64) -> SystemTime {
    let distance = secs(seconds.unsigned_abs());
    if seconds < 0 {
        now() - distance
    } else {
        now() + distance
    }
}

/// [`at`] as a date.
pub fn date_at(seconds: i64) -> String {
    String::from_utf8_lossy(&date::write(at(seconds))).into_owned()
}

pub const fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// One question and its answer, and how a route stores.
pub struct Exchange {
    pub method: Method,
    pub asked: HeaderMap,
    pub identified: bool,
    pub status: StatusCode,
    pub answered: HeaderMap,
    pub requested: SystemTime,
    pub settings: Settings,
}

/// A plain `GET` that is answered with 200 and these fields, at once and [`now`].
pub fn answer(lines: &[(&'static str, &str)]) -> Exchange {
    Exchange {
        method: Method::GET,
        asked: HeaderMap::new(),
        identified: false,
        status: StatusCode::OK,
        answered: fields(lines),
        requested: now(),
        settings: Settings::default(),
    }
}

/// An answer with this `Cache-Control`.
pub fn saying(cache_control: &str) -> Exchange {
    answer(&[("cache-control", cache_control)])
}

impl Exchange {
    pub fn status(mut self, status: u16) -> Self {
        self.status = StatusCode::from_u16(status).expect("a status");
        self
    }

    pub fn method(mut self, method: Method) -> Self {
        self.method = method;
        self
    }

    pub fn asked(mut self, lines: &[(&'static str, &str)]) -> Self {
        self.asked = fields(lines);
        self
    }

    pub fn and(mut self, name: &'static str, value: &str) -> Self {
        let value = HeaderValue::from_str(value).expect("a value");
        self.answered.append(name, value);
        self
    }

    pub fn set(mut self, change: impl FnOnce(&mut Settings)) -> Self {
        change(&mut self.settings);
        self
    }

    pub fn keep(&self) -> Result<Terms, Refusal> {
        let asked = Asked {
            method: &self.method,
            fields: &self.asked,
            identified: self.identified,
        };
        let answered = Answered {
            status: self.status,
            fields: &self.answered,
            requested: self.requested,
            received: now(),
        };
        keep(&asked, &answered, &self.settings)
    }

    pub fn terms(&self) -> Terms {
        let kept = self.keep();
        kept.unwrap_or_else(|refusal| panic!("{:?}: {refusal:?}", self.answered))
    }

    pub fn refusal(&self) -> Option<Refusal> {
        self.keep().err()
    }

    /// What a request with this `Cache-Control` may do with it so many seconds later.
    pub fn used(&self, wishes: &str, later: i64) -> Use {
        usable(&self.terms(), &wishing(wishes), None, at(later))
    }

    /// Whether it is fresh for any client that many seconds later; what is not stored is not.
    pub fn is_fresh(&self, later: i64) -> bool {
        let used = |terms: Terms| usable(&terms, &Wishes::default(), None, at(later));
        self.keep().is_ok_and(|terms| used(terms) == Use::Fresh)
    }
}

/// What a request with this `Cache-Control` wishes.
pub fn wishing(cache_control: &str) -> Wishes {
    Wishes::read(&fields(&[("cache-control", cache_control)]))
}
