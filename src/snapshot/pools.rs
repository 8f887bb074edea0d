//! How does a written pool become one that hands out leases?

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;

use http::HeaderValue;
use indexmap::IndexMap;
use pingora::utils::tls::CertKey;
use rustls::pki_types::ServerName;

use super::listeners::beside;
use crate::config::pool::{
    Endpoint as WrittenEndpoint, Pool as Written, Protocol as WrittenProtocol,
};
use crate::config::{Config, Diagnostic, Diagnostics, Spanned, Timespan};
use crate::pool::address::{self, WrittenAddress};
use crate::pool::discovery::{Lookup, Source};
use crate::pool::{Address, HostRule, Keepalive, Pool, Protocol, Timeouts};
use crate::state::State;
use crate::tls::{
    Authorities, ConnectAlpn, ConnectSettings, LoadedCertificate, Pem, TlsError, Verification,
    client_config,
};
use crate::upstream::{PoolTls, wrap_certificates};

/// The pools by name, in the order of the configuration.
pub(super) type Pools = IndexMap<String, Arc<Pool>>;

/// Compiles every pool; those with errors are compiled as far as possible, so that routes find them.
pub(super) fn compile(
    config: &Config,
    state: &State,
    diagnostics: &mut Diagnostics,
) -> (Pools, Vec<Lookup>) {
    let mut pools = Pools::new();
    let mut lookups = Vec::new();
    for written in &config.pools {
        let (pool, lookup) = one(written, state, diagnostics);
        lookups.extend(lookup);
        pools.entry(written.name.value.clone()).or_insert(pool);
    }
    (pools, lookups)
}

fn one(
    written: &Written,
    state: &State,
    diagnostics: &mut Diagnostics,
) -> (Arc<Pool>, Option<Lookup>) {
    let name: Arc<str> = Arc::from(written.name.value.as_str());
    let mut reporter = Reporter {
        name: &written.name.value,
        diagnostics,
    };
    let protocol = match written.protocol {
        WrittenProtocol::Http1 => Protocol::Http1,
        WrittenProtocol::Http2 => Protocol::Http2,
    };
    let tls = written
        .tls
        .as_ref()
        .and_then(|tls| pool_tls(tls, protocol, state, &mut reporter));
    let timeouts = timeouts(written, &mut reporter);
    let keepalive = Keepalive {
        idle: Some(written.keepalive.idle.as_duration()).filter(|idle| !idle.is_zero()),
        connections: usize::from(written.keepalive.connections),
    };
    let sources = sources(written, &mut reporter);
    let host = host_rule(&written.host, &mut reporter);
    let source = Source {
        pool: Arc::clone(&name),
        balancer: written.balancer,
        protocol,
        tls,
        tls_name: written
            .tls
            .as_ref()
            .and_then(|tls| tls.name.as_ref())
            .map(|name| name.value.clone()),
        timeouts,
        keepalive,
        endpoints: sources,
    };
    let members = source.members(&BTreeMap::new(), state);
    let pool = Arc::new(Pool::new(
        Arc::clone(&name),
        protocol,
        host,
        timeouts,
        keepalive,
        state.metrics.pool(&name),
        members,
    ));
    let lookup = source.has_names().then(|| Lookup {
        pool: Arc::clone(&pool),
        source,
        every: written.resolve.as_duration().max(Duration::from_secs(1)),
    });
    (pool, lookup)
}

struct Reporter<'a> {
    name: &'a str,
    diagnostics: &'a mut Diagnostics,
}

impl Reporter<'_> {
    fn error<T>(
        &mut self,
        key: &str,
        at: &Spanned<T>,
        message: impl Into<String>,
        hint: Option<&str>,
    ) {
        self.diagnostics.push(
            Diagnostic::error(format!("pools[{}].{key}", self.name), message)
                .at(at.position.clone())
                .hint(hint.map(str::to_owned)),
        );
    }
}

/// Reads the addresses. What is wrong with one is reported, and it is left out.
fn sources(written: &Written, reporter: &mut Reporter<'_>) -> Vec<(WrittenAddress, u16)> {
    if written.endpoints.is_empty() {
        reporter.error(
            "endpoints",
            &written.name,
            "the pool has no endpoint",
            Some("add one, as `- 10.0.0.1:8080`"),
        );
    }
    let mut sources: Vec<(WrittenAddress, u16)> = Vec::new();
    for (index, endpoint) in written.endpoints.iter().enumerate() {
        let key = format!("endpoints[{index}]");
        if let Some(address) = source(endpoint, written, &key, reporter) {
            if sources.iter().any(|(earlier, _)| *earlier == address) {
                let text = endpoint.value.address();
                reporter.error(
                    &key,
                    endpoint,
                    format!("the endpoint `{text}` is given twice"),
                    Some("give it once, with a larger weight"),
                );
            }
            sources.push((address, endpoint.value.weight()));
        }
    }
    if !sources.is_empty() && sources.iter().all(|(_, weight)| *weight == 0) {
        reporter.error(
            "endpoints",
            &written.name,
            "every endpoint has weight 0, so none is ever chosen",
            None,
        );
    }
    sources
}

fn source(
    endpoint: &Spanned<WrittenEndpoint>,
    written: &Written,
    key: &str,
    reporter: &mut Reporter<'_>,
) -> Option<WrittenAddress> {
    let text = endpoint.value.address();
    if endpoint.value.weight() > 1000 {
        reporter.error(
            key,
            endpoint,
            "the weight is over 1000",
            Some("weights are shares: 2 and 1 are as 2000 and 1000"),
        );
    }
    let address = match address::parse(text) {
        Ok(address) => address,
        Err(error) => {
            reporter.error(key, endpoint, error.to_string(), None);
            return None;
        }
    };
    if let WrittenAddress::Known(Address::Inet(inet)) = &address
        && (inet.port() == 0 || inet.ip().is_unspecified())
    {
        reporter.error(
            key,
            endpoint,
            format!("`{text}` can't be connected to"),
            Some("give an address and a port"),
        );
        return None;
    }
    if let Some(tls) = &written.tls
        && tls.name.is_none()
        && tls.verify
        && matches!(address, WrittenAddress::Known(_))
    {
        reporter.error(
            key,
            endpoint,
            format!("the certificate of `{text}` can't be checked without a name"),
            Some("give the name it is issued for as `tls: { name: … }`, or set `verify: false`"),
        );
    }
    Some(address)
}

fn host_rule(host: &Spanned<String>, reporter: &mut Reporter<'_>) -> HostRule {
    match host.value.as_str() {
        "keep" => HostRule::Keep,
        "endpoint" => HostRule::Endpoint,
        name => match HeaderValue::try_from(name) {
            Ok(value) if crate::route::normalise_host(name).is_ok() => HostRule::Fixed(value),
            _ => {
                reporter.error(
                    "host",
                    host,
                    format!("`{}` is not a host name", name.escape_debug()),
                    Some("write `keep`, `endpoint` or a name such as `app.example.com`"),
                );
                HostRule::Keep
            }
        },
    }
}

fn timeouts(written: &Written, reporter: &mut Reporter<'_>) -> Timeouts {
    let times = &written.timeouts;
    for (key, value) in [
        ("timeouts.connect", times.connect),
        ("timeouts.first_byte", times.first_byte),
        ("timeouts.read", times.read),
        ("timeouts.write", times.write),
    ] {
        if value.is_zero() {
            reporter.error(
                key,
                &written.name,
                "a time of 0 would end every request",
                Some("give a time as `60s`"),
            );
        }
    }
    Timeouts {
        connect: times.connect.as_duration(),
        first_byte: times.first_byte.as_duration(),
        read: times.read.as_duration(),
        write: times.write.as_duration(),
        total: unlimited_if_zero(times.total),
    }
}

/// 0 stands for no limit.
pub(super) fn unlimited_if_zero(time: Timespan) -> Option<Duration> {
    Some(time.as_duration()).filter(|time| !time.is_zero())
}

fn pool_tls(
    tls: &crate::config::tls::PoolTls,
    protocol: Protocol,
    state: &State,
    reporter: &mut Reporter<'_>,
) -> Option<Arc<PoolTls>> {
    if let Some(name) = &tls.name
        && ServerName::try_from(name.value.clone()).is_err()
    {
        reporter.error(
            "tls.name",
            name,
            format!("`{}` is not a host name", name.value.escape_debug()),
            None,
        );
    }
    let mut hasher = DefaultHasher::new();
    (tls.verify, protocol as u8).hash(&mut hasher);
    let read = |key: &str, path: &Spanned<String>, reporter: &mut Reporter<'_>| match state
        .pems
        .read(&beside(path))
    {
        Ok(pem) => Some(pem),
        Err(error) => {
            reporter.error(key, path, error.to_string(), None);
            None
        }
    };
    let ca = tls
        .ca
        .as_ref()
        .map(|path| (path, read("tls.ca", path, reporter)));
    let authorities = match &ca {
        Some((path, Some(pem))) => {
            match Authorities::from_pem(pem).and_then(|ca| Ok((ca, pem.certificates()?))) {
                Ok(authorities) => Some(authorities),
                Err(error) => {
                    reporter.error("tls.ca", path, error.to_string(), None);
                    None
                }
            }
        }
        _ => None,
    };
    let client = match (&tls.certificate, &tls.key) {
        (Some(certificate), Some(key)) => {
            let pems = (
                read("tls.certificate", certificate, reporter),
                read("tls.key", key, reporter),
            );
            match pems {
                (Some(certificate_pem), Some(key_pem)) => {
                    match client_certificate(&certificate_pem, &key_pem) {
                        Ok(client) => Some(client),
                        Err(error) => {
                            reporter.error("tls.certificate", certificate, error.to_string(), None);
                            None
                        }
                    }
                }
                _ => None,
            }
        }
        (Some(alone), None) => {
            reporter.error(
                "tls.key",
                alone,
                "a certificate needs its key",
                Some("give `key` as well"),
            );
            None
        }
        (None, Some(alone)) => {
            reporter.error(
                "tls.certificate",
                alone,
                "a key needs its certificate",
                Some("give `certificate` as well"),
            );
            None
        }
        (None, None) => None,
    };
    if let Some((_, certificates)) = &authorities {
        for certificate in certificates {
            certificate.as_ref().hash(&mut hasher);
        }
    }
    if let Some((loaded, _)) = &client {
        for certificate in &loaded.certified_key.cert {
            certificate.as_ref().hash(&mut hasher);
        }
    }
    let settings = ConnectSettings {
        verification: match (&authorities, tls.verify) {
            (_, false) => Verification::Off,
            (Some((authorities, _)), true) => Verification::Authorities(authorities.clone()),
            (None, true) if tls.ca.is_some() => return None,
            (None, true) => Verification::SystemRoots,
        },
        client_certificate: client.as_ref().map(|(loaded, _)| Arc::clone(loaded)),
        alpn: match protocol {
            Protocol::Http1 => ConnectAlpn::Http1,
            Protocol::Http2 => ConnectAlpn::Http2,
        },
    };
    match client_config(&settings, &state.roots) {
        Ok(config) => Some(Arc::new(PoolTls {
            config,
            verify: tls.verify,
            authorities: authorities.map(|(_, certificates)| wrap_certificates(&certificates)),
            client_certificate: client.map(|(_, for_duplex)| for_duplex),
            fingerprint: hasher.finish(),
        })),
        Err(error) => {
            let name = Spanned {
                value: (),
                position: tls.name.as_ref().and_then(|name| name.position.clone()),
            };
            reporter.error(
                "tls",
                &name,
                error.to_string(),
                Some("give the authorities as `ca`, or set `verify: false`"),
            );
            None
        }
    }
}

/// The certificate in the forms of both carriers.
fn client_certificate(
    certificate: &Pem,
    key: &Pem,
) -> Result<(Arc<LoadedCertificate>, Arc<CertKey>), TlsError> {
    let loaded = LoadedCertificate::from_pem(certificate, key)?;
    let chain = loaded
        .certified_key
        .cert
        .iter()
        .map(|certificate| certificate.to_vec())
        .collect();
    let for_duplex = CertKey::new(chain, key.private_key()?.secret_der().to_vec());
    Ok((Arc::new(loaded), Arc::new(for_duplex)))
}
