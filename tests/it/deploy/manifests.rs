//! Do the configurations check that are deployed, and do the manifests around them agree with them?

use std::collections::BTreeSet;
use std::process::Command;

use super::text;
use crate::support::*;

#[test]
fn every_configuration_that_is_deployed_checks_without_a_warning() {
    let directory = tempfile::tempdir().expect("a directory");
    let identity = Authority::new().issue(&["a.test"]);
    std::fs::write(directory.path().join("tls.crt"), &identity.certificate).expect("a file");
    std::fs::write(directory.path().join("tls.key"), &identity.key).expect("a file");
    for config in [
        "docker/portcullis.yaml",
        "kubernetes/portcullis.yaml",
        "debian/portcullis.yaml",
    ] {
        // Of the directories that a package makes, one is asked for.
        let logs = directory.path().to_string_lossy();
        let checked = directory.path().join("portcullis.yaml");
        let text = text(config).replace("/var/log/portcullis", &logs);
        std::fs::write(&checked, text).expect("a file");
        let output = Command::new(env!("CARGO_BIN_EXE_portcullis"))
            .args(["check", "--strict", "-c"])
            .arg(&checked)
            .env("PORTCULLIS_TLS", directory.path())
            .output()
            .expect("the binary");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{config}: {said}");
    }
}

/// The ports after this word in a text.
fn ports(text: &str, word: &str) -> BTreeSet<u16> {
    let after = text.split(word).skip(1);
    after
        .filter_map(|rest| {
            let digits = rest.trim_start_matches([' ', '"', ':']);
            let end = digits.find(|character: char| !character.is_ascii_digit());
            digits[..end.unwrap_or(digits.len())].parse().ok()
        })
        .collect()
}

#[test]
fn the_pods_ports_are_those_of_their_configuration() {
    let listeners = ports(&text("kubernetes/portcullis.yaml"), "address: \":");
    assert_eq!(listeners, BTreeSet::from([8080, 8443, 9902]));
    let pods = text("kubernetes/deployment.yaml");
    assert_eq!(ports(&pods, "containerPort:"), listeners);
    let policy = text("kubernetes/network-policy.yaml");
    assert_eq!(ports(&policy, "port:"), listeners);
}

#[test]
fn whoever_stops_a_container_waits_longer_than_portcullis_may_take() {
    /// The number behind this word.
    fn seconds(text: &str, word: &str) -> u64 {
        let (_, rest) = text.split_once(word).expect(word);
        let rest = rest.trim_start();
        let end = rest.find(|character: char| !character.is_ascii_digit());
        rest[..end.unwrap_or(rest.len())].parse().expect("a number")
    }
    for (config, stopper, word) in [
        (
            "kubernetes/portcullis.yaml",
            "kubernetes/deployment.yaml",
            "terminationGracePeriodSeconds:",
        ),
        (
            "docker/portcullis.yaml",
            "docker/compose.yaml",
            "stop_grace_period:",
        ),
    ] {
        let config = text(config);
        let takes = seconds(&config, "\n  stop_delay:") + seconds(&config, "\n  grace:");
        let waits = seconds(&text(stopper), word);
        assert!(waits > takes, "{stopper}: {waits} s for {takes} s");
    }
}
