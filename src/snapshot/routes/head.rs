//! How large may a header be that a route takes?

use super::One;
use crate::config::Config;
use crate::policy::HeadLimits;

impl One<'_> {
    /// Its limits of the header. What is more than any of its listeners allows would do nothing.
    pub(super) fn head(&mut self, listeners: &[String], config: &Config) -> Option<HeadLimits> {
        let written = self.written;
        let own = config
            .listeners
            .iter()
            .filter(|listener| listeners.is_empty() || listeners.contains(&listener.name.value));
        let own: Vec<_> = own.map(|listener| &listener.limits).collect();
        let bytes = own.iter().map(|limits| limits.header.as_u64()).max();
        let fields = own.iter().map(|limits| *limits.fields).max();
        if let Some(size) = &written.max_header {
            let most = bytes.unwrap_or(u64::MAX);
            let message = match size.as_u64() {
                0 => Some("a limit of 0 would refuse every request".to_owned()),
                bytes if bytes > most => Some(format!(
                    "has no effect: a listener of the route takes at most {most} bytes"
                )),
                _ => None,
            };
            if let Some(message) = message {
                let hint = "write at most the listener's `limits.header`, or raise that";
                self.reporter.error("max_header", size, message, Some(hint));
            }
        }
        if let Some(count) = &written.max_fields {
            let most = fields.unwrap_or(u16::MAX);
            let message = match count.value {
                0 => Some("a limit of 0 would refuse every request".to_owned()),
                fields if fields > most => Some(format!(
                    "has no effect: a listener of the route takes at most {most} fields"
                )),
                _ => None,
            };
            if let Some(message) = message {
                let hint = "write at most the listener's `limits.fields`, or raise that";
                self.reporter
                    .error("max_fields", count, message, Some(hint));
            }
        }
        let limits = HeadLimits {
            header: written.max_header.as_ref().map(|size| size.as_usize()),
            fields: written
                .max_fields
                .as_ref()
                .map(|count| usize::from(count.value)),
        };
        (limits != HeadLimits::default()).then_some(limits)
    }
}
