//! Is what is known of a token used again, and only for as long as it holds?

use super::*;

#[test]
fn a_known_token_is_not_verified_again_and_expires_all_the_same() {
    let signer = Signer::new(Signed::ES256, "one");
    let jwt = policy(given(signer::set(&[&signer])), &asymmetric());
    let token = signer.sign(&claims());
    let first = assert_passes(&jwt, &token).claims.expect("claims");
    let second = assert_passes(&jwt, &token).claims.expect("claims");
    assert!(Arc::ptr_eq(&first, &second));
    assert_eq!(
        (jwt.metrics.verified.get(), jwt.metrics.cached.get()),
        (1, 1)
    );

    let id = verified::id(&token);
    let Keys::Given(set) = &jwt.keys else {
        panic!("given keys");
    };
    let end = NOW as f64 + 60.0;
    assert!(jwt.verified.find(&id, set.version(), end - 0.1).is_some());
    assert!(jwt.verified.find(&id, set.version(), end).is_none());
}

#[test]
fn a_known_token_is_refused_when_its_key_is_gone() {
    let (old, new) = (
        Signer::new(Signed::ES256, "old"),
        Signer::new(Signed::ES256, "new"),
    );
    let metrics = Metrics::new().expect("metrics").key_source("x");
    let source = Arc::new(KeySource::new("x".into(), metrics));
    let jwt = policy(Keys::Fetched(Arc::clone(&source)), &asymmetric());
    let token = old.sign(&claims());
    let (reason, _) = refused(&ask(&jwt, &token)).expect("a refusal");
    assert_eq!(reason, Reason::AuthUnavailable, "without keys nobody knows");
    source.answered(signer::set(&[&old]));
    assert_passes(&jwt, &token);
    source.answered(signer::set(&[&old, &new]));
    assert_passes(&jwt, &token);
    assert_passes(&jwt, &new.sign(&claims()));
    source.answered(signer::set(&[&new]));
    let (reason, told) = refused(&ask(&jwt, &token)).expect("a refusal");
    assert_eq!(reason, Reason::Unauthenticated);
    assert!(told.contains("unknown key"), "{told}");
}
