//! Which numbers make no sense, whatever they are for?

use crate::config::units::{Percent, StatusRange};
use crate::config::{Spanned, Timespan};
use crate::snapshot::reporter::Reporter;

/// Reports a count of 0.
pub(super) fn at_least_one(key: &str, count: &Spanned<u32>, reporter: &mut Reporter<'_>) {
    if count.value == 0 {
        reporter.error(key, count, "0 is too few", Some("give 1 or more"));
    }
}

/// The hint where a key that is not there has no effect.
pub(super) const WITHOUT: &str = "leave the key out if it is to have no effect";

/// Reports a percentage of 0.
pub(super) fn not_zero(
    key: &str,
    percent: &Spanned<Percent>,
    hint: &str,
    reporter: &mut Reporter<'_>,
) {
    if percent.value.get() == 0 {
        let message = "0 is not a percentage from 1 to 100";
        reporter.error(key, percent, message, Some(hint));
    }
}

/// The status codes that a text in a list of failures means, which are from 400 to 599. Reported is what means none; with
/// the caller's words about it, and its hint, if it was not meant as a status code either.
pub(super) fn failing<T>(
    key: &str,
    at: &Spanned<T>,
    text: &str,
    (strange, words): (&str, &str),
    reporter: &mut Reporter<'_>,
) -> Option<StatusRange> {
    let (message, hint) = match text.parse::<StatusRange>() {
        Ok(range) if *range.codes().start() >= 400 => return Some(range),
        Ok(range) => {
            let message = format!("`{range}` has answers below 400, which are no failures");
            (message, CODES.to_owned())
        }
        Err(error) if text.starts_with(|first: char| first.is_ascii_digit()) => {
            let class = StatusRange::class(text).filter(|class| *class.codes().start() >= 400);
            let hint = class.map_or_else(|| CODES.to_owned(), |class| format!("write `{class}`"));
            (error.message, hint)
        }
        Err(_) => (
            format!("`{}` {strange}", text.escape_debug()),
            words.to_owned(),
        ),
    };
    reporter.error(key, at, message, Some(&hint));
    None
}

/// The hint for a text that was meant as a status code.
const CODES: &str = "give status codes from 400 to 599, as 503 or `502-504`";

/// Reports a time of 0, and one too short to be measured.
pub(super) fn some_time(key: &str, time: &Spanned<Timespan>, reporter: &mut Reporter<'_>) {
    if time.as_duration().as_millis() == 0 {
        reporter.error(
            key,
            time,
            "the time is shorter than a millisecond",
            Some("give a time as `10s`"),
        );
    }
}

/// Reports a time that is longer than its limit, which the hint names.
pub(super) fn no_longer_than(
    key: &str,
    time: &Spanned<Timespan>,
    limit_key: &str,
    limit: &Spanned<Timespan>,
    reporter: &mut Reporter<'_>,
) {
    if time.value > limit.value {
        // The one that was written stands somewhere; the other may be a default.
        let at = if limit.position.is_some() {
            limit
        } else {
            time
        };
        let message = format!(
            "{} is longer than `{limit_key}`, which is {}",
            time.value, limit.value
        );
        let hint = format!("give `{limit_key}` as {} or longer", time.value);
        reporter.error(key, at, message, Some(&hint));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Diagnostics;

    /// What a text means, and what is told about it.
    fn told(text: &str) -> (Option<StatusRange>, Vec<String>) {
        let mut diagnostics = Diagnostics::default();
        let name = Spanned::new("app".to_owned());
        let mut reporter = Reporter::new("pools", &name, &mut diagnostics);
        let strange = ("is strange", "write something else");
        let range = failing("on[0]", &name, text, strange, &mut reporter);
        assert_eq!(reporter.failed(), range.is_none(), "{text}");
        let told = diagnostics.iter().map(|one| one.message.clone());
        (range, told.collect())
    }

    #[test]
    fn codes_at_which_something_failed_are_from_400_to_599() {
        for (text, first, last) in [
            ("400", 400, 400),
            ("599", 599, 599),
            ("500-599", 500, 599),
            ("500 - 599", 500, 599),
        ] {
            assert_eq!(told(text), (Some(StatusRange::new(first, last)), vec![]));
        }
    }

    #[test]
    fn what_was_meant_as_a_code_is_told_apart_from_what_was_not() {
        for (text, part) in [
            ("399", "`399` has answers below 400"),
            ("304-504", "`304-504` has answers below 400"),
            ("5xx", "\"5xx\" is not a status code"),
            ("0503", "\"0503\" is not a status code"),
            ("600", "codes go from 100 to 599"),
            ("500-", "codes go from 100 to 599"),
            ("500-501-502", "codes go from 100 to 599"),
            ("599-500", "it ends before it begins"),
            ("", "`` is strange"),
            ("-500", "`-500` is strange"),
            ("conect\n", "`conect\\n` is strange"),
        ] {
            let (range, messages) = told(text);
            assert_eq!((range, messages.len()), (None, 1), "{text}");
            assert!(messages[0].contains(part), "{text}: {messages:?}");
        }
    }
}
