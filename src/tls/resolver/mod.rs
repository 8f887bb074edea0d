//! Which certificate does a client get for the name it asks for?

use super::LoadedCertificate;
use super::names::{self, Pattern};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{SignatureAlgorithm, SignatureScheme};
use std::borrow::Cow;
use std::collections::HashMap;
use std::collections::hash_map;
use std::fmt;
use std::sync::Arc;

/// One certificate of a listener.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The certificate.
    pub certificate: Arc<LoadedCertificate>,
    /// The names to present it for, wildcards included; `None` for all DNS names it has.
    pub names: Option<Vec<String>>,
    /// Present it when no name matches. If no entry says so, the first one is presented.
    pub default: bool,
}

/// What happens to a client that asks for a name no certificate has, or, as clients of an IP address do, for none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum UnknownSni {
    /// It gets the default certificate.
    #[default]
    Default,
    /// Its handshake fails with an alert.
    Reject,
}

/// Something in the entries that can't be meant; the set works all the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finding {
    /// Two certificates with the same kind of key claim one name; the earlier entry has it.
    Conflict {
        /// The name.
        name: String,
        /// The place, from 0, of the entry that has the name.
        first: usize,
        /// The place, from 0, of the entry that does not get it.
        second: usize,
    },
    /// A configured name can never be asked for: it is no host name, or its wildcard is not the whole first label.
    InvalidName {
        /// The name.
        name: String,
        /// The place of its entry, from 0.
        entry: usize,
    },
    /// A configured name is not in the certificate: clients will refuse it.
    NotCovered {
        /// The name.
        name: String,
        /// The place of its entry, from 0.
        entry: usize,
    },
    /// More than one entry is marked as the default; the first one is.
    SeveralDefaults {
        /// The place, from 0, of the first entry too many.
        entry: usize,
    },
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Conflict {
                name,
                first,
                second,
            } => write!(
                f,
                "certificates {first} and {second} both claim `{name}`; the first one is presented"
            ),
            Self::InvalidName { name, entry } => write!(
                f,
                "`{name}` of certificate {entry} is neither a host name nor a wildcard such as `*.example.com`"
            ),
            Self::NotCovered { name, entry } => write!(
                f,
                "certificate {entry} does not cover `{name}`, so clients will refuse it"
            ),
            Self::SeveralDefaults { entry } => {
                write!(
                    f,
                    "certificate {entry} is not the first default; mark only one"
                )
            }
        }
    }
}

/// The certificates of a listener by name: an exact name wins over a wildcard, and a wildcard over the default.
#[derive(Debug)]
pub struct CertificateSet {
    exact: HashMap<Box<str>, Choice>,
    /// By the domain after `*.`.
    wildcard: HashMap<Box<str>, Choice>,
    default: Option<Choice>,
    unknown_sni: UnknownSni,
    findings: Vec<Finding>,
}

/// The certificates for one name, at most one for each kind of key, those with the cheapest signatures first.
type Choice = Vec<Claim>;

#[derive(Debug)]
struct Claim {
    entry: usize,
    certificate: Arc<LoadedCertificate>,
}

impl CertificateSet {
    /// Sorts the entries by name. What is doubtful about them is kept for [`CertificateSet::findings`].
    pub fn build(entries: Vec<Entry>, unknown_sni: UnknownSni) -> Self {
        let mut set = Self {
            exact: HashMap::new(),
            wildcard: HashMap::new(),
            default: None,
            unknown_sni,
            findings: Vec::new(),
        };
        let mut defaults = (0..entries.len()).filter(|entry| entries[*entry].default);
        let default = defaults.next().unwrap_or(0);
        if let Some(entry) = defaults.next() {
            set.findings.push(Finding::SeveralDefaults { entry });
        }
        for (index, entry) in entries.iter().enumerate() {
            set.add(index, entry);
        }
        // A certificate of another kind for the same names serves the clients that can't use the default's key.
        set.default = entries.get(default).map(|entry| {
            let mut choice = vec![Claim {
                entry: default,
                certificate: Arc::clone(&entry.certificate),
            }];
            let first_name = entry.certificate.names.first();
            let companions = first_name
                .and_then(|name| set.claims(name))
                .into_iter()
                .flatten()
                .filter(|claim| kind(&claim.certificate) != kind(&entry.certificate));
            choice.extend(companions.map(Claim::share));
            choice
        });
        set
    }

    /// What can't be meant about the entries, for `check` and the log.
    pub fn findings(&self) -> &[Finding] {
        &self.findings
    }

    /// The certificate for a client that asks for `name` and understands `schemes`; `None` if it gets none.
    ///
    /// Allocates nothing when the name is in lower case and only one certificate has it.
    pub fn find(
        &self,
        name: Option<&str>,
        schemes: &[SignatureScheme],
    ) -> Option<&Arc<LoadedCertificate>> {
        let named = name.and_then(|name| self.claims(&normalized(name)));
        let choice = match (named, self.unknown_sni) {
            (Some(choice), _) => choice,
            (None, UnknownSni::Default) => self.default.as_ref()?,
            (None, UnknownSni::Reject) => return None,
        };
        let first = choice.first()?;
        let fits = |claim: &&Claim| {
            let key = &claim.certificate.certified_key.key;
            key.choose_scheme(schemes).is_some()
        };
        // If none fits, rustls finds that out too, and its alert says so.
        let chosen = match choice.as_slice() {
            [only] => only,
            several => several.iter().find(fits).unwrap_or(first),
        };
        Some(&chosen.certificate)
    }

    /// The certificates whose names match `name`, which is in lower case.
    fn claims(&self, name: &str) -> Option<&Choice> {
        self.exact.get(name).or_else(|| {
            let domain = names::parent(name)?;
            self.wildcard.get(domain)
        })
    }

    fn add(&mut self, index: usize, entry: &Entry) {
        let own = &entry.certificate.names;
        for name in entry.names.as_ref().unwrap_or(own) {
            let lower = normalized(name);
            let Some(pattern) = Pattern::parse(&lower) else {
                self.findings.push(Finding::InvalidName {
                    name: name.clone(),
                    entry: index,
                });
                continue;
            };
            if entry.names.is_some() && !names::cover(own, pattern) {
                self.findings.push(Finding::NotCovered {
                    name: name.clone(),
                    entry: index,
                });
            }
            let (map, key) = match pattern {
                Pattern::Exact(host) => (&mut self.exact, host),
                Pattern::Wildcard(domain) => (&mut self.wildcard, domain),
            };
            let claim = Claim {
                entry: index,
                certificate: Arc::clone(&entry.certificate),
            };
            if let Some(first) = insert(map.entry(key.into()), claim) {
                self.findings.push(Finding::Conflict {
                    name: name.clone(),
                    first,
                    second: index,
                });
            }
        }
    }
}

impl ResolvesServerCert for CertificateSet {
    fn resolve(&self, client_hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.find(client_hello.server_name(), client_hello.signature_schemes())
            .map(|certificate| Arc::clone(&certificate.certified_key))
    }
}

impl Claim {
    fn share(&self) -> Self {
        Self {
            entry: self.entry,
            certificate: Arc::clone(&self.certificate),
        }
    }
}

/// Adds a claim to a name, unless an earlier one with the same kind of key has it; then that one's entry is returned.
/// Naming the same certificate twice is no conflict.
fn insert(name: hash_map::Entry<'_, Box<str>, Choice>, claim: Claim) -> Option<usize> {
    let choice = name.or_default();
    let holder = choice
        .iter()
        .find(|holder| kind(&holder.certificate) == kind(&claim.certificate));
    if let Some(holder) = holder {
        let same = holder.certificate.certified_key.cert == claim.certificate.certified_key.cert;
        return (!same).then_some(holder.entry);
    }
    choice.push(claim);
    choice.sort_by_key(|claim| cost(&claim.certificate));
    None
}

fn kind(certificate: &LoadedCertificate) -> SignatureAlgorithm {
    certificate.certified_key.key.algorithm()
}

/// The rank of a signature by the time it takes here: RSA is an order of magnitude slower than the others. ECDSA comes
/// before Ed25519 only because it is the better known.
fn cost(certificate: &LoadedCertificate) -> u8 {
    match kind(certificate) {
        SignatureAlgorithm::ECDSA => 0,
        SignatureAlgorithm::RSA => 2,
        _ => 1,
    }
}

/// A name as it is looked up: in lower case and without the root's dot. rustls hands over lower case already.
fn normalized(name: &str) -> Cow<'_, str> {
    let name = name.strip_suffix('.').unwrap_or(name);
    if name.bytes().any(|byte| byte.is_ascii_uppercase()) {
        Cow::Owned(name.to_ascii_lowercase())
    } else {
        Cow::Borrowed(name)
    }
}

#[cfg(test)]
mod tests;
