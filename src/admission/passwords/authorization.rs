//! Which user and which password does a request bring along? `Authorization` with the scheme `Basic` (RFC 7617).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::HeaderMap;
use http::header::AUTHORIZATION;
use zeroize::Zeroizing;

/// The longest value that is read, in bytes: a name and a password of some hundred each.
const LONGEST: usize = 1024;

/// A user's name and password, as a client gives them. Overwritten in memory when dropped, and never shown.
pub struct Credentials {
    text: Zeroizing<Vec<u8>>,
    colon: usize,
}

impl Credentials {
    /// Those of a request. `None` if there are none, more than one, or if they are not well formed.
    pub fn of(fields: &HeaderMap) -> Option<Self> {
        let mut values = fields.get_all(AUTHORIZATION).iter();
        let (Some(value), None) = (values.next(), values.next()) else {
            // Of two it would not be clear which one others go by.
            return None;
        };
        Self::parse(value.as_bytes())
    }

    /// Reads a value of `Authorization`.
    pub fn parse(value: &[u8]) -> Option<Self> {
        if value.len() > LONGEST {
            return None;
        }
        let space = value.iter().position(|byte| *byte == b' ')?;
        let (scheme, rest) = value.split_at(space);
        if !scheme.eq_ignore_ascii_case(b"basic") {
            return None;
        }
        let text = Zeroizing::new(STANDARD.decode(rest.trim_ascii()).ok()?);
        let colon = text.iter().position(|byte| *byte == b':')?;
        // RFC 7617 §2; a NUL would end the password for bcrypt.
        if text.iter().any(u8::is_ascii_control) || std::str::from_utf8(&text[..colon]).is_err() {
            return None;
        }
        Some(Self { text, colon })
    }

    /// The user's name.
    pub fn user(&self) -> &str {
        // It was found to be UTF-8.
        std::str::from_utf8(&self.text[..self.colon]).unwrap_or_default()
    }

    /// The password; any bytes but control characters, mostly UTF-8.
    pub fn password(&self) -> &[u8] {
        &self.text[self.colon + 1..]
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use proptest::prelude::*;

    use super::*;

    fn basic(text: &[u8]) -> String {
        format!("Basic {}", STANDARD.encode(text))
    }

    fn parse(value: &str) -> Option<(String, Vec<u8>)> {
        let read = Credentials::parse(value.as_bytes())?;
        Some((read.user().to_owned(), read.password().to_owned()))
    }

    #[test]
    fn name_and_password_are_apart_at_the_first_colon() {
        let pair =
            |user: &str, password: &str| Some((user.to_owned(), password.as_bytes().to_vec()));
        // The examples of RFC 7617 §2 and §2.1.
        assert_eq!(
            parse("Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="),
            pair("Aladdin", "open sesame")
        );
        assert_eq!(parse("Basic dGVzdDoxMjPCow=="), pair("test", "123£"));
        assert_eq!(parse("bAsIc   dGVzdDoxMjPCow=="), pair("test", "123£"));
        assert_eq!(parse(&basic(b"a:b:c")), pair("a", "b:c"));
        assert_eq!(parse(&basic(b":")), pair("", ""));
    }

    #[test]
    fn what_is_not_well_formed_is_nothing() {
        for value in [
            "",
            "Basic",
            "Basic ",
            "Basic !",
            "Basic QWxhZGRpbg==",
            "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ",
            "Bearer QWxhZGRpbjpvcGVuIHNlc2FtZQ==",
            "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==,",
            "Basic QWxhZGRpbjpv cGVuIHNlc2FtZQ==",
            "Basic  user=a",
        ] {
            assert_eq!(parse(value), None, "{value:?}");
        }
        for text in [&b"a\n:b"[..], b"a:b\0", b"\xff:b", b"a:\x7f"] {
            assert_eq!(parse(&basic(text)), None, "{text:?}");
        }
        let longest = [&b"a:"[..], &[b'x'; 760]].concat();
        assert!(parse(&basic(&longest)).is_some());
        assert_eq!(parse(&basic(&[b'a', b':', b'x'].repeat(256))), None);
    }

    #[test]
    fn two_of_them_are_none() {
        let mut fields = HeaderMap::new();
        assert!(Credentials::of(&fields).is_none());
        fields.append(AUTHORIZATION, HeaderValue::from_static("Basic YTpi"));
        assert!(Credentials::of(&fields).is_some());
        fields.append(AUTHORIZATION, HeaderValue::from_static("Basic YTpi"));
        assert!(Credentials::of(&fields).is_none());
    }

    proptest! {
        #[test]
        fn any_value_is_read_or_refused(value in prop::collection::vec(any::<u8>(), 0..1100)) {
            let _ = Credentials::parse(&value);
            let _ = Credentials::parse(&[b"Basic ", &value[..]].concat());
        }

        #[test]
        fn what_is_encoded_comes_out_again(user in "[^:\\p{Cc}]{0,40}", password in "\\P{Cc}{0,40}") {
            let value = basic(format!("{user}:{password}").as_bytes());
            prop_assert_eq!(parse(&value), Some((user, password.into_bytes())));
        }
    }
}
