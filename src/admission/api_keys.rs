//! Whose key is this?

use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};
use http::HeaderValue;
use rustc_hash::FxHashMap;

/// The longest name of a key, in bytes.
const LONGEST_NAME: usize = 255;

/// The longest key that is looked up, in bytes.
const LONGEST_KEY: usize = 1024;

/// The SHA-256 of a key.
///
/// A slow hash such as bcrypt is for passwords, which are few and can be guessed. A key is random: nobody can go through
/// all of 128 bits, however fast one try is, and so each request is decided at once.
pub type KeyHash = [u8; 32];

/// Who has a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    /// The name.
    pub name: Arc<str>,
    /// The name as the value of a header field.
    pub field: HeaderValue,
}

/// Why something can't be a key's name or hash. What was written is not repeated: it may be the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidKey {
    /// The name is empty, too long, or has what no name can have.
    #[error("this is not a name: 1 to {LONGEST_NAME} bytes without `:` and control characters")]
    Name,
    /// No hash.
    #[error("a SHA-256 has 64 hexadecimal digits, and this has not: is it the key itself?")]
    Hash,
    /// There is no `:` in the line.
    #[error("this line has no `:`; a line is `name:sha256`")]
    NoColon,
}

/// How to make a key and its hash. A key in hexadecimal digits could be taken for a hash, and one in base64 is none.
const HINT: &str = "make a key with `openssl rand -base64 32`, and its hash with `printf %s KEY | sha256sum | cut -d' ' -f1`";

impl InvalidKey {
    /// What to write instead.
    pub const fn hint(self) -> Option<&'static str> {
        match self {
            InvalidKey::Name => None,
            InvalidKey::Hash | InvalidKey::NoColon => Some(HINT),
        }
    }
}

/// Keys by their hashes.
///
/// A look-up may end sooner for one key than for another. That tells nothing: where it ends depends on the hash of what
/// the client sent, and nobody can choose a key by the first bytes of its hash, step by step, to come nearer to one that
/// is there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ApiKeys {
    owners: FxHashMap<KeyHash, Owner>,
}

impl ApiKeys {
    /// These; of several with one hash the last counts.
    pub fn new(keys: impl IntoIterator<Item = (KeyHash, Owner)>) -> Self {
        Self {
            owners: keys.into_iter().collect(),
        }
    }

    /// Whose key it is.
    pub fn owner(&self, key: &[u8]) -> Option<&Owner> {
        if key.is_empty() || key.len() > LONGEST_KEY {
            return None;
        }
        let mut hash = KeyHash::default();
        hash.copy_from_slice(digest(&SHA256, key).as_ref());
        self.owners.get(&hash)
    }
}

impl Owner {
    /// One of this name.
    ///
    /// # Errors
    ///
    /// It is not a name.
    pub fn new(name: &str) -> Result<Self, InvalidKey> {
        let is_name = !name.is_empty()
            && name.len() <= LONGEST_NAME
            && !name.contains(|character: char| character == ':' || character.is_control());
        let field = HeaderValue::from_bytes(name.as_bytes()).ok();
        let field = field.filter(|_| is_name).ok_or(InvalidKey::Name)?;
        let name = Arc::from(name);
        Ok(Self { name, field })
    }
}

/// Reads a SHA-256 in hexadecimal digits. What stands behind a blank does not count: `sha256sum` prints the name of a file
/// there.
///
/// # Errors
///
/// It is none.
pub fn hash(text: &str) -> Result<KeyHash, InvalidKey> {
    let digit = |byte: u8| {
        char::from(byte)
            .to_digit(16)
            .and_then(|digit| u8::try_from(digit).ok())
    };
    let digits = text.split_ascii_whitespace().next().unwrap_or_default();
    let (pairs, []) = digits.as_bytes().as_chunks::<2>() else {
        return Err(InvalidKey::Hash);
    };
    let mut hash = KeyHash::default();
    if pairs.len() != hash.len() {
        return Err(InvalidKey::Hash);
    }
    for (byte, [high, low]) in hash.iter_mut().zip(pairs) {
        let (Some(high), Some(low)) = (digit(*high), digit(*low)) else {
            return Err(InvalidKey::Hash);
        };
        *byte = high << 4 | low;
    }
    Ok(hash)
}

/// Reads a line of a file, `name:sha256`.
///
/// # Errors
///
/// It is none.
pub fn line(line: &str) -> Result<(KeyHash, Owner), InvalidKey> {
    let (name, text) = line.split_once(':').ok_or(InvalidKey::NoColon)?;
    Ok((hash(text)?, Owner::new(name.trim())?))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Of `abc` (FIPS 180-4).
    const ABC: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    #[test]
    fn a_key_is_known_by_its_hash() {
        let keys =
            ApiKeys::new([line(&format!("billing: {}", ABC.to_uppercase())).expect("a key")]);
        assert_eq!(
            keys.owner(b"abc").map(|owner| &*owner.name),
            Some("billing")
        );
        for other in ["", "abd", "abc ", ABC, &"abc".repeat(500)] {
            assert_eq!(keys.owner(other.as_bytes()), None, "{other:?}");
        }
    }

    #[test]
    fn a_hash_may_stand_as_sha256sum_prints_it() {
        for text in [format!("{ABC}  -"), format!(" {ABC} *key.txt")] {
            assert_eq!(hash(&text), hash(ABC), "{text:?}");
            assert_eq!(
                line(&format!("billing:{text}")),
                line(&format!("billing:{ABC}"))
            );
        }
        assert_eq!(hash(&format!("- {ABC}")), Err(InvalidKey::Hash));
    }

    #[test]
    fn what_is_no_hash_is_refused_and_not_repeated() {
        for text in [
            "",
            "hunter2",
            &ABC[1..],
            &format!("{ABC}0"),
            &ABC.replace('b', "g"),
            &"ä".repeat(32),
        ] {
            assert_eq!(hash(text), Err(InvalidKey::Hash), "{text:?}");
        }
        assert_eq!(line("hunter2"), Err(InvalidKey::NoColon));
        assert_eq!(line("billing:hunter2"), Err(InvalidKey::Hash));
        assert_eq!(line(&format!(":{ABC}")), Err(InvalidKey::Name));
        assert!(Owner::new("bi\nlling").is_err());
    }

    proptest! {
        #[test]
        fn any_line_is_read_or_refused(text in "\\PC{0,80}") {
            let _ = line(&text);
            let _ = hash(&text);
        }

        #[test]
        fn a_hash_is_read_as_it_is_written(bytes: [u8; 32]) {
            let text: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            prop_assert_eq!(hash(&text), Ok(bytes));
        }
    }
}
