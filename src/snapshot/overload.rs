//! How do the written limits of the whole process become numbers?

use std::fmt;

use crate::admission::memory::{available, is_limited};
use crate::admission::overload::{Limits, RequestLimit};
use crate::config::units::{Watermark, rounded};
use crate::config::{ByteSize, Diagnostic, Diagnostics, Overload as Written};

/// Less than this the process needs before anybody comes.
const LITTLE: u64 = 64 << 20;

/// Compiles the section; what is wrong with it is reported.
pub(super) fn compile(
    written: &Written,
    diagnostics: &mut Diagnostics,
) -> (Limits, Option<MostMemory>) {
    let requests = Some(written.requests.value).filter(|most| *most > 0);
    let memory = memory(written, diagnostics);
    let most = memory.map(|bytes| MostMemory {
        bytes,
        share: match written.memory.value {
            Watermark::Share(share) => Some((share, is_limited())),
            _ => None,
        },
    });
    let limits = Limits {
        requests: requests.map(RequestLimit::new),
        memory,
    };
    (limits, most)
}

/// The resident memory from which on requests are shed, as `check` and the start tell it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MostMemory {
    bytes: u64,
    /// What percentage that is, if it was given so, and whether it is one of a cgroup's limit.
    share: Option<(u8, bool)>,
}

impl fmt::Display for MostMemory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&rounded(self.bytes))?;
        match self.share {
            None => Ok(()),
            Some((share, false)) => write!(f, " ({share} % of the machine's)"),
            Some((share, true)) => write!(f, " ({share} % of the cgroup's limit)"),
        }
    }
}

/// Whether there is anything requests are shed for.
pub(super) fn sheds(written: &Written) -> bool {
    *written.requests > 0 || *written.memory != Watermark::Off
}

fn memory(written: &Written, diagnostics: &mut Diagnostics) -> Option<u64> {
    let at = &written.memory.position;
    let limit = match written.memory.value {
        Watermark::Off => return None,
        Watermark::Size(size) => size.as_u64(),
        Watermark::Share(share) => {
            let Some(all) = available() else {
                let problem = "it is not known of how much memory this is a share";
                diagnostics.push(
                    Diagnostic::error("overload.memory", problem)
                        .at(at.clone())
                        .hint("write a size as `2GiB`".to_owned()),
                );
                return None;
            };
            (all / 100).saturating_mul(share.into())
        }
    };
    let mut warn = |message: String, hint: &str| {
        diagnostics.push(
            Diagnostic::warning("overload.memory", message)
                .at(at.clone())
                .hint(hint.to_owned()),
        );
    };
    if limit < LITTLE {
        warn(
            format!(
                "{} is so little that the process may be beyond it before anybody comes",
                ByteSize::bytes(limit)
            ),
            "give 64MiB at least",
        );
    } else if let Some(all) = available()
        && limit > all
    {
        warn(
            format!(
                "is never reached: the process may use {} only",
                ByteSize::bytes(all)
            ),
            "write a share as `90%`",
        );
    }
    Some(limit)
}
