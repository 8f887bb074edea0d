//! What does a token say, before anybody believes it (RFC 7515 §3.1, the compact form)?

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::de::{DeserializeOwned, IgnoredAny};
use serde::{Deserialize, Deserializer};

use super::algorithm::Algorithm;
use super::fault::Fault;
use super::members::{Members, Unique};

/// The longest token, in bytes. Header lines of most endpoints end there as well.
pub const LONGEST: usize = 8 << 10;

/// A token that has not been verified.
#[derive(Debug)]
pub struct Token<'t> {
    /// With what it claims to be signed.
    pub algorithm: Algorithm,
    /// Which key it claims to be signed with (`kid`).
    pub key: Option<String>,
    /// What is signed: its first two parts, as they came.
    pub signed: &'t [u8],
    /// The signature.
    pub signature: Vec<u8>,
    claims: &'t str,
}

/// A token's header. What else stands there, keys and their addresses above all (`jwk`, `jku`, `x5u`, `x5c`), is the word of
/// somebody nobody knows yet, and is not looked at.
#[derive(Deserialize)]
struct Header {
    alg: String,
    #[serde(default)]
    kid: Option<String>,
    /// Whether the member is there, be it `null`.
    #[serde(default, deserialize_with = "is_there")]
    crit: bool,
}

fn is_there<'de, D: Deserializer<'de>>(value: D) -> Result<bool, D::Error> {
    IgnoredAny::deserialize(value).map(|_| true)
}

impl<'t> Token<'t> {
    /// Reads a token's header and takes its parts apart.
    ///
    /// # Errors
    ///
    /// The [`Fault`] for which it is refused whoever has signed it.
    pub fn read(text: &'t str) -> Result<Self, Fault> {
        if text.len() > LONGEST {
            return Err(Fault::TooLong);
        }
        let (signed, signature) = text.rsplit_once('.').ok_or(Fault::Malformed)?;
        let (header, claims) = signed.split_once('.').ok_or(Fault::Malformed)?;
        // A fourth part is refused as a character that is not base64url.
        let header: Header = json(header)?;
        if header.crit {
            return Err(Fault::Critical);
        }
        Ok(Self {
            algorithm: Algorithm::named(&header.alg).ok_or(Fault::Algorithm)?,
            key: header.kid,
            signed: signed.as_bytes(),
            signature: bytes(signature)?,
            claims,
        })
    }

    /// What it claims; to be asked for when the signature was found good.
    ///
    /// # Errors
    ///
    /// [`Fault::Malformed`] if they are not an object, or one of its members is there twice: endpoints differ in which one
    /// counts.
    pub fn claims(&self) -> Result<Members, Fault> {
        let Unique(claims) = json(self.claims)?;
        Ok(claims)
    }
}

/// Strict: no padding, no line breaks, and no spare bits, so that one token has one spelling.
fn bytes(part: &str) -> Result<Vec<u8>, Fault> {
    URL_SAFE_NO_PAD.decode(part).map_err(|_| Fault::Malformed)
}

fn json<T: DeserializeOwned>(part: &str) -> Result<T, Fault> {
    serde_json::from_slice(&bytes(part)?).map_err(|_| Fault::Malformed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(header: &str, claims: &str) -> String {
        let [header, claims, signature] =
            [header, claims, "signature"].map(|part| URL_SAFE_NO_PAD.encode(part));
        format!("{header}.{claims}.{signature}")
    }

    fn fault(header: &str) -> Fault {
        Token::read(&token(header, "{}")).expect_err(header)
    }

    #[test]
    fn a_token_is_taken_apart() {
        let text = token(
            r#"{"typ":"JWT","alg":"ES256","kid":"one"}"#,
            r#"{"sub":"me"}"#,
        );
        let token = Token::read(&text).expect("a token");
        assert_eq!(token.algorithm, Algorithm::Es256);
        assert_eq!(token.key.as_deref(), Some("one"));
        assert_eq!(token.signature, b"signature");
        assert_eq!(
            token.signed,
            text.rsplit_once('.').expect("parts").0.as_bytes()
        );
        assert_eq!(token.claims().expect("claims")["sub"], "me");
    }

    #[test]
    fn a_header_is_refused_that_says_no_algorithm_an_unknown_one_or_more_than_is_understood() {
        for none in [
            "none", "None", "NONE", "", "es256", "HS1", "ES256K", "RSA-OAEP",
        ] {
            assert_eq!(fault(&format!(r#"{{"alg":"{none}"}}"#)), Fault::Algorithm);
        }
        for crit in [r#"["exp"]"#, r#"["b64"]"#, "[]", r#""x""#, "null"] {
            let header = format!(r#"{{"alg":"ES256","crit":{crit}}}"#);
            assert_eq!(fault(&header), Fault::Critical);
        }
        for malformed in [
            r#"{}"#,
            r#"[]"#,
            r#""ES256""#,
            r#"{"alg":5}"#,
            r#"{"alg":["ES256"]}"#,
            r#"{"alg":"ES256","kid":1}"#,
            r#"{"alg":"none","alg":"ES256"}"#,
            r#"{"alg":"ES256","kid":"a","kid":"b"}"#,
            r#"{"alg":"ES256"} {}"#,
            "",
        ] {
            assert_eq!(fault(malformed), Fault::Malformed, "{malformed}");
        }
    }

    #[test]
    fn text_that_is_no_token_is_refused() {
        let good = token(r#"{"alg":"ES256"}"#, "{}");
        for text in [
            String::new(),
            ".".to_owned(),
            "..".to_owned(),
            "a.b".to_owned(),
            format!("{good}.x"),
            format!("x.{good}"),
            format!("{good}="),
            format!("{good}\n"),
            format!(" {good}"),
            good.replacen('.', "=.", 1),
            // The last character has bits to spare: these stand for the same byte in a lax reader.
            format!("{}.AB", good.rsplit_once('.').expect("parts").0),
        ] {
            assert_eq!(
                Token::read(&text).expect_err(&text),
                Fault::Malformed,
                "{text:?}"
            );
        }
        let long = "a".repeat(LONGEST + 1);
        assert_eq!(Token::read(&long).expect_err("long"), Fault::TooLong);
    }

    #[test]
    fn claims_are_one_object_in_which_nothing_is_said_twice() {
        let claims = |text: &str| {
            let text = token(r#"{"alg":"ES256"}"#, text);
            Token::read(&text).expect("a token").claims()
        };
        for bad in [
            "[]",
            "1",
            "",
            r#"{"sub":"a","sub":"b"}"#,
            r#"{"a":{"b":1,"b":2}}"#,
            r#"{"a":[{"b":1,"b":1}]}"#,
            &"[".repeat(5_000),
        ] {
            assert_eq!(claims(bad), Err(Fault::Malformed), "{bad}");
        }
        assert!(claims(r#"{"a":{"b":1},"b":[{"b":null},1.5,true]}"#).is_ok());
    }
}
