//! How does a written address become a key set that is fetched?

use std::sync::Arc;

use http::uri::Scheme;
use http::{HeaderValue, Uri};
use rustls::pki_types::ServerName;

use super::LEAST_REFRESH;
use crate::config::Spanned;
use crate::config::access::Jwt as Written;
use crate::config::access::jwt::REFRESH;
use crate::policy::access::jwt::source::KeySource;
use crate::snapshot::files::Sources;
use crate::snapshot::reporter::Reporter;
use crate::tls::{ConnectSettings, client_config};
use crate::upstream::key_sets::KeyFetch;

/// The keys of this address, which are fetched from now on; what is wrong with it is reported.
pub(super) fn fetched(
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
