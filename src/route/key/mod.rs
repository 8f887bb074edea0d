//! Which part of a request says what it belongs to: to an endpoint, or to a bucket of a rate limit?
//!
//! A key is written as one word, such as `client_ip`, or as a template with words in braces, such as
//! `{client_ip}-{header.X-User}`. What is made of it is up to who asks: a balancer joins the pieces to one text, as nginx
//! does; a rate limit keeps them apart. Nothing is allocated for it but where a query's value has escapes or a claim is a
//! number.

mod ip_text;
mod parse;
mod words;

use std::net::IpAddr;

use http::HeaderName;
use serde_json::{Map, Value};

use super::Request;
use ip_text::IpText;
pub use parse::KeyError;

/// Which parts of a request are its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    parts: Box<[Part]>,
}

/// Who asks for the key: not every word means something to everyone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// A consistent balancer.
    Balance,
    /// A rate limit, which may go by the claims of a verified token as well.
    Limit,
}

/// What a request offers.
#[derive(Clone, Copy)]
pub struct Source<'r> {
    /// Its header.
    pub request: &'r Request<'r>,
    /// The client's address, as far as the proxies in front are trusted.
    pub client: Option<IpAddr>,
    /// What its verified token says.
    pub claims: Option<&'r Map<String, Value>>,
}

/// What a request has for one part of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Piece<'p> {
    /// The same for every request.
    Literal(&'p [u8]),
    /// The client's address.
    Client(IpAddr),
    /// The request's own; never empty.
    Value(&'p [u8]),
    /// Nothing. What is empty is as good as absent.
    Absent,
}

/// A part of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    /// The same for every request.
    Literal(Box<str>),
    /// The request's own.
    Word(Word),
}

/// A part of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Word {
    /// The client's address, as far as the proxies in front are trusted.
    ClientIp,
    /// The path in its normal form, before it is rewritten.
    Path,
    /// The host in lower case, without port.
    Host,
    /// The first line of that field.
    Header(HeaderName),
    /// The first cookie of that name, as it stands there.
    Cookie(Box<str>),
    /// The first query parameter of that name, decoded.
    Query(Box<str>),
    /// The claim of that name of the verified token: a text, a number or a boolean. Dots lead into objects.
    Claim(Box<str>),
}

impl Key {
    /// Reads a key.
    ///
    /// # Errors
    ///
    /// A [`KeyError`] that says what to write instead.
    pub fn parse(text: &str, purpose: Purpose) -> Result<Self, KeyError> {
        let parts = parse::parts(text, purpose)?;
        Ok(Self { parts })
    }

    /// Whether it is one word and nothing else.
    pub fn is_word(&self) -> bool {
        matches!(&*self.parts, [Part::Word(_)])
    }

    /// Whether it goes by a claim, which is known only after a token was verified.
    pub fn has_claim(&self) -> bool {
        let claim = |part: &Part| matches!(part, Part::Word(Word::Claim(_)));
        self.parts.iter().any(claim)
    }

    /// Gives `take` what the request has for each part, in their order.
    pub fn pieces(&self, from: &Source<'_>, mut take: impl FnMut(Piece<'_>)) {
        for part in &self.parts {
            match part {
                Part::Literal(text) => take(Piece::Literal(text.as_bytes())),
                Part::Word(word) => words::read(word, from, &mut take),
            }
        }
    }
}

impl Piece<'_> {
    /// What `take` makes of it as text; `None` if there is nothing.
    pub fn text<T>(self, take: impl FnOnce(&[u8]) -> T) -> Option<T> {
        match self {
            Piece::Literal(text) | Piece::Value(text) => Some(take(text)),
            Piece::Client(ip) => Some(take(IpText::new(ip).as_bytes())),
            Piece::Absent => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::{HeaderMap, Method};
    use serde_json::json;

    fn pieces(text: &str, claims: Option<&Map<String, Value>>) -> Vec<Option<String>> {
        let key = Key::parse(text, Purpose::Limit).expect("a key");
        let request = Request {
            host: "a.example",
            path: "/x",
            query: None,
            method: &Method::GET,
            headers: &HeaderMap::new(),
        };
        let source = Source {
            request: &request,
            client: Some(IpAddr::from([192, 0, 2, 1])),
            claims,
        };
        let mut pieces = Vec::new();
        key.pieces(&source, |piece| {
            pieces.push(piece.text(|text| String::from_utf8_lossy(text).into_owned()));
        });
        pieces
    }

    #[test]
    fn a_claim_is_a_text_a_number_or_a_boolean() {
        let claims = json!({
            "sub": "ann", "n": -12, "f": 1.5, "b": true, "https://a.example/tenant": "t",
            "empty": "", "null": null, "list": ["a"], "map": {"a": 1, "b": {"c": "d"}},
        });
        let claims = claims.as_object();
        for (name, value) in [
            ("sub", Some("ann")),
            ("n", Some("-12")),
            ("f", Some("1.5")),
            ("b", Some("true")),
            ("https://a.example/tenant", Some("t")),
            ("empty", None),
            ("null", None),
            ("list", None),
            ("map", None),
            ("map.a", Some("1")),
            ("map.b.c", Some("d")),
            ("map.b.c.d", None),
            ("other", None),
        ] {
            let expected = vec![value.map(str::to_owned)];
            assert_eq!(pieces(&format!("claim.{name}"), claims), expected, "{name}");
        }
        assert_eq!(pieces("claim.sub", None), [None]);
    }

    #[test]
    fn a_template_gives_its_pieces_one_by_one() {
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(
            pieces("{client_ip}-{header.x-user}{path}", None),
            [some("192.0.2.1"), some("-"), None, some("/x")]
        );
    }

    #[test]
    fn only_a_limit_goes_by_claims() {
        assert!(Key::parse("claim.sub", Purpose::Balance).is_err());
        let key = Key::parse("{path}{claim.sub}", Purpose::Limit).expect("a key");
        assert!(key.has_claim() && !key.is_word());
        let key = Key::parse("path", Purpose::Limit).expect("a key");
        assert!(key.is_word() && !key.has_claim());
        assert!(Key::parse("claim.", Purpose::Limit).is_err());
    }

    #[test]
    fn a_hint_lists_the_words_of_who_asks() {
        let error = Key::parse("ip", Purpose::Limit).expect_err("no word");
        assert!(error.hint(Purpose::Limit).contains("claim.NAME"));
        assert!(!error.hint(Purpose::Balance).contains("claim.NAME"));
    }
}
