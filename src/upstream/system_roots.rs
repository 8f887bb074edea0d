//! Can pingora's connectors use the system's certificate authorities, and what do they get if not?
//!
//! A connector loads them when it is made, and panics when one of them can't be read or there are none. It also refuses
//! to connect without any, even where nothing is verified. So it is given an empty file then, and each peer brings what
//! could be read.

use std::sync::{Arc, LazyLock};

use pingora::utils::tls::WrappedX509;
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use x509_parser::prelude::{FromDer, X509Certificate};

use super::wrap_certificates;
use crate::tls::self_signed;

/// What each peer brings; `None` if the connectors can load the system's authorities themselves. Looked at once: that is
/// what the connectors do as well.
static INSTEAD: LazyLock<Option<Arc<[WrappedX509]>>> = LazyLock::new(|| {
    let found = rustls_native_certs::load_native_certs();
    let all = found.certs.len();
    let mut usable: Vec<_> = found.certs.into_iter().filter(is_usable).collect();
    if found.errors.is_empty() && !usable.is_empty() && usable.len() == all {
        return None;
    }
    if usable.is_empty() {
        // An authority whose key nobody has: it vouches for nothing, which is what an empty store should do.
        let nobody = self_signed(["nobody.invalid"]).ok();
        let nobody =
            nobody.map(|nobody| CertificateDer::from_pem_slice(nobody.certificate.as_bytes()));
        usable.extend(nobody.and_then(Result::ok));
    }
    Some(wrap_certificates(&usable))
});

fn is_usable(certificate: &CertificateDer<'static>) -> bool {
    RootCertStore::empty().add(certificate.clone()).is_ok()
        && X509Certificate::from_der(certificate).is_ok()
}

/// The authorities a peer without its own brings along, if it has to.
pub fn instead() -> Option<Arc<[WrappedX509]>> {
    INSTEAD.clone()
}

/// The file the connectors read instead of the system's store, if they have to.
pub fn ca_file() -> Option<String> {
    INSTEAD.as_ref().map(|_| "/dev/null".to_owned())
}
