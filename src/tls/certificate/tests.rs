//! Is a certificate that can not be used told, with its files?

use super::*;
use crate::tls::self_signed;
use crate::tls::tests::Issuer;

const DAY: Duration = Duration::from_secs(86_400);

fn load(certificate: &str, key: &str) -> Result<LoadedCertificate, TlsError> {
    LoadedCertificate::from_pem(
        &Pem::inline("c.pem", certificate),
        &Pem::inline("k.pem", key),
    )
}

#[test]
fn a_key_of_another_certificate_is_told_with_both_files() {
    let one = self_signed(["a.example"]).expect("a certificate");
    let other = self_signed(["a.example"]).expect("a certificate");
    let error = load(&one.certificate, &other.key).expect_err("no match");
    let want = "k.pem: the private key does not match the certificate in c.pem; the two must come from the same issuance";
    assert_eq!(error.to_string(), want);
}

#[test]
fn a_broken_certificate_and_a_broken_key_are_told() {
    let made = self_signed(["a.example"]).expect("a certificate");
    let broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let error = load(&(made.certificate.clone() + broken), &made.key).expect_err("broken");
    assert!(
        error
            .to_string()
            .starts_with("c.pem: certificate 2 in it can't be read"),
        "{error}"
    );
    let broken = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
    let error = load(&made.certificate, broken).expect_err("broken");
    assert!(
        error
            .to_string()
            .starts_with("k.pem: the private key can't be used"),
        "{error}"
    );
}

#[test]
fn names_are_in_lower_case_and_addresses_are_text() {
    let made = self_signed(["A.Example", "*.B.example", "192.0.2.1", "2001:db8::1"]);
    let made = made.expect("a certificate");
    let loaded = load(&made.certificate, &made.key).expect("it loads");
    assert_eq!(
        loaded.names,
        ["a.example", "*.b.example", "192.0.2.1", "2001:db8::1"]
    );
    assert!(!loaded.serial.is_empty());
}

#[test]
fn validity_is_a_warning_that_depends_on_the_time() {
    let made = self_signed(["a.example"]).expect("a certificate");
    let loaded = load(&made.certificate, &made.key).expect("it loads");
    assert_eq!(loaded.warnings(loaded.not_before), []);
    assert_eq!(loaded.warnings(loaded.not_after), []);
    let expired = loaded.warnings(loaded.not_after + 2 * DAY);
    assert_eq!(expired, [CertificateWarning::Expired { since: 2 * DAY }]);
    assert_eq!(expired[0].to_string(), "expired 2 days ago; renew it");
    let early = loaded.warnings(loaded.not_before - 3 * DAY);
    assert_eq!(
        early,
        [CertificateWarning::NotYetValid { starts_in: 3 * DAY }]
    );
}

#[test]
fn a_certificate_without_names_is_a_warning() {
    let made = self_signed(Vec::<String>::new()).expect("a certificate");
    let loaded = load(&made.certificate, &made.key).expect("it loads");
    assert_eq!(
        loaded.warnings(SystemTime::now()),
        [CertificateWarning::NoNames]
    );
}

#[test]
fn a_chain_from_leaf_to_root_has_no_warning() {
    let root = Issuer::new("root");
    let middle = root.intermediate("middle");
    let leaf = middle.leaf(&["a.example"]);
    let loaded = load(&(leaf.certificate + &middle.pem() + &root.pem()), &leaf.key);
    let loaded = loaded.expect("it loads");
    assert_eq!(loaded.warnings(SystemTime::now()), []);
    assert_eq!(loaded.certified_key.cert.len(), 3);
}

#[test]
fn a_chain_in_another_order_is_a_warning() {
    let root = Issuer::new("root");
    let middle = root.intermediate("middle");
    let leaf = middle.leaf(&["a.example"]);
    let loaded = load(&(leaf.certificate + &root.pem() + &middle.pem()), &leaf.key);
    let warnings = loaded.expect("it loads").warnings(SystemTime::now());
    assert_eq!(warnings, [CertificateWarning::ChainOrder { number: 1 }]);
}

#[test]
fn a_leaf_that_is_not_first_is_a_warning_and_is_presented_first() {
    let root = Issuer::new("root");
    let middle = root.intermediate("middle");
    let leaf = middle.leaf(&["a.example"]);
    let loaded = load(&(root.pem() + &middle.pem() + &leaf.certificate), &leaf.key);
    let loaded = loaded.expect("it loads");
    let warnings = loaded.warnings(SystemTime::now());
    assert_eq!(warnings, [CertificateWarning::LeafNotFirst { number: 3 }]);
    assert_eq!(loaded.names, ["a.example"]);
    let first = Pem::inline("leaf", leaf.certificate)
        .certificates()
        .expect("a certificate");
    assert_eq!(loaded.certified_key.cert[0], first[0]);
}
