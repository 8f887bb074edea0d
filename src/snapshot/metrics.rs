//! How does the written section `metrics` become settings?

use crate::config::{Diagnostic, Diagnostics, Metrics as Written, Spanned, Timespan};
use crate::telemetry::metrics::Settings;

/// More buckets would be more series for each route than tell anything.
const MOST: usize = 50;

/// Compiles the section; what is wrong with it is reported.
pub(super) fn compile(written: &Written, diagnostics: &mut Diagnostics) -> Settings {
    let buckets = &written.buckets;
    Settings {
        request: bounds("request", &buckets.request, diagnostics),
        connect: bounds("connect", &buckets.connect, diagnostics),
        first_byte: bounds("first_byte", &buckets.first_byte, diagnostics),
        queue: bounds("queue", &buckets.queue, diagnostics),
        endpoints: usize::try_from(written.endpoints.value).unwrap_or(usize::MAX),
    }
}

/// In seconds.
fn bounds(
    key: &str,
    written: &Spanned<Vec<Spanned<Timespan>>>,
    diagnostics: &mut Diagnostics,
) -> Vec<f64> {
    let key = format!("metrics.buckets.{key}");
    let count = written.len();
    if count == 0 || count > MOST {
        let problem = match count {
            0 => "there is no bound".to_owned(),
            _ => format!("{count} bounds are too many"),
        };
        diagnostics.push(
            Diagnostic::error(&key, problem)
                .at(written.position.clone())
                .hint(format!("give 1 to {MOST}, such as `[10ms, 100ms, 1s]`")),
        );
    }
    let mut before = None;
    let mut seconds = Vec::with_capacity(count);
    for (index, bound) in written.iter().enumerate() {
        let length = bound.as_duration().as_secs_f64();
        let problem = match before {
            _ if length <= 0.0 => Some(("nothing takes no time", "begin with 1ms, for instance")),
            Some(before) if length <= before => Some((
                "is not longer than the bound before it",
                "write them from short to long, each once",
            )),
            _ => None,
        };
        if let Some((message, hint)) = problem {
            diagnostics.push(
                Diagnostic::error(format!("{key}[{index}]"), message)
                    .at(bound.position.clone())
                    .hint(hint.to_owned()),
            );
        }
        before = Some(length);
        seconds.push(length);
    }
    seconds
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_usual_without_a_configuration_is_what_the_configuration_says_by_default() {
        let mut diagnostics = Diagnostics::default();
        let settings = compile(&Written::default(), &mut diagnostics);
        assert_eq!(settings, Settings::default());
        assert!(!diagnostics.has_errors());
    }
}
