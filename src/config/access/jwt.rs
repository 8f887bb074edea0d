//! Which tokens let a request in?

use std::collections::BTreeMap;
use std::fmt;

use schemars::JsonSchema;
use serde::de::value::SeqAccessDeserializer;
use serde::de::{self, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use crate::config::{Spanned, Timespan};

/// Requests must bring a signed token (JSON Web Token, RFC 7519) that has not expired.
///
/// The keys it may be signed with are given by exactly one of `jwks`, `key`, `secret` and `secret_file`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Jwt {
    /// A JSON Web Key Set: an address that begins with `https://`, which is fetched in the background, or a file.
    /// Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jwks: Option<Spanned<String>>,
    /// A file with one public key in PEM. Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = "tls/jwt.pem")]
    pub key: Option<Spanned<String>>,
    /// A secret for HS256, HS384 or HS512: at least 32, 48 or 64 bytes. Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = "${JWT_SECRET}")]
    pub secret: Option<Spanned<String>>,
    /// The same, from a file; space around it does not count. Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = "jwt-secret")]
    pub secret_file: Option<Spanned<String>>,
    /// With what tokens may be signed: RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, ES512, EdDSA; with a secret
    /// HS256, HS384, HS512, which must be named. Default: whatever the public keys are for.
    #[serde(
        deserialize_with = "crate::config::document::given",
        skip_serializing_if = "Option::is_none"
    )]
    pub algorithms: Option<Spanned<Vec<Spanned<String>>>>,
    /// Who may have issued it (`iss`): a text, or a list of them. Default: anyone who has a key.
    #[serde(skip_serializing_if = "Texts::is_empty")]
    pub issuer: Texts,
    /// For whom it must be (`aud`): a text, or a list of them of which one is enough. Default: anyone.
    #[serde(skip_serializing_if = "Texts::is_empty")]
    pub audience: Texts,
    /// How far the issuer's clock may be off, up to 1h. Default: 1m.
    pub leeway: Spanned<Timespan>,
    /// Claims that it must have; dots lead into objects. Default: none beside `exp`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub required_claims: Vec<Spanned<String>>,
    /// Claims that must have one of these values, or a list with one of them; else the answer is 403. Default: none.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub claim_values: BTreeMap<String, Texts>,
    /// Scopes that it must have, all of them (`scope` or `scp`); else the answer is 403. Default: none.
    #[serde(skip_serializing_if = "Texts::is_empty")]
    pub scopes: Texts,
    /// Where the token is: `bearer` (`Authorization: Bearer …`; not beside `basic_auth`, which wants the same field),
    /// `header.NAME`, `cookie.NAME` or `query.NAME`. Default: bearer.
    pub from: Spanned<String>,
    /// Fields of the request that tell the endpoint of claims: `{ X-User: sub }`. Dots lead into objects, lists are joined by
    /// commas, and a client's own fields of these names are removed. Default: none.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub claims_to_headers: BTreeMap<String, Spanned<String>>,
    /// Whether the endpoint gets the token itself. If not, one in the query is not in a redirect of the route either, and the
    /// service of `forward_auth` is not told it. Default: true.
    pub forward: bool,
    /// Whether a request without a token may go on; one with a bad token may not, nor, with `from: bearer`, one that has
    /// anything else in `Authorization`. Default: false.
    pub optional: bool,
    /// What a client is told that it asks for (`WWW-Authenticate`). Default: portcullis.
    pub realm: Spanned<String>,
    /// With an address as `jwks`: how often it is fetched, at least 1s; sooner, but not within 5s, when a token names an
    /// unknown key. Default: 10m.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refresh: Option<Spanned<Timespan>>,
    /// How many good tokens are known at most, so that they are not verified each time; 0 for none. Default: 10000.
    pub cache: Spanned<u32>,
}

/// How often a key set is fetched unless it is said.
pub const REFRESH: Timespan = Timespan::minutes(10);

impl Default for Jwt {
    fn default() -> Self {
        Self {
            jwks: None,
            key: None,
            secret: None,
            secret_file: None,
            algorithms: None,
            issuer: Texts::default(),
            audience: Texts::default(),
            leeway: Spanned::new(Timespan::secs(60)),
            required_claims: Vec::new(),
            claim_values: BTreeMap::new(),
            scopes: Texts::default(),
            from: Spanned::new(BEARER.to_owned()),
            claims_to_headers: BTreeMap::new(),
            forward: true,
            optional: false,
            realm: Spanned::new("portcullis".to_owned()),
            refresh: None,
            cache: Spanned::new(10_000),
        }
    }
}

/// The word for `Authorization: Bearer …`.
pub const BEARER: &str = "bearer";

impl Jwt {
    /// Whether the key set is fetched.
    pub fn is_fetched(&self) -> bool {
        let scheme = |jwks: &Spanned<String>| jwks.contains("://");
        self.jwks.as_ref().is_some_and(scheme)
    }

    /// Writes the defaults that are not written when it is read, but for those that are the keys'.
    pub(in crate::config) fn fill_in(&mut self) {
        if self.is_fetched() {
            self.refresh.get_or_insert_with(|| REFRESH.into());
        }
    }

    /// Replaces what only its owner may see.
    pub(in crate::config) fn mask(&mut self, mask: &str) {
        if let Some(secret) = &mut self.secret {
            mask.clone_into(&mut secret.value);
        }
        if let Some(jwks) = &mut self.jwks
            && let Some(query) = jwks.value.find('?')
            && jwks.value.contains("://")
        {
            jwks.value.replace_range(query + 1.., mask);
        }
    }
}

/// Texts, of which one need not be written as a list. A number or a truth value is a text as well.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(transparent)]
pub struct Texts(pub Vec<Spanned<String>>);

impl Texts {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl JsonSchema for Texts {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Texts".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "description": "Texts, of which one need not be written as a list.",
            "anyOf": [{ "type": "string" }, { "type": "array", "items": { "type": "string" } }],
        })
    }
}

impl<'de> Deserialize<'de> for Texts {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // Not derived as untagged: the places of the texts would be lost.
        struct OneOrMany;

        impl<'de> Visitor<'de> for OneOrMany {
            type Value = Texts;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text or a list of texts")
            }

            fn visit_str<E: de::Error>(self, one: &str) -> Result<Texts, E> {
                Ok(Texts(vec![Spanned::new(one.to_owned())]))
            }

            fn visit_bool<E: de::Error>(self, one: bool) -> Result<Texts, E> {
                self.visit_str(if one { "true" } else { "false" })
            }

            fn visit_i64<E: de::Error>(self, one: i64) -> Result<Texts, E> {
                self.visit_str(&one.to_string())
            }

            fn visit_u64<E: de::Error>(self, one: u64) -> Result<Texts, E> {
                self.visit_str(&one.to_string())
            }

            fn visit_seq<A: SeqAccess<'de>>(self, many: A) -> Result<Texts, A::Error> {
                Vec::deserialize(SeqAccessDeserializer::new(many)).map(Texts)
            }
        }

        deserializer.deserialize_any(OneOrMany)
    }
}
