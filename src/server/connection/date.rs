//! How does an answer keep the date that it was made at?
//!
//! A date is for the proxy to add where there is none (RFC 9110 §6.6.1), and caches behind it count from the one that is
//! there (RFC 9111 §4.2.1, §4.2.3). Pingora's sessions write the time of sending into every answer instead. But a date is
//! always as long as any other, so the connection writes the right one over it, in the header that waits to be sent. Of
//! HTTP/2 the connection sees only compressed headers that refer to each other; there Pingora's word stays.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::cache::rules::date;

/// The date of the answer that is about to be sent, in seconds since 1970; 0 if it is Pingora's to say.
#[derive(Debug, Default)]
pub(super) struct Date(AtomicU64);

impl Date {
    /// Notes it.
    pub(super) fn keep(&self, made: Option<SystemTime>) {
        let since = made.and_then(|made| made.duration_since(UNIX_EPOCH).ok());
        self.0
            .store(since.map_or(0, |since| since.as_secs()), Ordering::Relaxed);
    }

    /// Gives it once.
    pub(super) fn take(&mut self) -> Option<SystemTime> {
        let seconds = std::mem::take(self.0.get_mut());
        (seconds > 0).then(|| UNIX_EPOCH + Duration::from_secs(seconds))
    }
}

/// Writes a date over the one in an answer's header, which must be there whole.
pub(super) fn overwrite(header: &mut [u8], made: SystemTime) {
    const NAME: &[u8] = b"date: ";
    if !header.starts_with(b"HTTP/1.") {
        return;
    }
    let date = date::write(made);
    let mut at = 0;
    while let Some(end) = memchr::memchr(b'\n', &header[at..]) {
        at += end + 1;
        let line = &header[at..];
        if line.starts_with(b"\r\n") {
            return;
        }
        let begin = at + NAME.len();
        let is_date = line
            .get(..NAME.len())
            .is_some_and(|name| name.eq_ignore_ascii_case(NAME));
        if is_date
            && header[begin..].get(date.len()..date.len() + 2) == Some(&b"\r\n"[..])
            && let Some(place) = header.get_mut(begin..begin + date.len())
        {
            place.copy_from_slice(&date);
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made() -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(784_111_777)
    }

    fn written(header: &str) -> String {
        let mut header = header.as_bytes().to_vec();
        overwrite(&mut header, made());
        String::from_utf8(header).expect("text")
    }

    #[test]
    fn rfc9110_6_6_1_the_date_of_a_header_is_written_over_and_nothing_else() {
        let now = "Fri, 21 Nov 2026 20:00:00 GMT";
        let then = "Sun, 06 Nov 1994 08:49:37 GMT";
        let header = |name: &str, date: &str| {
            format!(
                "HTTP/1.1 200 OK\r\nLast-Modified: {now}\r\nX-Date: {now}\r\n{name}: {date}\r\nContent-Length: 9\r\n\r\n\
                 date: {now}\r\n"
            )
        };
        for name in ["Date", "date"] {
            assert_eq!(written(&header(name, now)), header(name, then));
        }
    }

    #[test]
    fn a_header_without_a_date_of_that_length_stays_as_it_is() {
        let now = "Fri, 21 Nov 2026 20:00:00 GMT";
        for header in [
            "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n".to_owned(),
            "HTTP/1.1 200 OK\r\nDate: now\r\n\r\n".to_owned(),
            format!("HTTP/1.1 200 OK\r\nDate: {now}"),
            format!("HTTP/1.1 200 OK\r\nDate: {now}, {now}\r\n\r\n"),
            format!("HTTP/1.1 200 OK\r\n\r\nDate: {now}\r\n"),
            format!("a body\r\nDate: {now}\r\n"),
            String::new(),
        ] {
            assert_eq!(written(&header), header);
        }
    }

    #[test]
    fn it_is_taken_once_and_what_is_before_1970_is_none() {
        let mut date = Date::default();
        assert_eq!(date.take(), None);
        date.keep(Some(made()));
        assert_eq!((date.take(), date.take()), (Some(made()), None));
        date.keep(Some(made()));
        date.keep(None);
        assert_eq!(date.take(), None);
        date.keep(UNIX_EPOCH.checked_sub(Duration::from_secs(1)));
        assert_eq!(date.take(), None);
    }
}
