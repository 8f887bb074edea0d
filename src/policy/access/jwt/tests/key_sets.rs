//! Which keys are taken out of a set and of a PEM file?

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::*;

#[test]
fn keys_that_are_not_for_signatures_are_left_out_of_a_set() {
    let good = Signer::new(Signed::RS256, "good").jwk;
    let with = |name: &str, value: Value| {
        let mut jwk = good.clone();
        jwk[name] = value;
        jwk
    };
    let n = URL_SAFE_NO_PAD
        .decode(good["n"].as_str().expect("n"))
        .expect("base64url");
    let leading_zero = URL_SAFE_NO_PAD.encode([&[0][..], &n].concat());
    let short = URL_SAFE_NO_PAD.encode(&n[..128]);
    for (jwk, fits) in [
        (good.clone(), true),
        (with("use", "sig".into()), true),
        (with("use", "enc".into()), false),
        (with("key_ops", json!(["verify"])), true),
        (with("key_ops", json!(["encrypt"])), false),
        (with("alg", "RS512".into()), true),
        (with("alg", "RSA-OAEP".into()), false),
        (with("alg", "HS256".into()), false),
        (with("kty", "EC".into()), false),
        (with("n", leading_zero.into()), true),
        (with("n", short.into()), false),
        (with("n", "".into()), false),
        (with("n", 5.into()), false),
        (with("e", "".into()), false),
        (
            json!({ "kty": "oct", "k": "c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0" }),
            false,
        ),
        (
            json!({ "kty": "EC", "crv": "P-256", "x": "AA", "y": "AA" }),
            false,
        ),
        (
            json!({ "kty": "EC", "crv": "secp256k1", "x": "AA", "y": "AA" }),
            false,
        ),
        (json!({ "kty": "OKP", "crv": "Ed25519", "x": "AA" }), false),
        (json!({ "kty": "OKP", "crv": "X25519", "x": "AA" }), false),
        (json!("text"), false),
    ] {
        let text = json!({ "keys": [jwk, json!({})] }).to_string();
        let set = KeySet::of_jwks(text.as_bytes());
        assert_eq!(set.is_ok(), fits, "{text}");
    }
    for (text, error) in [
        ("{}", "it is no JSON Web Key Set: missing field `keys`"),
        ("<html>", "it is no JSON Web Key Set: expected value"),
        (r#"{"keys":[]}"#, "none of its 0 keys can verify a token"),
    ] {
        let told = KeySet::of_jwks(text.as_bytes())
            .expect_err(text)
            .to_string();
        assert!(told.starts_with(error), "{told}");
    }
    let many = json!({ "keys": vec![good; keys::MOST_KEYS + 1] }).to_string();
    assert_eq!(
        KeySet::of_jwks(many.as_bytes()).expect_err("many"),
        keys::KeyError::TooMany(101)
    );
}

#[test]
fn only_a_public_key_is_taken_out_of_a_pem_file() {
    let signer = Signer::new(Signed::EdDSA, "one");
    let private = signer.pem.replace("PUBLIC", "PRIVATE");
    for text in ["", "text", private.as_str()] {
        assert_eq!(KeySet::of_pem(text).expect_err(text), keys::KeyError::NoPem);
    }
}
