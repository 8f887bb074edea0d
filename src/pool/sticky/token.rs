//! How does a cookie name an endpoint so that a client can neither read nor choose it?
//!
//! `1`, then in base64url without padding: the endpoint's mark, the time of issue, and 128 bits of an HMAC-SHA256 of
//! both. The mark is itself a keyed hash of the address: of the 2⁴⁸ addresses of IPv4 a plain one would be found by
//! trying. The keys are derived from the secret and the pool's name, so that a value of one pool says nothing to
//! another.

use aws_lc_rs::{constant_time, hmac};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::{Mark, Secret};

/// The form of a value, as its first character.
const VERSION: u8 = b'1';
/// The length of a mark and of a time, in bytes.
const NUMBER: usize = 8;
/// The length of what proves where a value comes from, in bytes: RFC 2104 §5 wants half of the hash at least.
const TAG: usize = 16;
/// The length of what is encoded, in bytes.
const RAW: usize = NUMBER + NUMBER + TAG;
/// The length of a value, in characters.
pub const LENGTH: usize = 1 + (RAW * 8).div_ceil(6);

/// Makes and reads the values of one pool.
pub struct Signer {
    current: Keys,
    former: Option<Keys>,
}

struct Keys {
    /// For marks.
    marks: hmac::Key,
    /// For values.
    values: hmac::Key,
}

/// What a value says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Opened {
    /// The mark of the endpoint.
    pub mark: u64,
    /// When it was made, in seconds of Unix time.
    pub issued: u64,
    /// Whether it was made with the former secret.
    pub former: bool,
}

impl Signer {
    /// For this pool; values that were made with `former` are read as well.
    pub fn new(pool: &str, secret: &Secret, former: Option<&Secret>) -> Self {
        Self {
            current: Keys::new(pool, secret),
            former: former.map(|former| Keys::new(pool, former)),
        }
    }

    /// What the endpoint of this name is known by.
    pub fn mark(&self, endpoint: &str) -> Mark {
        Mark {
            value: self.current.mark(endpoint),
            former: self.former.as_ref().map(|keys| keys.mark(endpoint)),
        }
    }

    /// The value that names the endpoint with this mark.
    pub fn seal(&self, mark: u64, now: u64) -> String {
        let mut raw = [0; RAW];
        raw[..NUMBER].copy_from_slice(&mark.to_be_bytes());
        raw[NUMBER..2 * NUMBER].copy_from_slice(&now.to_be_bytes());
        let (said, tag) = raw.split_at_mut(2 * NUMBER);
        tag.copy_from_slice(&self.current.tag(said).as_ref()[..TAG]);
        let mut value = String::with_capacity(LENGTH);
        value.push(char::from(VERSION));
        URL_SAFE_NO_PAD.encode_string(raw, &mut value);
        value
    }

    /// What a value says; `None` if it was not made for this pool with one of its secrets.
    pub fn open(&self, value: &[u8]) -> Option<Opened> {
        if value.len() != LENGTH {
            return None;
        }
        let encoded = value.strip_prefix(&[VERSION])?;
        // The decoder wants room for whole groups of three.
        let mut raw = [0; RAW.next_multiple_of(3)];
        let length = URL_SAFE_NO_PAD.decode_slice(encoded, &mut raw).ok()?;
        let (said, tag) = raw.get(..length)?.split_at_checked(2 * NUMBER)?;
        let is_made_with = |keys: &Keys| {
            let expected = keys.tag(said);
            constant_time::verify_slices_are_equal(&expected.as_ref()[..TAG], tag).is_ok()
        };
        let former = !is_made_with(&self.current);
        if former && !self.former.as_ref().is_some_and(is_made_with) {
            return None;
        }
        let (mark, issued) = said.split_at(NUMBER);
        Some(Opened {
            mark: u64::from_be_bytes(mark.try_into().ok()?),
            issued: u64::from_be_bytes(issued.try_into().ok()?),
            former,
        })
    }
}

impl Keys {
    fn new(pool: &str, secret: &Secret) -> Self {
        let secret = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
        let derived = |purpose: &[u8]| {
            let mut context = hmac::Context::with_key(&secret);
            // No purpose is the beginning of another, so no pool's name can make one key into another.
            context.update(purpose);
            context.update(pool.as_bytes());
            hmac::Key::new(hmac::HMAC_SHA256, context.sign().as_ref())
        };
        Self {
            marks: derived(b"portcullis sticky mark\0"),
            values: derived(b"portcullis sticky value\0"),
        }
    }

    fn mark(&self, endpoint: &str) -> u64 {
        let hash = hmac::sign(&self.marks, endpoint.as_bytes());
        let mut mark = [0; NUMBER];
        mark.copy_from_slice(&hash.as_ref()[..NUMBER]);
        u64::from_be_bytes(mark)
    }

    fn tag(&self, said: &[u8]) -> hmac::Tag {
        let mut context = hmac::Context::with_key(&self.values);
        context.update(&[VERSION]);
        context.update(said);
        context.sign()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn secret(text: &str) -> Secret {
        Secret::given(text)
    }

    fn signer(pool: &str, text: &str) -> Signer {
        Signer::new(pool, &secret(text), None)
    }

    const ONE: &str = "a secret of more than thirty-two characters";
    const OTHER: &str = "another secret of more than 32 characters.";

    #[test]
    fn a_value_says_what_was_put_in_and_no_more_characters_than_a_cookie_may_have() {
        let signer = signer("app", ONE);
        let mark = signer.mark("10.0.0.1:8080").value;
        let value = signer.seal(mark, 1_700_000_000);
        assert_eq!(value.len(), LENGTH);
        assert!(
            value
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
        );
        let opened = Opened {
            mark,
            issued: 1_700_000_000,
            former: false,
        };
        assert_eq!(signer.open(value.as_bytes()), Some(opened));
        assert_ne!(mark, signer.mark("10.0.0.2:8080").value);
    }

    #[test]
    fn every_change_of_a_byte_is_noticed() {
        let signer = signer("app", ONE);
        let value = signer
            .seal(signer.mark("10.0.0.1:8080").value, 7)
            .into_bytes();
        for index in 0..value.len() {
            for byte in 0..=u8::MAX {
                let mut forged = value.clone();
                forged[index] = byte;
                assert_eq!(
                    signer.open(&forged).is_some(),
                    forged == value,
                    "{index} {byte}"
                );
            }
        }
        for length in 0..value.len() {
            assert_eq!(signer.open(&value[..length]), None);
        }
        assert_eq!(signer.open(&[&value[..], b"A"].concat()), None);
        assert_eq!(signer.open(&vec![b'1'; 10_000_000]), None);
    }

    #[test]
    fn a_value_of_another_pool_or_secret_says_nothing() {
        let app = signer("app", ONE);
        let value = app.seal(app.mark("10.0.0.1:8080").value, 7);
        for other in [signer("api", ONE), signer("app", OTHER), signer("", ONE)] {
            assert_eq!(other.open(value.as_bytes()), None);
            assert_ne!(
                other.mark("10.0.0.1:8080").value,
                app.mark("10.0.0.1:8080").value
            );
        }
    }

    #[test]
    fn a_value_made_with_the_former_secret_is_read_but_no_more_made() {
        let before = signer("app", ONE);
        let mark = before.mark("10.0.0.1:8080").value;
        let value = before.seal(mark, 7);
        let now = Signer::new("app", &secret(OTHER), Some(&secret(ONE)));
        let opened = now.open(value.as_bytes()).expect("it is known");
        assert!(opened.former);
        assert_eq!(now.mark("10.0.0.1:8080").former, Some(opened.mark));
        let renewed = now.seal(now.mark("10.0.0.1:8080").value, 8);
        assert_eq!(before.open(renewed.as_bytes()), None);
        assert_eq!(
            now.open(renewed.as_bytes()).map(|it| it.former),
            Some(false)
        );
    }

    proptest! {
        #[test]
        fn whatever_a_client_sends_is_refused_unless_it_was_made_here(value: Vec<u8>, text in "1[A-Za-z0-9_-]{43}") {
            let signer = signer("app", ONE);
            prop_assert_eq!(signer.open(&value), None);
            prop_assert_eq!(signer.open(text.as_bytes()), None);
        }

        #[test]
        fn every_mark_and_time_comes_back(mark: u64, issued: u64) {
            let signer = signer("app", ONE);
            let opened = signer.open(signer.seal(mark, issued).as_bytes());
            prop_assert_eq!(opened, Some(Opened { mark, issued, former: false }));
        }
    }
}
