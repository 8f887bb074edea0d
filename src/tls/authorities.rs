//! Who is believed when it vouches for a peer's certificate: one's own authorities, or the system's?

use super::{Pem, TlsError};
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

/// A list of certificate authorities, at least one.
#[derive(Clone)]
pub struct Authorities {
    store: Arc<RootCertStore>,
}

impl Authorities {
    /// Every certificate in `pem`.
    ///
    /// # Errors
    ///
    /// There is no certificate in it, or one that can't be an authority: an operator who lists it means it to count.
    pub fn from_pem(pem: &Pem) -> Result<Self, TlsError> {
        let mut store = RootCertStore::empty();
        for (index, certificate) in pem.certificates()?.into_iter().enumerate() {
            store
                .add(certificate)
                .map_err(|cause| TlsError::UnusableAuthority {
                    file: pem.name().to_owned(),
                    number: index + 1,
                    cause,
                })?;
        }
        Ok(Self {
            store: Arc::new(store),
        })
    }

    pub(super) fn store(&self) -> Arc<RootCertStore> {
        Arc::clone(&self.store)
    }
}

/// Two lists are equal if they have the same authorities in the same order.
impl PartialEq for Authorities {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.store, &other.store) || self.store.roots == other.store.roots
    }
}

impl Eq for Authorities {}

impl fmt::Debug for Authorities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Authorities({})", self.store.len())
    }
}

/// The system's certificate authorities, loaded when the first pool asks for them and kept over reloads.
///
/// A machine without any can still run pools that don't verify, or that bring their own authorities. Failure is not
/// kept: after installing the missing package, a reload is enough.
#[derive(Debug)]
pub struct Roots {
    load: fn() -> Found,
    loaded: Mutex<Option<Authorities>>,
}

/// What a look at the system gives: certificates, and a text for every file that could not be read.
pub(super) type Found = (Vec<CertificateDer<'static>>, Vec<String>);

impl Roots {
    /// The authorities of this machine's store; `SSL_CERT_FILE` and `SSL_CERT_DIR` choose another one.
    pub const fn system() -> Self {
        Self::with_loader(|| {
            let found = rustls_native_certs::load_native_certs();
            let causes = found.errors.iter().map(ToString::to_string).collect();
            (found.certs, causes)
        })
    }

    pub(super) const fn with_loader(load: fn() -> Found) -> Self {
        Self {
            load,
            loaded: Mutex::new(None),
        }
    }

    /// The authorities, from the disk the first time.
    ///
    /// # Errors
    ///
    /// There is none. Single files that can't be read don't matter as long as others can.
    pub fn get(&self) -> Result<Authorities, TlsError> {
        let mut loaded = self.loaded.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(authorities) = &*loaded {
            return Ok(authorities.clone());
        }
        let (certificates, causes) = (self.load)();
        let mut store = RootCertStore::empty();
        // System stores have a few certificates of forms nobody verifies with any more; those are left out.
        store.add_parsable_certificates(certificates);
        if store.is_empty() {
            let causes = causes.iter().map(|cause| format!("; {cause}")).collect();
            return Err(TlsError::NoSystemRoots { causes });
        }
        let authorities = Authorities {
            store: Arc::new(store),
        };
        *loaded = Some(authorities.clone());
        Ok(authorities)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tls::self_signed;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[test]
    fn an_empty_machine_is_an_error_that_names_the_ways_out() {
        let roots = Roots::with_loader(|| (Vec::new(), vec!["/etc/ssl: not readable".into()]));
        let text = roots.get().expect_err("no authorities").to_string();
        assert!(text.contains("; /etc/ssl: not readable;"), "{text}");
        assert!(text.contains("ca-certificates"), "{text}");
    }

    #[test]
    fn the_store_is_read_until_it_has_been_found_and_then_kept() {
        static LOADS: AtomicUsize = AtomicUsize::new(0);
        let roots = Roots::with_loader(|| {
            if LOADS.fetch_add(1, Ordering::Relaxed) == 0 {
                return (Vec::new(), Vec::new());
            }
            let made = self_signed(["ca.example"]).expect("a certificate");
            let pem = Pem::inline("ca.pem", made.certificate);
            (pem.certificates().expect("a certificate"), Vec::new())
        });
        assert!(roots.get().is_err());
        assert_eq!(roots.get().expect("found"), roots.get().expect("kept"));
        assert_eq!(LOADS.load(Ordering::Relaxed), 2);
    }

    #[test]
    fn authorities_are_equal_by_what_they_hold() {
        let authorities =
            |text: &str| Authorities::from_pem(&Pem::inline("ca.pem", text)).expect("an authority");
        let one = self_signed(["ca.example"])
            .expect("a certificate")
            .certificate;
        let other = self_signed(["ca.example"])
            .expect("a certificate")
            .certificate;
        assert_eq!(authorities(&one), authorities(&one));
        assert_ne!(authorities(&one), authorities(&other));
    }

    #[test]
    fn a_certificate_that_is_none_is_named_by_its_place() {
        let one = self_signed(["ca.example"])
            .expect("a certificate")
            .certificate;
        let text = one + "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        let error = Authorities::from_pem(&Pem::inline("ca.pem", text)).expect_err("broken");
        assert!(
            error.to_string().starts_with("ca.pem: certificate 2 "),
            "{error}"
        );
    }
}
