//! How is a key written?

use http::HeaderName;

use super::{Part, Purpose, Word};

/// Why a key can't be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// There is nothing.
    #[error("the key is empty")]
    Empty,
    /// A word nobody knows.
    #[error("`{0}` is not a part of a request")]
    UnknownWord(String),
    /// `header.`, `cookie.` or `query.` without a name, or with one that can't be.
    #[error("`{0}` has no name that a {1} can have")]
    BadName(String, &'static str),
    /// HTTP/2 has no such field.
    #[error("`header.host` is absent from many requests of HTTP/2")]
    HostHeader,
    /// A brace that is not opened.
    #[error("a `}}` stands alone")]
    LoneBrace,
    /// A brace that is not closed after these words.
    #[error("`}}` is missing after `{{{0}`")]
    OpenBrace(String),
    /// A template without a word.
    #[error("the key is the same for every request")]
    Constant,
}

impl KeyError {
    /// What to write instead.
    pub const fn hint(&self, purpose: Purpose) -> &'static str {
        match self {
            KeyError::Empty | KeyError::UnknownWord(_) | KeyError::BadName(..)
                if matches!(purpose, Purpose::Limit) =>
            {
                "the words are client_ip, path, host, header.NAME, cookie.NAME, query.NAME, claim.NAME, and in braces in \
                 a template: \"{client_ip}-{header.X-User}\"; `global` stands alone"
            }
            KeyError::Empty | KeyError::UnknownWord(_) | KeyError::BadName(..) => {
                "the words are client_ip, path, host, header.NAME, cookie.NAME, query.NAME, and in braces in a \
                 template: \"{client_ip}-{header.X-User}\""
            }
            KeyError::HostHeader => "write `host`",
            KeyError::LoneBrace => "write a brace that stands for itself twice: `}}`",
            KeyError::OpenBrace(_) => {
                "close it, as in \"{client_ip}-{header.X-User}\"; a brace that stands for itself is written twice: `{{`"
            }
            KeyError::Constant if matches!(purpose, Purpose::Limit) => {
                "name a part of the request in braces, as `{client_ip}`, or write `global`"
            }
            KeyError::Constant => "name a part of the request in braces, as `{client_ip}`",
        }
    }
}

/// The parts of a key.
pub(super) fn parts(text: &str, purpose: Purpose) -> Result<Box<[Part]>, KeyError> {
    if text.is_empty() {
        return Err(KeyError::Empty);
    }
    if !text.contains(['{', '}']) {
        return Ok(Box::new([Part::Word(word(text, purpose)?)]));
    }
    let mut parts = Vec::new();
    let mut literal = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(['{', '}']) {
        let (before, brace) = rest.split_at(at);
        literal.push_str(before);
        if let Some(after) = brace.strip_prefix("{{") {
            literal.push('{');
            rest = after;
        } else if let Some(after) = brace.strip_prefix("}}") {
            literal.push('}');
            rest = after;
        } else if let Some(after) = brace.strip_prefix('{') {
            let (name, after) = after
                .split_once('}')
                .ok_or_else(|| KeyError::OpenBrace(after.to_owned()))?;
            if !literal.is_empty() {
                parts.push(Part::Literal(std::mem::take(&mut literal).into()));
            }
            parts.push(Part::Word(word(name, purpose)?));
            rest = after;
        } else {
            return Err(KeyError::LoneBrace);
        }
    }
    literal.push_str(rest);
    if !literal.is_empty() {
        parts.push(Part::Literal(literal.into()));
    }
    if !parts.iter().any(|part| matches!(part, Part::Word(_))) {
        return Err(KeyError::Constant);
    }
    Ok(parts.into())
}

fn word(text: &str, purpose: Purpose) -> Result<Word, KeyError> {
    let bad = |what| KeyError::BadName(text.to_owned(), what);
    match text.split_once('.') {
        None if text == "client_ip" => Ok(Word::ClientIp),
        None if text == "path" => Ok(Word::Path),
        None if text == "host" => Ok(Word::Host),
        Some(("header", name)) => match HeaderName::try_from(name) {
            Ok(http::header::HOST) => Err(KeyError::HostHeader),
            Ok(name) => Ok(Word::Header(name)),
            Err(_) => Err(bad("header field")),
        },
        // A cookie's name is a token (RFC 6265 §4.1.1), as a field's is.
        Some(("cookie", name)) if HeaderName::try_from(name).is_ok() => {
            Ok(Word::Cookie(name.into()))
        }
        Some(("cookie", _)) => Err(bad("cookie")),
        Some(("query", "")) => Err(bad("query parameter")),
        Some(("claim", "")) if purpose == Purpose::Limit => Err(bad("claim")),
        Some(("claim", name)) if purpose == Purpose::Limit => Ok(Word::Claim(name.into())),
        Some(("query", name)) => Ok(Word::Query(name.into())),
        _ => Err(KeyError::UnknownWord(text.to_owned())),
    }
}
