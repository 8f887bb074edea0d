//! How does what is written about clients that come back become what their requests are read by?

use std::fmt::Write as _;

use http::HeaderName;

use super::unlimited_if_zero;
use crate::config::Spanned;
use crate::config::pool::{
    Pool as Written, SameSite, Secure, Sticky as WrittenSticky, StickyCookie,
};
use crate::pool::Sticky;
use crate::pool::sticky::cookie::SetCookie;
use crate::pool::sticky::{OwnCookie, Secret, Signer};
use crate::route::normalise_host;
use crate::snapshot::files::Sources;
use crate::snapshot::listeners::beside;
use crate::snapshot::reporter::Reporter;

/// How long a secret is at least, in characters: one of random letters and digits has more than 128 bits then.
const SHORTEST_SECRET: usize = 32;

const SECRET_HINT: &str = "make one with `openssl rand -hex 32`, and give it as `secret: ${STICKY_SECRET}` or `secret_file`";

/// Compiles it; what is wrong is reported.
pub(super) fn sticky(
    sticky: &Spanned<WrittenSticky>,
    pool: &Written,
    sources: &Sources<'_>,
    reporter: &mut Reporter<'_>,
) -> Option<Sticky> {
    let WrittenSticky {
        cookie,
        app_cookie,
        header,
    } = &sticky.value;
    match (cookie, app_cookie, header) {
        (Some(cookie), None, None) => {
            let own = own_cookie(&cookie.value, pool, sources, reporter)?;
            Some(Sticky::Own(Box::new(own)))
        }
        (None, Some(name), None) => {
            is_cookie_name(name, "sticky.app_cookie", reporter);
            Some(Sticky::AppCookie(name.value.clone()))
        }
        (None, None, Some(name)) => match HeaderName::try_from(name.value.as_str()) {
            Ok(name) => Some(Sticky::Header(name)),
            Err(_) => {
                let quoted = name.escape_debug();
                let message = format!("`{quoted}` is not the name of a header field");
                reporter.error("sticky.header", name, message, None);
                None
            }
        },
        _ => {
            reporter.error(
                "sticky",
                sticky,
                "a client is known by one of `cookie`, `app_cookie` and `header`",
                Some("give one of them; `cookie: {}` is a cookie that Portcullis sets"),
            );
            None
        }
    }
}

fn own_cookie(
    written: &StickyCookie,
    pool: &Written,
    sources: &Sources<'_>,
    reporter: &mut Reporter<'_>,
) -> Option<OwnCookie> {
    is_cookie_name(&written.name, "sticky.cookie.name", reporter);
    check_prefix(written, reporter);
    let path = &written.path;
    if !path.starts_with('/') || !path.bytes().all(may_stand_in_attribute) {
        reporter.error(
            "sticky.cookie.path",
            path,
            format!("`{}` is not a path", path.escape_debug()),
            Some("write `/`, or the path below which the application is"),
        );
    }
    if let Some(domain) = &written.domain
        && (normalise_host(domain).is_err() || !domain.bytes().all(may_stand_in_attribute))
    {
        reporter.error(
            "sticky.cookie.domain",
            domain,
            format!("`{}` is not a host name", domain.escape_debug()),
            Some("write it as `example.com`; its subdomains are meant too"),
        );
    }
    if written.same_site.value == SameSite::None && written.secure == Secure::False {
        reporter.error(
            "sticky.cookie.same_site",
            &written.same_site,
            "browsers refuse a cookie with `same_site: none` that is not `secure`",
            Some("leave `secure` at `auto`, or set it to `true`"),
        );
    }
    let lifetime = unlimited_if_zero(&written.lifetime);
    if lifetime.is_some_and(|lifetime| lifetime.as_secs() == 0) {
        reporter.error(
            "sticky.cookie.lifetime",
            &written.lifetime,
            "a cookie lives for whole seconds",
            Some("give a time as `1h`, or `0s` for until the browser is closed"),
        );
    }
    let secret = secret(written, sources, reporter);
    if let Some(former) = &written.previous_secret {
        is_long_enough(
            &former.value,
            former,
            "sticky.cookie.previous_secret",
            reporter,
        );
        if secret.is_none() && written.secret.is_none() && written.secret_file.is_none() {
            reporter.error(
                "sticky.cookie.previous_secret",
                former,
                "has no effect without `secret` or `secret_file`",
                Some("give the new one as well"),
            );
        }
    }
    let secret = match secret {
        Some(secret) => secret,
        None if written.secret.is_some() || written.secret_file.is_some() => return None,
        None => {
            if lifetime.is_some() {
                reporter.error(
                    "sticky.cookie.lifetime",
                    &written.lifetime,
                    "a cookie that outlives the browser's session must outlive a restart of Portcullis too, which forgets a secret \
                     that is not given",
                    Some(SECRET_HINT),
                );
            }
            match sources.state.sticky.get() {
                Ok(secret) => secret,
                Err(error) => {
                    reporter.error("sticky.cookie", &written.name, error.to_string(), None);
                    return None;
                }
            }
        }
    };
    let former = written.previous_secret.as_ref();
    let former = former.map(|former| Secret::given(&former.value));
    Some(OwnCookie {
        set: SetCookie {
            name: written.name.value.clone(),
            attributes: attributes(written),
            secure: written.secure,
        },
        signer: Signer::new(&pool.name.value, &secret, former.as_ref()),
        lifetime,
        follow_drained: written.follow_drained,
    })
}

/// The secret that is given, if one is, and if it can be used.
fn secret(
    written: &StickyCookie,
    sources: &Sources<'_>,
    reporter: &mut Reporter<'_>,
) -> Option<Secret> {
    match (&written.secret, &written.secret_file) {
        (Some(_), Some(file)) => {
            reporter.error(
                "sticky.cookie.secret_file",
                file,
                "there is a `secret` as well",
                Some("give one of them"),
            );
            None
        }
        (Some(secret), None) => {
            is_long_enough(&secret.value, secret, "sticky.cookie.secret", reporter)
                .then(|| Secret::given(&secret.value))
        }
        (None, Some(file)) => match sources.text(&beside(file)) {
            Ok(text) => {
                let text = text.trim();
                is_long_enough(text, file, "sticky.cookie.secret_file", reporter)
                    .then(|| Secret::given(text))
            }
            Err(error) => {
                let message = format!("can't read {}: {error}", beside(file).display());
                reporter.error("sticky.cookie.secret_file", file, message, None);
                None
            }
        },
        (None, None) => None,
    }
}

fn is_long_enough(
    secret: &str,
    at: &Spanned<String>,
    key: &str,
    reporter: &mut Reporter<'_>,
) -> bool {
    let length = secret.chars().count();
    if length < SHORTEST_SECRET {
        let message = format!(
            "a secret has at least {SHORTEST_SECRET} characters, and this one has {length}"
        );
        reporter.error(key, at, message, Some(SECRET_HINT));
    }
    length >= SHORTEST_SECRET
}

/// Cookies have names of the same characters as header fields (RFC 6265 §4.1.1).
fn is_cookie_name(name: &Spanned<String>, key: &str, reporter: &mut Reporter<'_>) {
    if HeaderName::try_from(name.value.as_str()).is_err() {
        reporter.error(
            key,
            name,
            format!("`{}` is not the name of a cookie", name.escape_debug()),
            Some("letters, digits, `-` and `_` can stand in it, and no spaces"),
        );
    }
}

/// Browsers refuse cookies with these prefixes unless they are set in this way (RFC 6265bis §4.1.3).
fn check_prefix(written: &StickyCookie, reporter: &mut Reporter<'_>) {
    let begins = |prefix: &str| {
        let begin = written.name.get(..prefix.len());
        begin.is_some_and(|begin| begin.eq_ignore_ascii_case(prefix))
    };
    let secure = written.secure == Secure::True;
    let bound = written.path.value == "/" && written.domain.is_none();
    let wanted = if begins("__Host-") && !(secure && bound) {
        "browsers refuse a cookie with the prefix `__Host-` unless `secure` is `true`, `path` is `/` and there is no `domain`"
    } else if begins("__Secure-") && !secure {
        "browsers refuse a cookie with the prefix `__Secure-` unless `secure` is `true`"
    } else {
        return;
    };
    reporter.error("sticky.cookie.name", &written.name, wanted, None);
}

/// A `;` would begin another attribute.
const fn may_stand_in_attribute(byte: u8) -> bool {
    byte.is_ascii_graphic() && byte != b';'
}

/// What follows the cookie's value, but for `Secure`.
fn attributes(written: &StickyCookie) -> String {
    let mut text = format!("; Path={}", written.path.value);
    if let Some(domain) = &written.domain {
        text.push_str("; Domain=");
        text.push_str(domain);
    }
    if let Some(lifetime) = unlimited_if_zero(&written.lifetime) {
        // Writing to memory does not fail.
        let _ = write!(text, "; Max-Age={}", lifetime.as_secs());
    }
    if written.http_only {
        text.push_str("; HttpOnly");
    }
    text.push_str(match written.same_site.value {
        SameSite::Strict => "; SameSite=Strict",
        SameSite::Lax => "; SameSite=Lax",
        SameSite::None => "; SameSite=None",
    });
    text
}
