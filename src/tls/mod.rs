//! How does Portcullis speak TLS, on either side? Certificates and keys are loaded and checked here, and become the
//! rustls configurations with which listeners accept and pools connect. Nothing here reads or writes a socket.

mod accept;
mod authorities;
mod certificate;
mod connect;
mod error;
mod names;
mod pem;
mod resolver;
mod self_signed;
mod session;
#[cfg(test)]
mod tests;
mod tickets;

use rustls::crypto::{CryptoProvider, aws_lc_rs};
use std::sync::Arc;

pub use accept::{AcceptSettings, ClientAuth, MinVersion, server_config};
pub use authorities::{Authorities, Roots};
pub use certificate::{CertificateWarning, LoadedCertificate};
pub use connect::{ConnectAlpn, ConnectSettings, Verification, client_config};
pub use error::TlsError;
pub use pem::Pem;
pub use resolver::{CertificateSet, Entry, Finding, UnknownSni};
pub use self_signed::{SelfSigned, self_signed};
pub use session::SessionState;
pub use tickets::TicketKeys;

/// Makes aws-lc-rs the process's cryptography. To be called first thing in `main`, for the sake of libraries that ask
/// for the process's default; calling it again changes nothing.
pub fn install_provider() {
    // The only error says that there is a default already.
    let _ = aws_lc_rs::default_provider().install_default();
}

/// The process's cryptography, whether or not [`install_provider`] has been called.
fn provider() -> Arc<CryptoProvider> {
    CryptoProvider::get_default()
        .cloned()
        .unwrap_or_else(|| Arc::new(aws_lc_rs::default_provider()))
}
