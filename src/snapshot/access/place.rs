//! Where is a credential said to be?

use http::HeaderName;
use http::header::AUTHORIZATION;

use crate::config::Spanned;
use crate::config::access::jwt::BEARER;
use crate::policy::access::Place;
use crate::policy::headers::field_name;
use crate::snapshot::reporter::Reporter;

/// What is looked for, and how that is told.
pub(super) struct Credential {
    /// The key at which its place is written.
    pub(super) key: &'static str,
    /// What it is.
    pub(super) name: &'static str,
    /// Whether it may be in a cookie.
    pub(super) cookie: bool,
    /// Whether it may be what follows `Bearer` in `Authorization`.
    pub(super) bearer: bool,
    /// How its place is written.
    pub(super) hint: &'static str,
    /// What is wrong with a query as its place, and what is better.
    pub(super) in_query: (&'static str, &'static str),
}

impl Credential {
    /// The place that is written.
    ///
    /// # Errors
    ///
    /// It is none for this, and why.
    pub(super) fn read(&self, written: &str) -> Result<Place, String> {
        match written.split_once('.') {
            None if self.bearer && written == BEARER => Ok(Place::Header(AUTHORIZATION)),
            Some(("header", name)) => Ok(Place::Header(field_name(name)?)),
            Some(("cookie", name)) if self.cookie && is_cookie_name(name) => {
                Ok(Place::Cookie(name.into()))
            }
            Some(("query", name)) if !name.is_empty() => Ok(Place::Query(name.into())),
            _ => Err(format!(
                "`{}` is no place for {}",
                written.escape_debug(),
                self.name
            )),
        }
    }

    /// As [`read`](Self::read); what is wrong, or doubtful, is reported.
    pub(super) fn place(
        &self,
        written: &Spanned<String>,
        reporter: &mut Reporter<'_>,
    ) -> Option<Place> {
        match self.read(written) {
            Ok(place) => {
                if let Place::Query(_) = place {
                    let (message, hint) = self.in_query;
                    reporter.warning(self.key, written, message, Some(hint));
                }
                Some(place)
            }
            Err(message) => {
                reporter.error(self.key, written, message, Some(self.hint));
                None
            }
        }
    }
}

/// RFC 6265 §4.1.1: a token, as the name of a field is.
fn is_cookie_name(name: &str) -> bool {
    HeaderName::try_from(name).is_ok()
}
