//! Why does another configuration not take over?

use super::told;
use crate::admin::{ReloadReport, ReloadResult};
use crate::config::Diagnostics;
use crate::config::diagnostics::Severity;

/// What stands in the way of a reload.
#[derive(Debug)]
pub(super) enum Refusal {
    /// Something that is not in the configuration.
    Failed(&'static str),
    /// It has errors, or what it names can't be had. There may be warnings beside them.
    Wrong(Diagnostics),
    /// These settings take a new process.
    NeedsUpgrade(Vec<String>),
}

impl Refusal {
    /// All of it, for who asked; this generation stays in force.
    pub(super) fn report(&self, generation: u64) -> ReloadReport {
        let rejected = told::report(ReloadResult::Rejected, generation);
        match self {
            Self::Failed(why) => ReloadReport {
                diagnostics: vec![(*why).to_owned()],
                ..rejected
            },
            Self::Wrong(diagnostics) => ReloadReport {
                diagnostics: told::lines(diagnostics),
                ..rejected
            },
            Self::NeedsUpgrade(settings) => ReloadReport {
                needs_upgrade: settings.clone(),
                ..told::report(ReloadResult::NeedsUpgrade, generation)
            },
        }
    }

    /// The first of it, in one line.
    pub(super) fn in_short(&self) -> String {
        let (word, first, count) = match self {
            Self::Failed(why) => ("rejected", Some((*why).to_owned()), 1),
            Self::Wrong(diagnostics) => {
                // Warnings may come before what it was rejected for.
                let first = diagnostics
                    .iter()
                    .find(|one| one.severity == Severity::Error);
                (
                    "rejected",
                    first.map(ToString::to_string),
                    diagnostics.len(),
                )
            }
            Self::NeedsUpgrade(settings) => {
                let first = settings.first().cloned();
                ("needs an upgrade", first, settings.len())
            }
        };
        let first = first.unwrap_or_default();
        // A hint is a line of its own.
        let first = first.lines().next().unwrap_or_default();
        let more = match count {
            0 | 1 => String::new(),
            count => format!(" (and {} more)", count - 1),
        };
        format!("{word}: {first}{more}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Diagnostic;

    #[test]
    fn a_warning_that_speaks_of_an_error_is_not_the_reason() {
        let mut wrong = Diagnostics::default();
        wrong.push(Diagnostic::warning("a", "it is answered with `error: no`"));
        wrong.push(Diagnostic::error("b", "unknown key").hint("remove it".to_owned()));
        let refusal = Refusal::Wrong(wrong);
        assert_eq!(
            refusal.in_short(),
            "rejected: error: b: unknown key (and 1 more)"
        );
        let report = refusal.report(3);
        assert_eq!(
            (report.result, report.generation),
            (ReloadResult::Rejected, 3)
        );
        assert_eq!(
            report.diagnostics,
            [
                "warning: a: it is answered with `error: no`",
                "error: b: unknown key\n  hint: remove it"
            ]
        );
    }
}
