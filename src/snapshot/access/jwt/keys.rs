//! With which algorithms and keys may tokens be signed, as it is written?

use std::sync::Arc;

use super::fetched::fetched;
use crate::config::Spanned;
use crate::config::access::Jwt as Written;
use crate::policy::access::jwt::Keys;
use crate::policy::access::jwt::algorithm::Algorithm;
use crate::policy::access::jwt::keys::{KeyError, KeySet};
use crate::snapshot::files::Sources;
use crate::snapshot::listeners::beside;
use crate::snapshot::reporter::Reporter;

const SECRET_HINT: &str =
    "make one with `openssl rand -hex 64`, and give it as `secret: ${JWT_SECRET}` or `secret_file`";

/// Those that are written, or all that are for public keys.
pub(super) fn algorithms(
    written: &Spanned<Written>,
    reporter: &mut Reporter<'_>,
) -> Option<Box<[Algorithm]>> {
    let jwt = &written.value;
    let has_secret = jwt.secret.is_some() || jwt.secret_file.is_some();
    let names = || {
        let fitting = Algorithm::ALL
            .into_iter()
            .filter(|one| one.is_symmetric() == has_secret);
        let names: Vec<&str> = fitting.map(Algorithm::as_str).collect();
        format!("algorithms: {}", names.join(", "))
    };
    let Some(listed) = &jwt.algorithms else {
        if has_secret {
            let message = "a secret is only for algorithms that are named";
            let hint = "add `algorithms: [HS256]`, or what the issuer signs with";
            reporter.error("jwt.algorithms", written, message, Some(hint));
            return None;
        }
        return Some(
            Algorithm::ALL
                .into_iter()
                .filter(|one| !one.is_symmetric())
                .collect(),
        );
    };
    if listed.is_empty() {
        let message = "no algorithm is left, so nobody could come in";
        reporter.error("jwt.algorithms", listed, message, Some(&names()));
        return None;
    }
    let mut algorithms = Vec::new();
    let mut all_good = true;
    for (index, name) in listed.iter().enumerate() {
        let key = format!("jwt.algorithms[{index}]");
        let quoted = name.escape_debug();
        match Algorithm::named(name) {
            Some(algorithm) if algorithm.is_symmetric() == has_secret => algorithms.push(algorithm),
            Some(algorithm) => {
                all_good = false;
                let message = if algorithm.is_symmetric() {
                    format!("`{quoted}` needs a `secret`: with a public key, anyone could sign")
                } else {
                    format!("`{quoted}` needs a public key, not a secret")
                };
                reporter.error(&key, name, message, Some(&names()));
            }
            None if name.eq_ignore_ascii_case("none") => {
                all_good = false;
                let message = "`none` is no signature: anyone could come in";
                reporter.error(&key, name, message, Some(&names()));
            }
            None => {
                all_good = false;
                let message = format!("`{quoted}` is no algorithm that is known");
                reporter.error(&key, name, message, Some(&names()));
            }
        }
    }
    all_good.then(|| algorithms.into())
}

/// The keys; what is wrong with them is reported.
pub(super) fn keys(
    written: &Spanned<Written>,
    algorithms: &Option<Box<[Algorithm]>>,
    sources: &Sources<'_>,
    reporter: &mut Reporter<'_>,
) -> Option<Keys> {
    let jwt = &written.value;
    if let (Some(refresh), false) = (&jwt.refresh, jwt.is_fetched()) {
        let hint = "a file is read again when it changes";
        let message = "has no effect unless `jwks` is an address";
        reporter.error("jwt.refresh", refresh, message, Some(hint));
    }
    let set = match (&jwt.jwks, &jwt.key, &jwt.secret, &jwt.secret_file) {
        (Some(jwks), None, None, None) if jwt.is_fetched() => {
            return fetched(jwks, jwt, sources, reporter).map(Keys::Fetched);
        }
        (Some(jwks), None, None, None) => key_file("jwt.jwks", jwks, sources, reporter, |text| {
            KeySet::of_jwks(text.as_bytes())
        }),
        (None, Some(key), None, None) => {
            key_file("jwt.key", key, sources, reporter, KeySet::of_pem)
        }
        (None, None, Some(secret), None) => {
            long_enough("jwt.secret", secret, secret, algorithms, reporter)
        }
        (None, None, None, Some(file)) => match sources.text(&beside(file)) {
            Ok(text) => long_enough("jwt.secret_file", file, text.trim(), algorithms, reporter),
            Err(error) => {
                let message = format!("can't read {}: {error}", beside(file).display());
                reporter.error("jwt.secret_file", file, message, None);
                None
            }
        },
        (None, None, None, None) => {
            let hint = "give one of `jwks`, `key`, `secret` and `secret_file`";
            reporter.error("jwt", written, "no key is given", Some(hint));
            None
        }
        _ => {
            let message = "`jwks`, `key`, `secret` and `secret_file` exclude each other";
            reporter.error("jwt", written, message, Some("give one of them"));
            None
        }
    }?;
    if let Some(algorithms) = algorithms
        && !algorithms.iter().any(|algorithm| set.fits(*algorithm))
    {
        let message = "no key is for one of these algorithms, so nobody could come in";
        let at = jwt
            .algorithms
            .as_ref()
            .and_then(|listed| listed.position.clone());
        let at = at.or_else(|| written.position.clone());
        reporter.error_at("jwt.algorithms", at, message, None);
        return None;
    }
    Some(Keys::Given(Arc::new(set)))
}

fn key_file(
    key: &str,
    path: &Spanned<String>,
    sources: &Sources<'_>,
    reporter: &mut Reporter<'_>,
    read: impl Fn(&str) -> Result<KeySet, KeyError>,
) -> Option<KeySet> {
    let file = Spanned {
        value: path.strip_prefix("file:").unwrap_or(path).to_owned(),
        position: path.position.clone(),
    };
    let place = beside(&file);
    let problem = match sources.text(&place) {
        Ok(text) => match read(&text) {
            Ok(set) => return Some(set),
            Err(error) => format!("{}: {error}", place.display()),
        },
        Err(_) if key == "jwt.jwks" && looks_like_an_address(path) => {
            let quoted = path.escape_debug();
            let message = format!("`{quoted}` is neither a file nor an address with a scheme");
            let address = path.trim_start_matches('/').escape_debug();
            let hint = format!("write `https://{address}` if it is to be fetched");
            reporter.error(key, path, message, Some(&hint));
            return None;
        }
        Err(error) => format!("can't read {}: {error}", place.display()),
    };
    let hint = match key {
        "jwt.key" => {
            Some("`openssl pkey -in private.pem -pubout` shows the public key of a private one")
        }
        _ => None,
    };
    reporter.error(key, path, problem, hint);
    None
}

/// As `id.example/.well-known/jwks.json` or `//id.example:8443/keys` do.
fn looks_like_an_address(text: &str) -> bool {
    let host = text
        .trim_start_matches('/')
        .split('/')
        .next()
        .unwrap_or_default();
    let begins_well = host.starts_with(|first: char| first.is_ascii_alphanumeric());
    let has_host = begins_well && (host.contains('.') || host.contains(':'));
    !text.starts_with("file:") && (text.starts_with("//") || has_host && text.contains('/'))
}

fn long_enough<T>(
    key: &str,
    at: &Spanned<T>,
    secret: &str,
    algorithms: &Option<Box<[Algorithm]>>,
    reporter: &mut Reporter<'_>,
) -> Option<KeySet> {
    let named = algorithms.iter().flatten();
    let longest = named.max_by_key(|algorithm| algorithm.shortest_secret())?;
    let least = longest.shortest_secret();
    if secret.len() < least {
        let message = format!(
            "a secret for {} has at least {least} bytes, this one has {}",
            longest.as_str(),
            secret.len()
        );
        reporter.error(key, at, message, Some(SECRET_HINT));
        return None;
    }
    Some(KeySet::of_secret(secret.as_bytes()))
}
