//! Which answers are worth a coding, and which may not be given one?

use http::header::{CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

/// Fields by which the endpoint vouches for the bytes as it has sent them (RFC 9530, RFC 3230, RFC 9421): whoever verifies
/// them wants those bytes, and no others.
static VOUCHERS: [HeaderName; 4] = [
    HeaderName::from_static("content-digest"),
    HeaderName::from_static("repr-digest"),
    HeaderName::from_static("digest"),
    HeaderName::from_static("signature"),
];

/// Whether an answer of this status has a body of its own: neither a part of one nor none.
pub fn has_whole_body(status: StatusCode) -> bool {
    !status.is_informational() && !matches!(status.as_u16(), 204 | 205 | 206 | 304)
}

/// Whether nobody may change the content (RFC 9111 §5.2.1.6, §5.2.2.6).
pub fn is_untouchable(fields: &HeaderMap) -> bool {
    let mut lines = fields.get_all(CACHE_CONTROL).iter();
    lines.any(|line| {
        let mut directives = line.as_bytes().split(|byte| *byte == b',');
        directives.any(|directive| directive.trim_ascii().eq_ignore_ascii_case(b"no-transform"))
    })
}

/// Whether the endpoint has coded the body itself.
pub fn is_coded(fields: &HeaderMap) -> bool {
    let lines = fields.get_all(CONTENT_ENCODING).iter();
    let mut codings = lines.flat_map(|line| line.as_bytes().split(|byte| *byte == b','));
    codings.any(|coding| {
        let coding = coding.trim_ascii();
        // RFC 9110 §12.5.3: no coding, though it has no business in this field.
        !coding.is_empty() && !coding.eq_ignore_ascii_case(b"identity")
    })
}

/// Whether somebody may verify the bytes.
pub fn is_vouched_for(fields: &HeaderMap) -> bool {
    VOUCHERS.iter().any(|name| fields.contains_key(name))
}

/// Streams of events. A pattern does not stand for them: their encoder would be held for as long as the client listens, to
/// make little pieces a little smaller.
const EVENTS: &[u8] = b"text/event-stream";

/// Media types that are coded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Types(Box<[Pattern]>);

/// What stands for one type or many; in lower case.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Pattern {
    /// `*/*`
    Any,
    /// `application/json`
    Exact(Box<str>),
    /// `text/*`, as `text/`
    All(Box<str>),
    /// `application/*+json`, as `application/` and `+json`
    Suffixed(Box<str>, Box<str>),
}

impl Types {
    /// The types that `written` stands for; `complain` gets the place in the list of each that is none, and why.
    pub fn compile<'w>(
        written: impl Iterator<Item = &'w str>,
        mut complain: impl FnMut(usize, &'static str),
    ) -> Self {
        let read = |(index, text)| match Pattern::read(text) {
            Ok(pattern) => Some(pattern),
            Err(problem) => {
                complain(index, problem);
                None
            }
        };
        Self(written.enumerate().filter_map(read).collect())
    }

    /// Whether the `Content-Type` of an answer is one of them. An answer without one is of none.
    pub fn contain(&self, fields: &HeaderMap) -> bool {
        let Some(media) = media_type(fields) else {
            return false;
        };
        // gRPC compresses its messages itself, and its framing must reach the client as it is.
        if starts_with(media, b"application/grpc") {
            return false;
        }
        self.0.iter().any(|pattern| pattern.matches(media))
            && (!media.eq_ignore_ascii_case(EVENTS) || self.0.iter().any(Pattern::names_events))
    }
}

/// The type and subtype, without parameters.
fn media_type(fields: &HeaderMap) -> Option<&[u8]> {
    let value = fields.get(CONTENT_TYPE).map(HeaderValue::as_bytes)?;
    let media = value.split(|byte| *byte == b';').next()?.trim_ascii();
    media.contains(&b'/').then_some(media)
}

fn starts_with(text: &[u8], start: &[u8]) -> bool {
    text.get(..start.len())
        .is_some_and(|begins| begins.eq_ignore_ascii_case(start))
}

fn ends_with(text: &[u8], end: &[u8]) -> bool {
    text.len()
        .checked_sub(end.len())
        .and_then(|from| text.get(from..))
        .is_some_and(|ends| ends.eq_ignore_ascii_case(end))
}

impl Pattern {
    fn read(text: &str) -> Result<Self, &'static str> {
        let Some((kind, subtype)) = text.split_once('/') else {
            return Err("is not a media type: it has no `/`");
        };
        if text.contains(';') {
            return Err("has parameters; types are compared without them");
        }
        let token = |text: &str| {
            // RFC 9110 §5.6.2, without the `*` that stands for something here.
            let is_token =
                |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'+-.^_`|~".contains(&byte);
            !text.is_empty() && text.bytes().all(is_token)
        };
        let lower = |text: &str| Box::from(text.to_ascii_lowercase());
        match (kind, subtype) {
            ("*", "*") => Ok(Self::Any),
            (kind, "*") if token(kind) => Ok(Self::All(lower(&format!("{kind}/")))),
            (kind, subtype) if token(kind) && token(subtype) => Ok(Self::Exact(lower(text))),
            (kind, subtype) => match subtype.strip_prefix('*') {
                Some(suffix)
                    if token(kind)
                        && suffix.len() > 1
                        && suffix.starts_with('+')
                        && token(suffix) =>
                {
                    Ok(Self::Suffixed(lower(&format!("{kind}/")), lower(suffix)))
                }
                _ => Err("is not a media type"),
            },
        }
    }

    fn names_events(&self) -> bool {
        matches!(self, Self::Exact(exact) if exact.as_bytes() == EVENTS)
    }

    fn matches(&self, media: &[u8]) -> bool {
        match self {
            Self::Any => true,
            Self::Exact(exact) => media.eq_ignore_ascii_case(exact.as_bytes()),
            Self::All(start) => starts_with(media, start.as_bytes()),
            Self::Suffixed(start, suffix) => {
                // At least one character stands for the `*`.
                media.len() > start.len() + suffix.len()
                    && starts_with(media, start.as_bytes())
                    && ends_with(media, suffix.as_bytes())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(name: &'static str, value: &str) -> HeaderMap {
        let mut fields = HeaderMap::new();
        let value = HeaderValue::from_str(value).expect("a value");
        fields.insert(HeaderName::from_static(name), value);
        fields
    }

    fn types(written: &[&str]) -> Types {
        Types::compile(written.iter().copied(), |index, problem| {
            panic!("{}: {problem}", written[index])
        })
    }

    #[test]
    fn a_pattern_stands_for_one_type_for_all_of_a_kind_or_for_a_suffix() {
        let types = types(&["text/*", "application/json", "application/*+JSON"]);
        for (media, want) in [
            ("text/html", true),
            ("TEXT/Plain; charset=utf-8", true),
            ("text/event-stream", false),
            ("application/json", true),
            ("application/json;charset=utf-8", true),
            ("application/jsonx", false),
            ("application/ld+json", true),
            ("Application/Problem+Json ; v=1", true),
            ("application/+json", false),
            ("application/json+x", false),
            ("image/png", false),
            ("text", false),
            ("", false),
        ] {
            let fields = fields("content-type", media);
            assert_eq!(types.contain(&fields), want, "{media}");
        }
        assert!(!types.contain(&HeaderMap::new()));
    }

    #[test]
    fn streams_of_events_have_to_be_named() {
        let fields = fields("content-type", "Text/Event-Stream; charset=utf-8");
        assert!(!types(&["*/*", "text/*", "text/*+x"]).contain(&fields));
        assert!(types(&["text/*", "text/event-stream"]).contain(&fields));
    }

    #[test]
    fn grpc_is_left_alone_whatever_is_listed() {
        let types = types(&["*/*"]);
        for media in [
            "application/grpc",
            "application/grpc+proto",
            "application/grpc-web",
        ] {
            assert!(!types.contain(&fields("content-type", media)), "{media}");
        }
        assert!(types.contain(&fields("content-type", "application/octet-stream")));
    }

    #[test]
    fn what_is_no_type_is_told_by_its_place() {
        let written = [
            "json",
            "text/*",
            "*/json",
            "text/",
            "text/html; charset=utf-8",
            "text/h*",
            "application/*json",
            "a b/c",
            "application/*+",
            "",
        ];
        let mut told = Vec::new();
        let types = Types::compile(written.into_iter(), |index, _| told.push(index));
        assert_eq!(told, [0, 2, 3, 4, 5, 6, 7, 8, 9]);
        assert_eq!(types.0.len(), 1);
    }

    #[test]
    fn rfc9111_5_2_2_6_no_transform_is_found_among_other_directives() {
        for (value, want) in [
            ("no-transform", true),
            ("max-age=60, No-Transform", true),
            ("max-age=60", false),
            ("x-no-transform", false),
        ] {
            assert_eq!(is_untouchable(&fields("cache-control", value)), want);
        }
    }

    #[test]
    fn rfc9110_8_4_a_coded_body_is_known_by_its_field() {
        for (value, want) in [
            ("gzip", true),
            ("identity", false),
            ("", false),
            ("identity, br", true),
            ("aws-chunked", true),
        ] {
            assert_eq!(
                is_coded(&fields("content-encoding", value)),
                want,
                "{value}"
            );
        }
        assert!(!is_coded(&HeaderMap::new()));
    }

    #[test]
    fn parts_and_answers_without_body_are_not_whole() {
        for (status, want) in [
            (100, false),
            (101, false),
            (200, true),
            (203, true),
            (204, false),
            (205, false),
            (206, false),
            (304, false),
            (404, true),
            (500, true),
        ] {
            let status = StatusCode::from_u16(status).expect("a status");
            assert_eq!(has_whole_body(status), want, "{status}");
        }
    }
}
