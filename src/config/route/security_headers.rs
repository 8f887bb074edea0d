//! Which fields tell browsers to be careful with the answers of a route?

use std::fmt;

use schemars::JsonSchema;
use serde::de::value::MapAccessDeserializer;
use serde::de::{self, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use crate::config::Spanned;
use crate::config::tls::Hsts;

/// Fields that tell browsers to be careful with the answers of a route: `true` for what suits nearly every site, or a
/// mapping that changes it.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(untagged)]
pub enum RouteSecurityHeaders {
    /// `true` for all defaults; `false` for none of these fields.
    Switch(bool),
    /// What differs from the defaults.
    Fields(Box<SecurityHeaders>),
}

/// The fields. What is not given is as with `true`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct SecurityHeaders {
    /// `X-Content-Type-Options: nosniff`: a file is what its `Content-Type` says. Default: true.
    pub nosniff: bool,
    /// `X-Frame-Options`: which pages may show this one in a frame. Default: sameorigin.
    pub frame_options: FrameOptions,
    /// `Referrer-Policy`: how much other sites learn about where their visitors come from; `off` for not said.
    /// Default: strict-origin-when-cross-origin.
    pub referrer_policy: Spanned<String>,
    /// `Strict-Transport-Security` (RFC 6797), over HTTPS only; instead of the listener's `tls.hsts`. Default: not said.
    #[serde(
        deserialize_with = "crate::config::document::given",
        skip_serializing_if = "Option::is_none"
    )]
    pub hsts: Option<Hsts>,
    /// `Content-Security-Policy`, as it is to be sent. Default: not said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content_security_policy: Option<Spanned<String>>,
    /// `Permissions-Policy`, as it is to be sent. Default: not said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub permissions_policy: Option<Spanned<String>>,
    /// `Cross-Origin-Opener-Policy`, as `same-origin`. Default: not said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cross_origin_opener_policy: Option<Spanned<String>>,
    /// `Cross-Origin-Embedder-Policy`, as `require-corp`. Default: not said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cross_origin_embedder_policy: Option<Spanned<String>>,
    /// `Cross-Origin-Resource-Policy`, as `same-site`. Default: not said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cross_origin_resource_policy: Option<Spanned<String>>,
    /// Whether what the endpoint itself says in one of these fields is replaced; if not, its own stays. Default: true.
    pub replace: bool,
}

impl Default for SecurityHeaders {
    fn default() -> Self {
        Self {
            nosniff: true,
            frame_options: FrameOptions::default(),
            referrer_policy: Spanned::new("strict-origin-when-cross-origin".to_owned()),
            hsts: None,
            content_security_policy: None,
            permissions_policy: None,
            cross_origin_opener_policy: None,
            cross_origin_embedder_policy: None,
            cross_origin_resource_policy: None,
            replace: true,
        }
    }
}

/// Which pages may show one in a frame.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FrameOptions {
    /// None.
    Deny,
    /// Those of the same origin.
    #[default]
    Sameorigin,
    /// The field is not sent.
    Off,
}

impl RouteSecurityHeaders {
    /// The fields in their full form; `None` for none.
    pub fn fields(&self) -> Option<SecurityHeaders> {
        match self {
            Self::Switch(true) => Some(SecurityHeaders::default()),
            Self::Switch(false) => None,
            Self::Fields(fields) => Some((**fields).clone()),
        }
    }
}

impl<'de> Deserialize<'de> for RouteSecurityHeaders {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // Not derived as untagged: that would answer every mistake with "did not match any variant".
        struct SwitchOrFields;

        impl<'de> Visitor<'de> for SwitchOrFields {
            type Value = RouteSecurityHeaders;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("`true`, `false` or a mapping")
            }

            fn visit_bool<E: de::Error>(self, on: bool) -> Result<RouteSecurityHeaders, E> {
                Ok(RouteSecurityHeaders::Switch(on))
            }

            fn visit_map<M: MapAccess<'de>>(
                self,
                map: M,
            ) -> Result<RouteSecurityHeaders, M::Error> {
                SecurityHeaders::deserialize(MapAccessDeserializer::new(map))
                    .map(|fields| RouteSecurityHeaders::Fields(Box::new(fields)))
            }
        }

        deserializer.deserialize_any(SwitchOrFields)
    }
}
