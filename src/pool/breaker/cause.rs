//! Why does an endpoint get a rest, in the words of the log?

use std::fmt;

use super::Counts;

/// Why a breaker opens, or an endpoint is ejected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// So many failures in a row.
    InARow(u32),
    /// So many in a row failed or were outrun by hedges, for a while.
    Outrun(u32),
    /// Too many in the window failed.
    Failed(Counts),
    /// Too many in the window were slow.
    Slow(Counts),
    /// A trial failed or was slow.
    Trial,
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Cause::InARow(failures) => write!(f, "{failures} failures in a row"),
            Cause::Outrun(requests) => {
                write!(
                    f,
                    "{requests} requests in a row failed or were outrun by hedges"
                )
            }
            Cause::Failed(counts) => {
                write!(f, "{} of {} requests failed", counts.failed, counts.total)
            }
            Cause::Slow(counts) => {
                write!(f, "{} of {} requests were slow", counts.slow, counts.total)
            }
            Cause::Trial => f.write_str("a trial failed"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cause_is_told_with_its_numbers() {
        let counts = Counts {
            total: 20,
            failed: 11,
            slow: 3,
        };
        for (cause, told) in [
            (Cause::InARow(5), "5 failures in a row"),
            (
                Cause::Outrun(4),
                "4 requests in a row failed or were outrun by hedges",
            ),
            (Cause::Failed(counts), "11 of 20 requests failed"),
            (Cause::Slow(counts), "3 of 20 requests were slow"),
            (Cause::Trial, "a trial failed"),
        ] {
            assert_eq!(cause.to_string(), told);
        }
    }
}
