//! Does a client come back to the endpoint it was at before?

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use crate::config::{Spanned, Timespan};

/// What a client is known by when it comes back.
///
/// It is one of `cookie`, `app_cookie` and `header`. Whatever the balancer, it is asked for clients that are not known,
/// and for those whose endpoint can't be used.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Sticky {
    /// A cookie that Portcullis sets, and takes out of what the endpoint gets. Its value names the endpoint without
    /// telling its address, and is signed. Default: none.
    #[serde(
        deserialize_with = "crate::config::document::given",
        skip_serializing_if = "Option::is_none"
    )]
    pub cookie: Option<Spanned<StickyCookie>>,
    /// The name of a cookie of the application. Equal values go to one endpoint, found by hashing; that need not be the
    /// endpoint that has made up the value. Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"SESSION")]
    pub app_cookie: Option<Spanned<String>>,
    /// The name of a header field of the request. Equal values go to one endpoint, found by hashing. Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = "X-Session")]
    pub header: Option<Spanned<String>>,
}

/// A cookie that names an endpoint.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct StickyCookie {
    /// Its name. Default: portcullis.
    pub name: Spanned<String>,
    /// The path below which browsers send it. Default: /.
    pub path: Spanned<String>,
    /// The domain whose hosts browsers send it to. Default: the host that set it, and no other.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub domain: Option<Spanned<String>>,
    /// Whether browsers send it over TLS only: `auto` (if it was set over TLS), `true` or `false`. Default: auto.
    pub secure: Secure,
    /// Whether it is hidden from scripts. Default: true.
    pub http_only: bool,
    /// Whether browsers send it when another site leads to this one. Default: lax.
    pub same_site: Spanned<SameSite>,
    /// How long browsers keep it, renewed when half of it is over; 0s until they are closed. More than that needs a
    /// secret. Default: 0s.
    pub lifetime: Spanned<Timespan>,
    /// What it is signed with: at least 32 characters. Several processes behind one name need the same. Default: a
    /// random one, which reloads and upgrades keep and a restart forgets.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret: Option<Spanned<String>>,
    /// The same, from a file; space around it does not count. Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = "tls/sticky-secret")]
    pub secret_file: Option<Spanned<String>>,
    /// What it may still be signed with, so that the secret can be changed without moving clients. Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub previous_secret: Option<Spanned<String>>,
    /// Whether clients that are at a drained endpoint stay there. Default: false.
    pub follow_drained: bool,
}

impl Default for StickyCookie {
    fn default() -> Self {
        Self {
            name: Spanned::new("portcullis".to_owned()),
            path: Spanned::new("/".to_owned()),
            domain: None,
            secure: Secure::default(),
            http_only: true,
            same_site: Spanned::new(SameSite::default()),
            lifetime: Spanned::new(Timespan::secs(0)),
            secret: None,
            secret_file: None,
            previous_secret: None,
            follow_drained: false,
        }
    }
}

/// Whether a cookie goes over TLS only.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Secure {
    /// If it was set over TLS.
    #[default]
    Auto,
    /// Always.
    True,
    /// Never.
    False,
}

impl JsonSchema for Secure {
    fn schema_name() -> Cow<'static, str> {
        "Secure".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        // An editor sees a truth value where no quotes are; the text as it is written counts.
        json_schema!({
            "description": "Whether a cookie goes over TLS only.",
            "enum": ["auto", "true", "false", true, false],
        })
    }
}

/// Which requests that another site leads to have the cookie (RFC 6265bis §5.2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SameSite {
    /// They do not.
    Strict,
    /// When a link is followed.
    #[default]
    Lax,
    /// They do.
    None,
}

impl StickyCookie {
    /// Replaces what only its owner may see.
    pub(in crate::config) fn mask(&mut self, mask: &str) {
        for secret in [&mut self.secret, &mut self.previous_secret]
            .into_iter()
            .flatten()
        {
            mask.clone_into(&mut secret.value);
        }
    }
}
