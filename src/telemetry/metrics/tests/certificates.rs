//! Is the end told of each certificate in force, and of no other?

use super::*;

#[test]
fn the_first_end_counts_of_certificates_of_one_name_and_those_not_in_force_are_not_told() {
    let metrics = metrics();
    let after = |seconds| UNIX_EPOCH + Duration::from_secs(seconds);
    let certificates = [
        ("edge", "a.test", after(2_000_000_000)),
        ("edge", "a.test", after(1_900_000_000)),
        ("inner", "a.test", after(2_000_000_000)),
        ("edge", "old.test", UNIX_EPOCH - Duration::from_secs(1)),
    ];
    metrics.certificates.put_in_force(certificates.into_iter());
    let name = "portcullis_certificate_expiry_timestamp_seconds";
    for (certificate, listener, end) in [
        ("a.test", "edge", 1_900_000_000),
        ("a.test", "inner", 2_000_000_000),
        ("old.test", "edge", -1_i64),
    ] {
        let line = format!("{name}{{certificate=\"{certificate}\",listener=\"{listener}\"}} {end}");
        assert!(has_line(&metrics, &line), "{line}");
    }
    metrics
        .certificates
        .put_in_force(certificates.into_iter().take(1));
    assert_eq!(
        rendered(&metrics).matches(&format!("\n{name}{{")).count(),
        1
    );
    metrics.certificates.put_in_force(std::iter::empty());
    assert!(!rendered(&metrics).contains(name));
}

#[test]
fn certificates_past_the_limit_share_a_name_and_the_first_end_of_theirs_counts() {
    let metrics = metrics();
    let names: Vec<String> = (0..NAME_LIMIT + 5)
        .map(|number| format!("{number}.test"))
        .collect();
    let end = UNIX_EPOCH + Duration::from_secs(2_000_000_000);
    let ends = (0..).map(|number| end - Duration::from_secs(number));
    let certificates = names.iter().zip(ends);
    metrics
        .certificates
        .put_in_force(certificates.map(|(name, end)| ("edge", name.as_str(), end)));
    let text = rendered(&metrics);
    let name = "portcullis_certificate_expiry_timestamp_seconds";
    assert_eq!(text.matches(&format!("\n{name}{{")).count(), NAME_LIMIT + 1);
    let first = 2_000_000_000 - (NAME_LIMIT + 4);
    let line = format!("{name}{{certificate=\"(other)\",listener=\"edge\"}} {first}");
    assert!(has_line(&metrics, &line), "{line}");
}
