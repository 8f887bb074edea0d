//! How does what is written about tokens become what requests are judged by?

use std::sync::Arc;

use aws_lc_rs::digest::{Context, SHA256};
use http::uri::Scheme;
use http::{HeaderName, HeaderValue, Uri};
use rustls::pki_types::ServerName;

use crate::config::access::Jwt as Written;
use crate::config::access::jwt::{BEARER, REFRESH, Texts};
use crate::config::{Spanned, Timespan};
use crate::policy::access::Access;
use crate::policy::access::jwt::algorithm::Algorithm;
use crate::policy::access::jwt::fault::Challenges;
use crate::policy::access::jwt::keys::{KeyError, KeySet};
use crate::policy::access::jwt::place::Place;
use crate::policy::access::jwt::rules::Rules;
use crate::policy::access::jwt::source::KeySource;
use crate::policy::access::jwt::verified::VerifiedTokens;
use crate::policy::access::jwt::{Jwt, Keys};
use crate::policy::headers::field_name;
use crate::snapshot::files::{Fingerprint, Sources};
use crate::snapshot::listeners::beside;
use crate::snapshot::reporter::Reporter;
use crate::tls::{ConnectSettings, client_config};
use crate::upstream::key_sets::KeyFetch;

/// The largest leeway: with more, a token would hardly expire.
const MOST_LEEWAY: Timespan = Timespan::hours(1);
/// The shortest time between two fetches of a key set.
const LEAST_REFRESH: Timespan = Timespan::secs(1);
/// The most tokens that may be known at once.
const MOST_CACHED: u32 = 1_000_000;

const SECRET_HINT: &str =
    "make one with `openssl rand -hex 64`, and give it as `secret: ${JWT_SECRET}` or `secret_file`";

/// Compiles it; what is wrong is reported.
pub(super) fn compile(
    written: &Spanned<Written>,
    route: &str,
    sources: &Sources<'_>,
    reporter: &mut Reporter<'_>,
) -> Option<Arc<dyn Access>> {
    let jwt = &written.value;
    let algorithms = algorithms(written, reporter);
    let keys = keys(written, &algorithms, sources, reporter);
    let place = place(jwt, reporter);
    check_numbers(jwt, reporter);
    let scopes = texts("scopes", &jwt.scopes, written, reporter);
    let values = jwt.claim_values.iter().map(|(name, values)| {
        let key = format!("claim_values.{name}");
        if values.is_empty() {
            let message = "no value is good enough, so nobody could come in";
            reporter.error(&format!("jwt.{key}"), written, message, None);
        }
        (
            Box::from(name.as_str()),
            texts(&key, values, written, reporter),
        )
    });
    let values = values.collect();
    let rules = Rules {
        algorithms: algorithms?,
        issuers: texts("issuer", &jwt.issuer, written, reporter),
        audiences: texts("audience", &jwt.audience, written, reporter),
        leeway: jwt.leeway.as_duration(),
        required: jwt
            .required_claims
            .iter()
            .map(|name| Box::from(name.as_str()))
            .collect(),
        values,
        scopes,
    };
    let headers = headers(jwt, reporter);
    let challenges = Challenges::new(&jwt.realm, &rules.scopes);
    if challenges.is_none() {
        let message = format!(
            "`{}` can't stand in a header field",
            jwt.realm.escape_debug()
        );
        reporter.error("jwt.realm", &jwt.realm, message, None);
    }
    let (keys, place, challenges) = (keys?, place?, challenges?);
    if reporter.failed() {
        return None;
    }
    let rules_print = fingerprint(jwt, &keys)?;
    let cache = jwt.cache.value as usize;
    let verified = &sources.state.verified_tokens;
    Some(Arc::new(Jwt {
        place,
        rules,
        headers,
        forward: jwt.forward,
        optional: jwt.optional,
        challenges,
        verified: verified.get_or_create(rules_print, || VerifiedTokens::new(cache)),
        metrics: sources.state.metrics.tokens(route),
        keys,
    }))
}

/// What tells these rules and given keys from others: tokens that were found good by others are none that were by these.
fn fingerprint(jwt: &Written, keys: &Keys) -> Option<Fingerprint> {
    let mut context = Context::new(&SHA256);
    context.update(&serde_json::to_vec(jwt).ok()?);
    if let Keys::Given(keys) = keys {
        context.update(keys.version());
    }
    context.finish().as_ref().try_into().ok()
}

/// Those that are written, or all that are for public keys.
fn algorithms(written: &Spanned<Written>, reporter: &mut Reporter<'_>) -> Option<Box<[Algorithm]>> {
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

fn keys(
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
            let hint = format!("write `https://{quoted}` if it is to be fetched");
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
    text.starts_with("//")
        || begins_well && text.contains('/') && (host.contains('.') || host.contains(':'))
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

fn fetched(
    jwks: &Spanned<String>,
    jwt: &Written,
    sources: &Sources<'_>,
    reporter: &mut Reporter<'_>,
) -> Option<Arc<KeySource>> {
    let mut complain = |message: &str| {
        let hint = "write it as `https://id.example/.well-known/jwks.json`";
        reporter.error("jwt.jwks", jwks, message, Some(hint));
    };
    let uri: Option<Uri> = jwks.parse().ok();
    let parts = uri
        .as_ref()
        .and_then(|uri| Some((uri.scheme()?, uri.authority()?)));
    let Some((uri, (scheme, authority))) = uri.as_ref().zip(parts) else {
        complain("is no address");
        return None;
    };
    let tls = *scheme == Scheme::HTTPS;
    if !tls && *scheme != Scheme::HTTP {
        complain(&format!("`{scheme}` is not fetched"));
        return None;
    }
    if authority.as_str().contains('@') {
        complain("a name and a password in an address are not sent");
        return None;
    }
    let host = authority.host();
    let host = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'))
        .unwrap_or(host);
    let name = ServerName::try_from(host.to_owned());
    let (Ok(name), Ok(field)) = (name, HeaderValue::try_from(authority.as_str())) else {
        complain("its host is no name and no IP address");
        return None;
    };
    let port = match authority.port() {
        Some(port) => port.as_u16(),
        None if authority.as_str().ends_with(':') => {
            complain("its port is missing");
            return None;
        }
        None if tls => 443,
        None => 80,
    };
    if !tls && !is_loopback(host) {
        let message = "whoever is in between can give keys of their own, and come in";
        reporter.warning("jwt.jwks", jwks, message, Some("write `https://`"));
    }
    let tls = if tls {
        match client_config(&ConnectSettings::default(), &sources.state.roots) {
            Ok(config) => Some((config, name)),
            Err(error) => {
                reporter.error("jwt.jwks", jwks, error.to_string(), None);
                return None;
            }
        }
    } else {
        None
    };
    let refresh = jwt
        .refresh
        .as_ref()
        .map_or(REFRESH, |refresh| refresh.value);
    let told = format!("{scheme}://{authority}{}", uri.path());
    let metrics = &sources.state.metrics;
    let source = sources
        .state
        .key_sources
        .get_or_create(Arc::from(jwks.as_str()), || {
            KeySource::new(Arc::from(told.as_str()), metrics.key_source(&told))
        });
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    let fetch = KeyFetch {
        source: Arc::clone(&source),
        refresh: refresh.as_duration().max(LEAST_REFRESH.as_duration()),
        host: Arc::from(host),
        port,
        path: path.parse().ok()?,
        authority: field,
        tls,
    };
    sources.fetch_keys(jwks, fetch);
    Some(source)
}

fn is_loopback(host: &str) -> bool {
    let address = host.parse::<std::net::IpAddr>();
    host == "localhost" || address.is_ok_and(|address| address.to_canonical().is_loopback())
}

fn place(jwt: &Written, reporter: &mut Reporter<'_>) -> Option<Place> {
    let from = &jwt.from;
    let quoted = from.escape_debug();
    let place = match from.split_once('.') {
        None if from.value == BEARER => Some(Place::Bearer),
        Some(("header", name)) => match HeaderName::try_from(name) {
            Ok(http::header::AUTHORIZATION) => Some(Place::Bearer),
            Ok(name) => Some(Place::Header(name)),
            Err(_) => None,
        },
        Some(("cookie", name)) if is_cookie_name(name) => Some(Place::Cookie(name.into())),
        Some(("query", name)) if !name.is_empty() => Some(Place::Query(name.into())),
        _ => None,
    };
    match &place {
        None => {
            let message = format!("`{quoted}` is no place for a token");
            let hint = "write `bearer`, `header.NAME`, `cookie.NAME` or `query.NAME`";
            reporter.error("jwt.from", from, message, Some(hint));
        }
        Some(Place::Query(_)) => {
            let message =
                "a token in a query ends up in logs and histories, and who reads them can use it";
            reporter.warning(
                "jwt.from",
                from,
                message,
                Some("where clients can, use `bearer`"),
            );
        }
        Some(_) => {}
    }
    place
}

/// RFC 6265 §4.1.1: a token.
fn is_cookie_name(name: &str) -> bool {
    HeaderName::try_from(name).is_ok()
}

fn headers(jwt: &Written, reporter: &mut Reporter<'_>) -> Box<[(HeaderName, Box<str>)]> {
    let mut headers = Vec::new();
    for (name, claim) in &jwt.claims_to_headers {
        let key = format!("jwt.claims_to_headers.{name}");
        match field_name(name) {
            Ok(name) => headers.push((name, Box::from(claim.as_str()))),
            Err(message) => reporter.error(&key, claim, message, None),
        }
        if claim.is_empty() {
            reporter.error(&key, claim, "a claim has a name", None);
        }
    }
    headers.into()
}

fn texts<T>(
    key: &str,
    written: &Texts,
    whole: &Spanned<T>,
    reporter: &mut Reporter<'_>,
) -> Box<[Box<str>]> {
    for text in &written.0 {
        // RFC 6749 §3.3.
        let in_scope = |byte| matches!(byte, 0x21 | 0x23..=0x5b | 0x5d..=0x7e);
        let (message, hint) = if text.is_empty() {
            ("an empty text is in no token".to_owned(), None)
        } else if key == "scopes" && !text.bytes().all(in_scope) {
            let message = format!("`{}` is not one scope", text.escape_debug());
            (message, Some("write several as a list: `[read, write]`"))
        } else {
            continue;
        };
        let at = text.position.clone().or_else(|| whole.position.clone());
        reporter.error_at(&format!("jwt.{key}"), at, message, hint);
    }
    written
        .0
        .iter()
        .map(|text| Box::from(text.as_str()))
        .collect()
}

fn check_numbers(jwt: &Written, reporter: &mut Reporter<'_>) {
    if jwt.leeway.value > MOST_LEEWAY {
        let message = format!("`{}` is more than {MOST_LEEWAY}", jwt.leeway);
        let hint = "clocks that are set are off by seconds";
        reporter.error("jwt.leeway", &jwt.leeway, message, Some(hint));
    }
    if let Some(refresh) = &jwt.refresh
        && refresh.value < LEAST_REFRESH
    {
        let message = format!("`{refresh}` is less than {LEAST_REFRESH}");
        reporter.error("jwt.refresh", refresh, message, Some("10m is usual"));
    }
    if jwt.cache.value > MOST_CACHED {
        let message = format!("`{}` is more than {MOST_CACHED}", jwt.cache);
        reporter.error("jwt.cache", &jwt.cache, message, None);
    }
}
