//! How does a written listener become one that accepts?

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use super::access;
use super::compile::networks;
use super::files::Sources;
use super::reporter::Reporter;
use super::routes::{CompiledRoute, table};
use super::{Listener, ListenerTimeouts, ProxyProtocol, Routes};
use crate::config::listener::{Listener as Written, ProxyProtocolMode, Redirect};
use crate::config::{Config, Diagnostic, Diagnostics, Position, Spanned};
use crate::policy::https::strict_transport_security;
use crate::pool::Address;
use crate::pool::address::{self, WrittenAddress};
use crate::server::connection::head::HeadLimits;

/// Routes, and their places in the configuration.
#[derive(Clone)]
pub(super) struct WithRoutes {
    pub(super) routes: Arc<Routes>,
    pub(super) indexes: Arc<[usize]>,
}

/// A listener, with its place in the configuration for what is checked across listeners.
pub(super) struct CompiledListener {
    pub(super) listener: Arc<Listener>,
    pub(super) table: WithRoutes,
    pub(super) position: Option<Position>,
}

/// The largest header: Pingora's parser takes no more than 256 fields, and everything is held in memory.
const MOST_FIELDS: u16 = 255;
const LARGEST_HEADER: u64 = 256 * 1024;

/// Compiles every listener; those with errors are left out.
pub(super) fn compile(
    config: &Config,
    sources: &Sources<'_>,
    routes: &[CompiledRoute],
    now: SystemTime,
    diagnostics: &mut Diagnostics,
) -> Vec<CompiledListener> {
    let https_port = https_port(config);
    let mut tables = HashMap::new();
    config
        .listeners
        .iter()
        .filter_map(|written| {
            let mut one = One {
                written,
                diagnostics,
            };
            let address = one.address()?;
            let name: Arc<str> = Arc::from(written.name.value.as_str());
            let table = table(routes, &written.name.value, &mut tables);
            one.check_limits();
            let key = key(&name, &address);
            let connections = one.connections(&key, config, sources);
            let tls = written.tls.as_ref().map(|tls| one.tls(tls, sources, now));
            if written.redirect.is_some() && written.tls.is_some() {
                one.error(
                    "redirect",
                    None,
                    "a listener with TLS can't send its requests to HTTPS: they came by it",
                    None,
                );
            }
            if written.redirect.is_none() && written.redirect_port.is_some() {
                one.error(
                    "redirect_port",
                    None,
                    "has no effect without `redirect: https`",
                    None,
                );
            }
            let (trusted, trust_unix) = one.proxy_protocol();
            let access = access::of_listener(
                written,
                sources,
                &mut Reporter::new("listeners", &written.name, diagnostics),
            );
            let limits = &written.limits;
            let listener = Listener {
                metrics: sources.state.metrics.listener(&name),
                key,
                name,
                address,
                tls: tls.flatten(),
                hsts: written
                    .tls
                    .as_ref()
                    .and_then(|tls| tls.hsts.as_ref())
                    .map(strict_transport_security),
                http2: written.http2,
                redirect_https: written
                    .redirect
                    .map(|Redirect::Https| written.redirect_port.unwrap_or(https_port)),
                https_port,
                proxy_protocol: ProxyProtocol {
                    mode: written.proxy_protocol.mode,
                    trusted,
                    trust_unix,
                },
                timeouts: ListenerTimeouts {
                    handshake: written.timeouts.handshake.as_duration(),
                    first_byte: written.timeouts.first_byte.as_duration(),
                    header: written.timeouts.header.as_duration(),
                    idle: written.timeouts.idle.as_duration(),
                    body: written.timeouts.body.as_duration(),
                    write: written.timeouts.write.as_duration(),
                },
                access,
                head: HeadLimits {
                    header: limits.header.as_usize(),
                    fields: usize::from(*limits.fields),
                    uri: limits.uri.as_usize(),
                },
                max_body: Some(limits.body.as_u64()).filter(|size| *size > 0),
                requests: Some(*limits.requests).filter(|requests| *requests > 0),
                streams: *limits.streams,
                connections,
                min_body_rate: limits.min_body_rate.as_u64(),
                min_send_rate: limits.min_send_rate.as_u64(),
                routes: Arc::clone(&table.routes),
            };
            Some(CompiledListener {
                listener: Arc::new(listener),
                table,
                position: written.address.position.clone(),
            })
        })
        .collect()
}

fn key(name: &str, address: &Address) -> Arc<str> {
    match address {
        Address::Inet(inet) if inet.port() == 0 => format!("{name}@{address}").into(),
        _ => address.to_string().into(),
    }
}

/// The port of the one listener with TLS; 443 if there is none, or several to choose from.
fn https_port(config: &Config) -> u16 {
    let mut ports = config
        .listeners
        .iter()
        .filter(|listener| listener.tls.is_some())
        .filter_map(|listener| match address::parse(&listener.address.value) {
            Ok(WrittenAddress::Known(Address::Inet(address))) if address.port() != 0 => {
                Some(address.port())
            }
            _ => None,
        });
    match (ports.next(), ports.next()) {
        (Some(port), None) => port,
        _ => 443,
    }
}

/// A path as the file means it: relative to the directory that file is in.
pub(super) fn beside(path: &Spanned<String>) -> PathBuf {
    let directory = path
        .position
        .as_ref()
        .and_then(|position| position.file.parent())
        .unwrap_or(Path::new(""));
    directory.join(&path.value)
}

/// The compilation of one listener.
pub(super) struct One<'a> {
    pub(super) written: &'a Written,
    pub(super) diagnostics: &'a mut Diagnostics,
}

impl One<'_> {
    pub(super) fn error(
        &mut self,
        key: &str,
        position: Option<Position>,
        message: impl Into<String>,
        hint: Option<&str>,
    ) {
        let position = position.or_else(|| self.written.name.position.clone());
        self.diagnostics.push(
            Diagnostic::error(
                format!("listeners[{}].{key}", self.written.name.value),
                message,
            )
            .at(position)
            .hint(hint.map(str::to_owned)),
        );
    }

    pub(super) fn warn(
        &mut self,
        key: &str,
        position: Option<Position>,
        message: impl Into<String>,
    ) {
        self.diagnostics.push(
            Diagnostic::warning(
                format!("listeners[{}].{key}", self.written.name.value),
                message,
            )
            .at(position),
        );
    }

    fn address(&mut self) -> Option<Address> {
        let written = &self.written.address;
        let hint = "write `IP:port`, `[IPv6]:port`, `:port` or `unix:/path`";
        match address::parse(&written.value) {
            Ok(WrittenAddress::Known(address)) => Some(address),
            Ok(WrittenAddress::Named { host, .. } | WrittenAddress::Service { name: host }) => {
                let message = format!("`{host}` is a name; a listener needs an IP address");
                self.error("address", written.position.clone(), message, Some(hint));
                None
            }
            Err(error) => {
                self.error(
                    "address",
                    written.position.clone(),
                    error.to_string(),
                    Some(hint),
                );
                None
            }
        }
    }

    fn check_limits(&mut self) {
        let limits = &self.written.limits;
        if !(1024..=LARGEST_HEADER).contains(&limits.header.as_u64()) {
            self.error(
                "limits.header",
                limits.header.position.clone(),
                "must be from 1KiB to 256KiB",
                None,
            );
        }
        if !(8..=MOST_FIELDS).contains(&limits.fields) {
            self.error(
                "limits.fields",
                limits.fields.position.clone(),
                "must be from 8 to 255",
                None,
            );
        }
        if limits.uri.as_u64() < 64 || limits.uri.as_u64() > limits.header.as_u64() {
            self.error(
                "limits.uri",
                limits.uri.position.clone(),
                "must be from 64 bytes to the limit of the whole header",
                None,
            );
        }
        if *limits.streams == 0 {
            self.error(
                "limits.streams",
                limits.streams.position.clone(),
                "0 streams would refuse every request; set `http2: false` instead",
                None,
            );
        }
        let times = &self.written.timeouts;
        for (key, time) in [
            ("handshake", &times.handshake),
            ("first_byte", &times.first_byte),
            ("header", &times.header),
            ("idle", &times.idle),
            ("body", &times.body),
            ("write", &times.write),
        ] {
            if time.is_zero() {
                self.error(
                    &format!("timeouts.{key}"),
                    time.position.clone(),
                    "a time of 0 would end every connection",
                    Some("give a time as `30s`"),
                );
            }
        }
    }

    fn proxy_protocol(&mut self) -> (crate::proxy::forward::TrustedProxies, bool) {
        let written = &self.written.proxy_protocol;
        match (written.mode, written.trusted.is_empty()) {
            (ProxyProtocolMode::Off, false) => {
                self.error(
                    "proxy_protocol.trusted",
                    None,
                    "has no effect while `mode` is `off`",
                    None,
                );
            }
            (ProxyProtocolMode::Optional | ProxyProtocolMode::Required, true) => self.error(
                "proxy_protocol.trusted",
                None,
                "nobody may send the PROXY header",
                Some("name the addresses or networks of the balancers in front"),
            ),
            _ => {}
        }
        let key = format!(
            "listeners[{}].proxy_protocol.trusted",
            self.written.name.value
        );
        networks(&key, &written.trusted, self.diagnostics)
    }
}
