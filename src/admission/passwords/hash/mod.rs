//! Does a password fit a hash? Bcrypt and Argon2, as `htpasswd -B` and `argon2` write them.

use std::fmt;
use std::str::FromStr;

use argon2::password_hash::PasswordVerifier;
use argon2::password_hash::phc;
use argon2::{Argon2, Params};
use bcrypt::HashParts;

/// The costliest bcrypt, as the power of two of its rounds: 1.7 s of a core where it was
/// measured.
const MOST_COST: u32 = 15;

/// How much memory one Argon2 may take, in KiB: 128 MiB, twice of what RFC 9106 §4 recommends where memory is scarce.
/// Each thread that verifies takes so much.
const MOST_MEMORY: u32 = 128 * 1024;

/// How much memory Argon2 may write in all its passes, in KiB: 0.7 s of a core.
const MOST_WORK: u64 = 1024 * 1024;

/// The hash of a password, read and found to be of a kind that is worth keeping. It is never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct PasswordHash {
    kind: Kind,
    written: Box<str>,
}

#[derive(Clone, PartialEq, Eq)]
enum Kind {
    Bcrypt,
    Argon2(Box<phc::PasswordHash>),
}

/// Why something can't be the hash of a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidHash {
    /// There is nothing.
    #[error("there is no hash")]
    Empty,
    /// A hash that is found by trying in no time, or that was broken; its name.
    #[error("{0} does not protect a password")]
    Weak(&'static str),
    /// No hash that anybody knows: most likely the password itself.
    #[error("this is no hash of bcrypt or Argon2: is it the password itself?")]
    Unknown,
    /// It begins like a hash and is none.
    #[error("this begins like a hash of {0} and is none")]
    Broken(&'static str),
    /// It would take too long.
    #[error("a cost of {0} takes several seconds for each try; at most {MOST_COST}")]
    Slow(u32),
    /// It would take too much memory.
    #[error("Argon2 may take at most {MOST_MEMORY} KiB of memory (m), and this one takes {0}")]
    Large(u32),
    /// It would take too long.
    #[error(
        "Argon2 may write at most {MOST_WORK} KiB in all passes (m × t), and this one writes {0}"
    )]
    Long(u64),
}

/// How a hash is made.
pub(super) const HINT: &str = "make a line with `htpasswd -nB -C 12 USER`, which asks for the password; Argon2 (`$argon2id$…`) is fine too";

impl InvalidHash {
    /// What to write instead.
    pub const fn hint(&self) -> &'static str {
        HINT
    }
}

/// Hashes that begin so are known, and refused: MD5 and SHA-1 cost nothing to try, and so do the older ones of `crypt`.
const WEAK: [(&str, &str); 9] = [
    ("$apr1$", "MD5 ($apr1$)"),
    ("$1$", "MD5 ($1$)"),
    ("{SHA}", "SHA-1 ({SHA})"),
    ("{SSHA}", "SHA-1 ({SSHA})"),
    ("$5$", "SHA-256 crypt ($5$)"),
    ("$6$", "SHA-512 crypt ($6$)"),
    ("$2x$", "bcrypt with the fault of 2011 ($2x$)"),
    ("{PLAIN}", "plain text"),
    ("{CRYPT}", "DES crypt"),
];

impl FromStr for PasswordHash {
    type Err = InvalidHash;

    fn from_str(text: &str) -> Result<Self, InvalidHash> {
        let kind = if text.is_empty() {
            return Err(InvalidHash::Empty);
        } else if ["$2a$", "$2b$", "$2y$"]
            .iter()
            .any(|start| text.starts_with(start))
        {
            let parts: HashParts = text.parse().map_err(|_| InvalidHash::Broken("bcrypt"))?;
            bcrypt_cost(&parts)?;
            Kind::Bcrypt
        } else if text.starts_with("$argon2") {
            Kind::Argon2(Box::new(argon2(text)?))
        } else if let Some((_, name)) = WEAK.iter().find(|(start, _)| text.starts_with(start)) {
            return Err(InvalidHash::Weak(name));
        } else if is_des(text) {
            return Err(InvalidHash::Weak("DES crypt, or plain text,"));
        } else {
            return Err(InvalidHash::Unknown);
        };
        let written = text.into();
        Ok(Self { kind, written })
    }
}

/// Whether it has the form of the oldest hash of `crypt`: 13 of its 64 characters.
fn is_des(text: &str) -> bool {
    let is_of_64 = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'/');
    text.len() == 13 && text.bytes().all(is_of_64)
}

fn bcrypt_cost(parts: &HashParts) -> Result<(), InvalidHash> {
    match parts.get_cost() {
        0..4 | 32.. => Err(InvalidHash::Broken("bcrypt")),
        cost if cost > MOST_COST => Err(InvalidHash::Slow(cost)),
        _ => Ok(()),
    }
}

fn argon2(text: &str) -> Result<phc::PasswordHash, InvalidHash> {
    const BROKEN: InvalidHash = InvalidHash::Broken("Argon2");
    let hash = phc::PasswordHash::new(text).map_err(|_| BROKEN)?;
    let known = argon2::Algorithm::try_from(hash.algorithm.as_str()).is_ok()
        && hash
            .version
            .is_some_and(|version| argon2::Version::try_from(version).is_ok());
    let params = Params::try_from(&hash).map_err(|_| BROKEN)?;
    let (memory, passes) = (params.m_cost(), params.t_cost());
    if !known || hash.salt.is_none() || hash.hash.is_none() || passes == 0 {
        return Err(BROKEN);
    }
    if memory > MOST_MEMORY {
        return Err(InvalidHash::Large(memory));
    }
    let work = u64::from(memory) * u64::from(passes);
    if work > MOST_WORK {
        return Err(InvalidHash::Long(work));
    }
    Ok(hash)
}

impl PasswordHash {
    /// Whether this is the password. Takes as long as the hash costs; the end of the comparison tells nothing by its time.
    ///
    /// What does not work out, for lack of memory for instance, is no right password.
    pub fn fits(&self, password: &[u8]) -> bool {
        match &self.kind {
            Kind::Bcrypt => bcrypt::verify(password, &self.written).unwrap_or(false),
            Kind::Argon2(hash) => Argon2::default().verify_password(password, &**hash).is_ok(),
        }
    }

    /// As it is written; for those who must tell it from others.
    pub(super) fn written(&self) -> &str {
        &self.written
    }
}

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PasswordHash")
    }
}

#[cfg(test)]
mod tests;
