//! Which answers of a route are compressed?

use std::ops::RangeInclusive;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::{ByteSize, Spanned};

/// Types that shrink, of those that are common: text, its formal relatives, and fonts that are not compressed already.
const TYPES: [&str; 13] = [
    "text/*",
    "application/json",
    "application/*+json",
    "application/xml",
    "application/*+xml",
    "application/javascript",
    "application/x-javascript",
    "application/x-ndjson",
    "application/wasm",
    "image/svg+xml",
    "image/vnd.microsoft.icon",
    "font/otf",
    "font/ttf",
];

/// Which answers are compressed, and how.
///
/// `{}` turns it on with the defaults as they stand here. Left alone are answers that are coded already, parts (206),
/// those with `Cache-Control: no-transform` or a digest that clients may verify, gRPC, and whatever goes to clients of
/// HTTP/1.0. What has come of a body does not wait for more. The ETag becomes a weak one, and `Vary: Accept-Encoding`
/// is added. Where an answer holds a secret beside what its client has written into it, its length can tell of the
/// secret (BREACH): keep such types or routes out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Compress {
    /// What is offered. The client's ranking decides; where it ranks several alike, the first of them here. Default:
    /// zstd, br, gzip.
    pub codings: Vec<Spanned<Coding>>,
    /// Answers that are known to be shorter, in bytes, are left as they are. Default: 1KiB.
    pub min_size: ByteSize,
    /// The types of answers that are compressed: one, all of a kind (`text/*`), or all of a suffix
    /// (`application/*+json`). Streams of events (`text/event-stream`) have to be named: an encoder is held for as long
    /// as the client listens. Default: text, JSON, XML, scripts, SVG, WebAssembly, and fonts that are not compressed
    /// already.
    pub types: Vec<Spanned<String>>,
    /// How hard each coding tries: the level that its encoder knows.
    pub level: Levels,
}

impl Default for Compress {
    fn default() -> Self {
        let codings = [Coding::Zstd, Coding::Br, Coding::Gzip];
        Self {
            codings: codings.map(Spanned::new).into(),
            min_size: ByteSize::kib(1),
            types: TYPES.map(|media| Spanned::new(media.to_owned())).into(),
            level: Levels::default(),
        }
    }
}

/// A content coding (RFC 9110 §8.4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Coding {
    /// RFC 1952; every client can read it.
    Gzip,
    /// Brotli, RFC 7932.
    Br,
    /// Zstandard, RFC 8878.
    Zstd,
}

impl Coding {
    /// All of them; each stands at its number.
    pub const ALL: [Self; 3] = [Self::Gzip, Self::Br, Self::Zstd];

    /// Its name in fields of HTTP, in the configuration and in metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Br => "br",
            Self::Zstd => "zstd",
        }
    }

    /// The coding of this name (RFC 9110 §8.4.1), in any case.
    pub fn named(name: &[u8]) -> Option<Self> {
        let known = |coding: &Self| name.eq_ignore_ascii_case(coding.as_str().as_bytes());
        // RFC 9110 §8.4.1.3: an alias from the time before the registry.
        let alias = || name.eq_ignore_ascii_case(b"x-gzip").then_some(Self::Gzip);
        Self::ALL.into_iter().find(known).or_else(alias)
    }

    /// The levels that may be asked for. Those above take some ten times the time and the memory, while other requests wait.
    pub const fn levels(self) -> RangeInclusive<u8> {
        match self {
            Self::Gzip => 1..=9,
            Self::Br => 0..=6,
            Self::Zstd => 1..=9,
        }
    }
}

/// How hard each coding tries.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Levels {
    /// A level from 1 to 9. Default: 5.
    pub gzip: Spanned<u8>,
    /// A level from 0 to 6. Default: 4.
    pub br: Spanned<u8>,
    /// A level from 1 to 9. Default: 3.
    pub zstd: Spanned<u8>,
}

impl Levels {
    /// That of one coding.
    pub const fn of(&self, coding: Coding) -> &Spanned<u8> {
        match coding {
            Coding::Gzip => &self.gzip,
            Coding::Br => &self.br,
            Coding::Zstd => &self.zstd,
        }
    }
}

impl Default for Levels {
    fn default() -> Self {
        Self {
            gzip: Spanned::new(5),
            br: Spanned::new(4),
            zstd: Spanned::new(3),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_coding_stands_at_its_number_and_is_known_by_its_name() {
        for (number, coding) in Coding::ALL.into_iter().enumerate() {
            assert_eq!(coding as usize, number);
            assert_eq!(Coding::named(coding.as_str().as_bytes()), Some(coding));
        }
    }
}
