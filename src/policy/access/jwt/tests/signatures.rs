//! Does a token get in by a known key of its algorithm, and by nothing else?

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::*;

#[test]
fn every_algorithm_lets_its_own_tokens_in_by_jwks_and_by_pem_and_no_changed_ones() {
    for signed in [
        Signed::RS256,
        Signed::RS384,
        Signed::RS512,
        Signed::PS256,
        Signed::PS384,
        Signed::PS512,
        Signed::ES256,
        Signed::ES384,
        Signed::EdDSA,
    ] {
        let signer = Signer::new(signed, "one");
        let token = signer.sign(&claims());
        let by_pem = KeySet::of_pem(&signer.pem).expect("a PEM key");
        for set in [signer::set(&[&signer]), by_pem] {
            let jwt = policy(given(set), &asymmetric());
            let granted = assert_passes(&jwt, &token);
            assert_eq!(granted.user.as_deref(), Some("ada"));
            assert_eq!(granted.claims.expect("claims")["aud"], json!(["api"]));
        }
        let jwt = policy(given(signer::set(&[&signer])), &asymmetric());
        let [header, payload, signature] = signer::parts(&token);
        let other = URL_SAFE_NO_PAD.encode(json!({ "sub": "eve", "exp": NOW + 60 }).to_string());
        assert_refused(
            &jwt,
            &format!("{header}.{other}.{signature}"),
            Fault::Signature,
        );
        assert_refused(&jwt, &format!("{header}.{payload}."), Fault::Signature);
        // An RSA key takes its time.
        if matches!(signed, Signed::RS256 | Signed::ES256 | Signed::EdDSA) {
            let foreign = Signer::new(signed, "one").sign(&claims());
            assert_refused(&jwt, &foreign, Fault::Signature);
        }
    }
}

#[test]
fn p521_and_the_secrets_let_their_tokens_in() {
    let (jwk, token) = signer::es512(&claims());
    let set = KeySet::of_jwks(json!({ "keys": [jwk] }).to_string().as_bytes()).expect("a set");
    assert_passes(&policy(given(set), &[Algorithm::Es512]), &token);

    let secret = [7; 64];
    for (signed, algorithm) in [
        (Signed::HS256, Algorithm::Hs256),
        (Signed::HS384, Algorithm::Hs384),
        (Signed::HS512, Algorithm::Hs512),
    ] {
        let jwt = policy(given(KeySet::of_secret(&secret)), &[algorithm]);
        assert_refused(
            &jwt,
            &signer::with_secret(signed, &[8; 64], &claims()),
            Fault::Signature,
        );
        let token = signer::with_secret(signed, &secret, &claims());
        assert_passes(&jwt, &token);
        let [header, payload, signature] = signer::parts(&token);
        let short = &signature[..signature.len() - 4];
        let (verdict, _) = ask(&jwt, &format!("{header}.{payload}.{short}"));
        assert!(
            matches!(verdict, Verdict::Now(Ruling::Refuse(_))),
            "a shortened MAC"
        );
    }
}

#[test]
fn a_public_key_is_never_taken_for_a_secret() {
    for signed in [Signed::RS256, Signed::ES256, Signed::EdDSA] {
        let signer = Signer::new(signed, "one");
        let everything = Algorithm::ALL;
        for set in [
            signer::set(&[&signer]),
            KeySet::of_pem(&signer.pem).expect("a key"),
        ] {
            // Even if the configuration allowed it, which it can't.
            let jwt = policy(given(set), &everything);
            for secret in [
                signer.pem.as_bytes(),
                signer.pem.trim().as_bytes(),
                &signer.der,
            ] {
                let forged = signer::with_secret(Signed::HS256, secret, &claims());
                assert_refused(&jwt, &forged, Fault::Algorithm);
            }
        }
    }
}

#[test]
fn a_key_is_used_with_no_algorithm_but_its_own() {
    let rsa = Signer::new(Signed::RS256, "one");
    let token = rsa.sign(&claims());
    let only_es = policy(given(signer::set(&[&rsa])), &[Algorithm::Es256]);
    assert_refused(&only_es, &token, Fault::Algorithm);
    let mut jwk = rsa.jwk.clone();
    jwk["alg"] = "PS256".into();
    let set = KeySet::of_jwks(json!({ "keys": [jwk] }).to_string().as_bytes()).expect("a set");
    assert_refused(&policy(given(set), &asymmetric()), &token, Fault::Algorithm);
    // The header says ES256, and the signature is the RSA key's.
    let [_, payload, signature] = signer::parts(&token);
    let header = URL_SAFE_NO_PAD.encode(json!({ "alg": "ES256", "kid": "one" }).to_string());
    let lying = format!("{header}.{payload}.{signature}");
    let jwt = policy(given(signer::set(&[&rsa])), &asymmetric());
    assert_refused(&jwt, &lying, Fault::Algorithm);
}

#[test]
fn a_token_without_a_signature_is_none() {
    let signer = Signer::new(Signed::ES256, "one");
    let jwt = policy(given(signer::set(&[&signer])), &asymmetric());
    let payload = URL_SAFE_NO_PAD.encode(claims().to_string());
    for alg in ["none", "None", "nOnE", ""] {
        let header = URL_SAFE_NO_PAD.encode(json!({ "alg": alg, "kid": "one" }).to_string());
        assert_refused(&jwt, &format!("{header}.{payload}."), Fault::Algorithm);
    }
    // A key of its own in the header is not looked at.
    let own = Signer::new(Signed::ES256, "one");
    let header =
        json!({ "alg": "ES256", "kid": "one", "jwk": own.jwk, "jku": "https://evil.test/" });
    assert_refused(&jwt, &own.sign_as(&header, &claims()), Fault::Signature);
    let header = json!({ "alg": "ES256", "kid": "one", "crit": ["exp"] });
    assert_refused(&jwt, &signer.sign_as(&header, &claims()), Fault::Critical);
}

#[test]
fn a_set_is_asked_for_the_key_that_the_token_names() {
    let (one, two) = (
        Signer::new(Signed::ES256, "one"),
        Signer::new(Signed::RS256, "two"),
    );
    let jwt = policy(given(signer::set(&[&one, &two])), &asymmetric());
    assert_passes(&jwt, &one.sign(&claims()));
    assert_passes(&jwt, &two.sign(&claims()));
    let jwt = policy(given(signer::set(&[&one, &two])), &asymmetric());
    let named = |kid: &str| one.sign_as(&json!({ "alg": "ES256", "kid": kid }), &claims());
    assert_refused(&jwt, &named("three"), Fault::UnknownKey);
    assert_refused(&jwt, &named("two"), Fault::Algorithm);
    // One that names none may be of any.
    assert_passes(&jwt, &two.sign_as(&json!({ "alg": "RS256" }), &claims()));
}
