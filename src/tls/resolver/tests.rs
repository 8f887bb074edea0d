//! Which certificate is presented to which name?

use super::*;
use crate::tls::tests::Issuer;
use rcgen::{PKCS_ECDSA_P256_SHA256, PKCS_RSA_SHA256};

const ECDSA: SignatureScheme = SignatureScheme::ECDSA_NISTP256_SHA256;
const RSA: SignatureScheme = SignatureScheme::RSA_PSS_SHA256;

fn entry(names: &[&str]) -> Entry {
    Entry {
        certificate: Issuer::new("root").leaf(names).load(),
        names: None,
        default: false,
    }
}

fn entry_with_key(names: &[&str], algorithm: &'static rcgen::SignatureAlgorithm) -> Entry {
    Entry {
        certificate: Issuer::new("root").leaf_with_key(names, algorithm).load(),
        names: None,
        default: false,
    }
}

fn named(certificate: &Entry, names: &[&str]) -> Entry {
    Entry {
        names: Some(names.iter().map(ToString::to_string).collect()),
        ..certificate.clone()
    }
}

/// The first name of the certificate a client gets.
fn found<'a>(set: &'a CertificateSet, name: &str) -> Option<&'a str> {
    let name = (!name.is_empty()).then_some(name);
    set.find(name, &[ECDSA])
        .map(|certificate| certificate.names[0].as_str())
}

#[test]
fn an_exact_name_wins_over_a_wildcard_and_that_over_the_default() {
    let entries = vec![
        entry(&["z.example"]),
        entry(&["*.a.example"]),
        entry(&["x.a.example"]),
    ];
    let set = CertificateSet::build(entries, UnknownSni::Default);
    assert_eq!(set.findings(), []);
    for (asked, want) in [
        ("x.a.example", "x.a.example"),
        ("X.A.Example.", "x.a.example"),
        ("y.a.example", "*.a.example"),
        ("a.example", "z.example"),
        ("x.y.a.example", "z.example"),
        (".a.example", "z.example"),
        ("other.example", "z.example"),
        ("", "z.example"),
    ] {
        assert_eq!(found(&set, asked), Some(want), "{asked}");
    }
}

#[test]
fn the_marked_default_is_presented_rather_than_the_first() {
    let mut entries = vec![
        entry(&["a.example"]),
        entry(&["b.example"]),
        entry(&["c.example"]),
    ];
    entries[1].default = true;
    let set = CertificateSet::build(entries.clone(), UnknownSni::Default);
    assert_eq!(found(&set, "other.example"), Some("b.example"));
    entries[2].default = true;
    let set = CertificateSet::build(entries, UnknownSni::Default);
    assert_eq!(found(&set, ""), Some("b.example"));
    assert_eq!(set.findings(), [Finding::SeveralDefaults { entry: 2 }]);
}

#[test]
fn an_unknown_name_and_no_name_can_be_rejected() {
    let set = CertificateSet::build(vec![entry(&["a.example"])], UnknownSni::Reject);
    assert_eq!(found(&set, "a.example"), Some("a.example"));
    assert_eq!(found(&set, "b.example"), None);
    assert_eq!(found(&set, ""), None);
}

#[test]
fn an_empty_set_presents_nothing() {
    let set = CertificateSet::build(Vec::new(), UnknownSni::Default);
    assert_eq!(found(&set, "a.example"), None);
}

#[test]
fn configured_names_replace_the_certificates_own() {
    let own = entry(&["a.example", "*.b.example"]);
    let configured = ["x.b.example", "*", "other.example"];
    let set = CertificateSet::build(vec![named(&own, &configured)], UnknownSni::Reject);
    assert_eq!(found(&set, "x.b.example"), Some("a.example"));
    assert_eq!(found(&set, "a.example"), None);
    let name = |name: &str| name.to_owned();
    let want = [
        Finding::InvalidName {
            name: name("*"),
            entry: 0,
        },
        Finding::NotCovered {
            name: name("other.example"),
            entry: 0,
        },
    ];
    assert_eq!(set.findings(), want);
}

#[test]
fn one_name_for_two_certificates_of_a_kind_is_a_conflict() {
    let entries = vec![
        entry(&["a.example", "b.example"]),
        entry(&["c.example", "b.example"]),
    ];
    let set = CertificateSet::build(entries, UnknownSni::Reject);
    let conflict = Finding::Conflict {
        name: "b.example".into(),
        first: 0,
        second: 1,
    };
    assert_eq!(set.findings(), [conflict]);
    assert_eq!(found(&set, "b.example"), Some("a.example"));
    assert_eq!(found(&set, "c.example"), Some("c.example"));
}

#[test]
fn naming_the_same_certificate_twice_is_no_conflict() {
    let one = entry(&["a.example"]);
    let set = CertificateSet::build(vec![one.clone(), one], UnknownSni::Reject);
    assert_eq!(set.findings(), []);
}

#[test]
fn ecdsa_and_rsa_share_a_name_by_what_the_client_understands() {
    let rsa = entry_with_key(&["a.example"], &PKCS_RSA_SHA256);
    let ecdsa = entry_with_key(&["a.example"], &PKCS_ECDSA_P256_SHA256);
    let set = CertificateSet::build(vec![rsa, ecdsa], UnknownSni::Default);
    assert_eq!(set.findings(), []);
    let kind_for =
        |name, schemes: &[SignatureScheme]| set.find(name, schemes).map(|found| kind(found));
    let name = Some("a.example");
    assert_eq!(
        kind_for(name, &[RSA, ECDSA]),
        Some(SignatureAlgorithm::ECDSA)
    );
    assert_eq!(kind_for(name, &[RSA]), Some(SignatureAlgorithm::RSA));
    assert_eq!(kind_for(None, &[RSA, ECDSA]), Some(SignatureAlgorithm::RSA));
    assert_eq!(kind_for(None, &[ECDSA]), Some(SignatureAlgorithm::ECDSA));
}
