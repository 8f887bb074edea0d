//! How is TLS spoken with clients and with endpoints?

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use super::{Spanned, Timespan};

/// TLS on a listener.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ListenerTls {
    /// The certificates, chosen by the name the client asks for: exact name, then wildcard, then the default.
    pub certificates: Vec<Certificate>,
    /// The oldest version spoken: 1.2 or 1.3. Connections that are open when a reload changes it, or `unknown_name`,
    /// end with their running requests. Default: 1.2.
    #[serde(default)]
    pub min_version: TlsVersion,
    /// What happens when a client asks for a name that no certificate has. Default: default.
    #[serde(default)]
    pub unknown_name: UnknownName,
    /// `Strict-Transport-Security` on every answer of this listener, which tells browsers to come back over HTTPS only
    /// (RFC 6797). Default: none is sent.
    #[serde(
        default,
        deserialize_with = "super::document::given",
        skip_serializing_if = "Option::is_none"
    )]
    pub hsts: Option<Hsts>,
}

/// One certificate with its key.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Certificate {
    /// PEM file: the certificate, then its intermediates.
    pub certificate: Spanned<String>,
    /// PEM file with the private key.
    pub key: Spanned<String>,
    /// The names it is used for. Default: none, which stands for those in the certificate.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub names: Vec<Spanned<String>>,
    /// Whether it answers clients that ask for no name or an unknown one; without any, the first certificate does.
    /// Default: false.
    #[serde(default)]
    pub default: bool,
}

/// A version of TLS.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum TlsVersion {
    /// RFC 5246.
    #[default]
    #[serde(rename = "1.2")]
    V1_2,
    /// RFC 8446.
    #[serde(rename = "1.3")]
    V1_3,
}

impl JsonSchema for TlsVersion {
    fn schema_name() -> Cow<'static, str> {
        "TlsVersion".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        // An editor sees a number where no quotes are; the text as it is written counts.
        json_schema!({
            "description": "A version of TLS.",
            "enum": ["1.2", "1.3", 1.2, 1.3],
        })
    }
}

/// What a listener does for a name that no certificate has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum UnknownName {
    /// The default certificate is shown.
    #[default]
    Default,
    /// The handshake fails with the alert `access_denied`.
    Reject,
}

/// `Strict-Transport-Security` (RFC 6797).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Hsts {
    /// How long a browser remembers. Default: 365d.
    pub max_age: Timespan,
    /// Whether subdomains are meant too. Default: false.
    pub include_subdomains: bool,
    /// Whether the name may go into browsers' built-in lists. Default: false.
    pub preload: bool,
}

impl Default for Hsts {
    fn default() -> Self {
        Self {
            max_age: Timespan::secs(365 * 86_400),
            include_subdomains: false,
            preload: false,
        }
    }
}

/// TLS towards a pool's endpoints.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct PoolTls {
    /// Whether the endpoint's certificate is checked. Default: true.
    pub verify: bool,
    /// The name asked for and checked. Default: the host name of the endpoint's address; an endpoint that is given by
    /// IP address or Unix socket needs it while `verify` is on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<Spanned<String>>,
    /// PEM file of the authorities to trust instead of the system's. Default: the system's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca: Option<Spanned<String>>,
    /// PEM file of a certificate to show to the endpoint; needs `key`. Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub certificate: Option<Spanned<String>>,
    /// PEM file of that certificate's key. Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<Spanned<String>>,
}

impl Default for PoolTls {
    fn default() -> Self {
        Self {
            verify: true,
            name: None,
            ca: None,
            certificate: None,
            key: None,
        }
    }
}
