//! How do written certificates become a listener's TLS?

use std::sync::Arc;
use std::time::SystemTime;

use super::files::Sources;
use super::listeners::{One, beside};
use super::{CertificateEnd, ListenerTls};
use crate::config::tls::{ListenerTls as Written, TlsVersion, UnknownName};
use crate::tls::{
    AcceptSettings, CertificateSet, ClientAuth, Entry, Finding, LoadedCertificate, MinVersion,
    SessionState, UnknownSni, server_config,
};

impl One<'_> {
    pub(super) fn tls(
        &mut self,
        tls: &Written,
        sources: &Sources<'_>,
        now: SystemTime,
    ) -> Option<ListenerTls> {
        if tls.certificates.is_empty() {
            self.error(
                "tls.certificates",
                None,
                "TLS needs a certificate",
                Some("add one with `certificate` and `key`"),
            );
            return None;
        }
        let entries = self.certificates(tls, sources, now);
        if entries.len() < tls.certificates.len() {
            return None;
        }
        let unknown_sni = match tls.unknown_name {
            UnknownName::Default => UnknownSni::Default,
            UnknownName::Reject => UnknownSni::Reject,
        };
        let ends = entries.iter().map(|entry| CertificateEnd {
            certificate: entry.certificate.first_name().into(),
            not_after: entry.certificate.not_after,
        });
        let ends = ends.collect();
        let set = CertificateSet::build(entries, unknown_sni);
        let at = |entry: usize| tls.certificates[entry].certificate.position.clone();
        for finding in set.findings() {
            match finding {
                Finding::Conflict { second, .. } => {
                    self.error(
                        &format!("tls.certificates[{second}]"),
                        at(*second),
                        finding.to_string(),
                        None,
                    );
                }
                Finding::InvalidName { entry, .. } => {
                    self.error(
                        &format!("tls.certificates[{entry}].names"),
                        at(*entry),
                        finding.to_string(),
                        None,
                    );
                }
                Finding::NotCovered { entry, .. } => {
                    self.warn(
                        &format!("tls.certificates[{entry}].names"),
                        at(*entry),
                        finding.to_string(),
                    );
                }
                Finding::SeveralDefaults { .. } => {
                    self.error("tls.certificates", None, finding.to_string(), None);
                }
            }
        }
        let settings = AcceptSettings {
            min_version: match tls.min_version {
                TlsVersion::V1_2 => MinVersion::Tls12,
                TlsVersion::V1_3 => MinVersion::Tls13,
            },
            h2: self.written.http2,
            http1: true,
            client_auth: ClientAuth::None,
        };
        let sessions = sources.state.tls_sessions.get_or_create(
            Arc::from(self.written.name.value.as_str()),
            SessionState::new,
        );
        match server_config(Arc::new(set), &settings, &sessions) {
            Ok(config) => Some(ListenerTls {
                config,
                sessions,
                ends,
            }),
            Err(error) => {
                self.error("tls", None, error.to_string(), None);
                None
            }
        }
    }

    fn certificates(
        &mut self,
        tls: &Written,
        sources: &Sources<'_>,
        now: SystemTime,
    ) -> Vec<Entry> {
        let mut entries = Vec::with_capacity(tls.certificates.len());
        for (index, written) in tls.certificates.iter().enumerate() {
            let key = format!("tls.certificates[{index}]");
            let read = |path| sources.pem(&beside(path));
            let loaded = read(&written.certificate).and_then(|certificate| {
                LoadedCertificate::from_pem(&certificate, &read(&written.key)?)
            });
            match loaded {
                Ok(loaded) => {
                    for warning in loaded.warnings(now) {
                        self.warn(
                            &key,
                            written.certificate.position.clone(),
                            warning.to_string(),
                        );
                    }
                    let names = written
                        .names
                        .iter()
                        .map(|name| name.value.clone())
                        .collect::<Vec<_>>();
                    entries.push(Entry {
                        certificate: Arc::new(loaded),
                        names: Some(names).filter(|names| !names.is_empty()),
                        default: written.default,
                    });
                }
                Err(error) => {
                    self.error(
                        &key,
                        written.certificate.position.clone(),
                        error.to_string(),
                        None,
                    );
                }
            }
        }
        entries
    }
}
