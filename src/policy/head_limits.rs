//! How large may the header of a request to this route be?

use http::HeaderMap;

/// Limits below those of the listener, which has read the header already.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HeadLimits {
    /// Bytes of the target and of all fields, each with its `: ` and line end.
    pub header: Option<usize>,
    /// Fields.
    pub fields: Option<usize>,
}

impl HeadLimits {
    /// Whether a request with this target and these fields keeps to them.
    pub fn admit(&self, target: &[u8], fields: &HeaderMap) -> bool {
        if self.fields.is_some_and(|most| fields.len() > most) {
            return false;
        }
        let Some(most) = self.header else { return true };
        let bytes: usize = fields
            .iter()
            .map(|(name, value)| name.as_str().len() + value.len() + 4)
            .sum();
        target.len() + bytes <= most
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn every_line_counts_and_so_does_the_target() {
        let mut fields = HeaderMap::new();
        fields.append("a", HeaderValue::from_static("12345"));
        fields.append("a", HeaderValue::from_static("12345"));
        let admitted = |header, most| {
            let limits = HeadLimits {
                header,
                fields: most,
            };
            limits.admit(b"/abc", &fields)
        };
        assert!(admitted(None, None));
        assert!(admitted(Some(24), Some(2)));
        assert!(!admitted(Some(23), None));
        assert!(!admitted(None, Some(1)));
    }
}
