//! Which fields tell browsers to be careful with an answer?

use http::header::{
    CONTENT_SECURITY_POLICY, REFERRER_POLICY, STRICT_TRANSPORT_SECURITY, X_CONTENT_TYPE_OPTIONS,
    X_FRAME_OPTIONS,
};
use http::{HeaderName, HeaderValue};

use super::https::strict_transport_security;
use crate::config::Position;
use crate::config::route::security_headers::{FrameOptions, SecurityHeaders as Written};
use crate::proxy::forward::{Fields, Scheme};

/// The values of `Referrer-Policy` (W3C Referrer Policy §3).
const REFERRER_POLICIES: [&str; 8] = [
    "no-referrer",
    "no-referrer-when-downgrade",
    "origin",
    "origin-when-cross-origin",
    "same-origin",
    "strict-origin",
    "strict-origin-when-cross-origin",
    "unsafe-url",
];
/// What stands for "not said" in the configuration.
const OFF: &str = "off";

/// Fields for every answer of a route.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SecurityHeaders {
    fields: Box<[(HeaderName, HeaderValue)]>,
    hsts: Option<HeaderValue>,
    replace: bool,
}

impl SecurityHeaders {
    /// The compiled form; `complain` gets the key of everything that is not valid, its place, the problem and what to do.
    pub fn compile(
        written: &Written,
        mut complain: impl FnMut(&str, Option<Position>, String, Option<&str>),
    ) -> Self {
        let mut fields = Vec::new();
        if written.nosniff {
            fields.push((X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")));
        }
        match written.frame_options {
            FrameOptions::Deny => fields.push((X_FRAME_OPTIONS, HeaderValue::from_static("DENY"))),
            FrameOptions::Sameorigin => {
                fields.push((X_FRAME_OPTIONS, HeaderValue::from_static("SAMEORIGIN")));
            }
            FrameOptions::Off => {}
        }
        let referrer = &written.referrer_policy;
        // A list is allowed: browsers take the last they know.
        let mut policies = referrer.value.split(',').map(str::trim);
        if referrer.value != OFF && policies.any(|policy| !REFERRER_POLICIES.contains(&policy)) {
            complain(
                "referrer_policy",
                referrer.position.clone(),
                format!("`{}` is not known", referrer.value.escape_debug()),
                Some(&format!(
                    "valid are {} and off",
                    REFERRER_POLICIES.join(", ")
                )),
            );
        }
        let name = HeaderName::from_static;
        for (key, name, value) in [
            (
                "referrer_policy",
                REFERRER_POLICY,
                Some(referrer).filter(|referrer| referrer.value != OFF),
            ),
            (
                "content_security_policy",
                CONTENT_SECURITY_POLICY,
                written.content_security_policy.as_ref(),
            ),
            (
                "permissions_policy",
                name("permissions-policy"),
                written.permissions_policy.as_ref(),
            ),
            (
                "cross_origin_opener_policy",
                name("cross-origin-opener-policy"),
                written.cross_origin_opener_policy.as_ref(),
            ),
            (
                "cross_origin_embedder_policy",
                name("cross-origin-embedder-policy"),
                written.cross_origin_embedder_policy.as_ref(),
            ),
            (
                "cross_origin_resource_policy",
                name("cross-origin-resource-policy"),
                written.cross_origin_resource_policy.as_ref(),
            ),
        ] {
            let Some(written) = value else { continue };
            // A block of YAML that goes over lines ends with one.
            match HeaderValue::try_from(written.value.trim()) {
                Ok(value) if !value.is_empty() => fields.push((name, value)),
                _ => complain(
                    key,
                    written.position.clone(),
                    "this can't be the value of a header field".to_owned(),
                    Some("write it in one line; `>-` in YAML joins several"),
                ),
            }
        }
        Self {
            fields: fields.into(),
            hsts: written.hsts.as_ref().map(strict_transport_security),
            replace: written.replace,
        }
    }

    /// Puts them into an answer, whose client speaks `scheme`: no promise about HTTPS is made over HTTP (RFC 6797 §7.2).
    pub fn apply(&self, fields: &mut impl Fields, scheme: Scheme) {
        for (name, value) in &self.fields {
            self.put(fields, name, value);
        }
        if let Some(hsts) = self.hsts(scheme) {
            self.put(fields, &STRICT_TRANSPORT_SECURITY, hsts);
        }
    }

    /// What goes before the listener's own `Strict-Transport-Security`.
    pub fn hsts(&self, scheme: Scheme) -> Option<&HeaderValue> {
        self.hsts.as_ref().filter(|_| scheme == Scheme::Https)
    }

    fn put(&self, fields: &mut impl Fields, name: &HeaderName, value: &HeaderValue) {
        if self.replace || !fields.map().contains_key(name) {
            fields.set(name.clone(), value.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderMap;

    use super::*;
    use crate::config::Spanned;
    use crate::config::tls::Hsts;

    fn compiled(written: &Written) -> SecurityHeaders {
        SecurityHeaders::compile(written, |key, _, message, _| panic!("{key}: {message}"))
    }

    fn applied(
        written: &Written,
        own: &[(&'static str, &'static str)],
        scheme: Scheme,
    ) -> Vec<String> {
        let mut fields = HeaderMap::new();
        for (name, value) in own {
            fields.append(*name, HeaderValue::from_static(value));
        }
        compiled(written).apply(&mut fields, scheme);
        let mut lines: Vec<String> = fields
            .iter()
            .map(|(name, value)| format!("{name}: {}", value.to_str().expect("text")))
            .collect();
        lines.sort();
        lines
    }

    #[test]
    fn the_defaults_suit_nearly_every_site_and_promise_nothing() {
        assert_eq!(
            applied(
                &Written::default(),
                &[("x-frame-options", "DENY")],
                Scheme::Https
            ),
            [
                "referrer-policy: strict-origin-when-cross-origin",
                "x-content-type-options: nosniff",
                "x-frame-options: SAMEORIGIN",
            ]
        );
    }

    #[test]
    fn what_the_endpoint_says_stays_where_it_may() {
        let written = Written {
            content_security_policy: Some(Spanned::new("default-src 'self'\n".to_owned())),
            frame_options: FrameOptions::Off,
            referrer_policy: Spanned::new(OFF.to_owned()),
            replace: false,
            ..Written::default()
        };
        let own = [("content-security-policy", "default-src *")];
        assert_eq!(
            applied(&written, &own, Scheme::Http),
            [
                "content-security-policy: default-src *",
                "x-content-type-options: nosniff"
            ]
        );
        assert_eq!(
            applied(&written, &[], Scheme::Http),
            [
                "content-security-policy: default-src 'self'",
                "x-content-type-options: nosniff"
            ]
        );
    }

    #[test]
    fn rfc6797_7_2_nothing_is_promised_over_http() {
        let written = Written {
            hsts: Some(Hsts::default()),
            ..Written::default()
        };
        let promised = |scheme| {
            let lines = applied(&written, &[], scheme);
            lines
                .iter()
                .any(|line| line.starts_with("strict-transport-security"))
        };
        assert!(promised(Scheme::Https));
        assert!(!promised(Scheme::Http));
    }

    #[test]
    fn values_that_no_browser_knows_or_no_field_can_have_are_told() {
        let written = Written {
            referrer_policy: Spanned::new("no-referer".to_owned()),
            content_security_policy: Some(Spanned::new("a\nb".to_owned())),
            permissions_policy: Some(Spanned::new(" ".to_owned())),
            ..Written::default()
        };
        let mut told = Vec::new();
        SecurityHeaders::compile(&written, |key, _, _, _| told.push(key.to_owned()));
        assert_eq!(
            told,
            [
                "referrer_policy",
                "content_security_policy",
                "permissions_policy"
            ]
        );
    }
}
