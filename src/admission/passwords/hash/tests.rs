//! Made by others: bcrypt by libxcrypt, Argon2 by its reference implementation (the PHC's test vectors).

use proptest::prelude::*;

use super::*;

const BCRYPT: &str = "$04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW";

fn hash(text: &str) -> PasswordHash {
    text.parse().expect(text)
}

fn refused(text: &str) -> InvalidHash {
    text.parse::<PasswordHash>().expect_err(text)
}

#[test]
fn bcrypt_of_every_good_version_fits_its_password_and_no_other() {
    for version in ["$2a", "$2b", "$2y"] {
        let hash = hash(&format!("{version}{BCRYPT}"));
        assert!(hash.fits(b"secret"));
        for wrong in ["", "Secret", "secret ", "secre"] {
            assert!(!hash.fits(wrong.as_bytes()), "{wrong:?}");
        }
    }
    let other = hash("$2y$04$abcdefghijklmnopqrstuuWPyT3zuK3JxmyXx5UFcdTiysSm3GF5K");
    assert!(other.fits("pässwort".as_bytes()));
    assert!(
        !other.fits(b"p\xe4sswort"),
        "another encoding is another password"
    );
}

#[test]
fn argon2_fits_its_password_and_no_other() {
    for (text, password) in [
        (
            "$argon2i$v=16$m=256,t=2,p=1$c29tZXNhbHQ$/U3YPXYsSb3q9XxHvc0MLxur+GP960kN9j7emXX8zwY",
            "password",
        ),
        (
            "$argon2i$v=16$m=256,t=2,p=2$c29tZXNhbHQ$tsEVYKap1h6scGt5ovl9aLRGOqOth+AMB+KwHpDFZPs",
            "password",
        ),
        (
            "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4",
            "password",
        ),
    ] {
        let hash = hash(text);
        assert!(hash.fits(password.as_bytes()), "{text}");
        assert!(!hash.fits(b"Password"), "{text}");
    }
}

#[test]
fn what_does_not_protect_a_password_is_refused_by_its_name() {
    for (text, name) in [
        ("$apr1$abcdefgh$h9FWgUz3n9YxylKLlR5SQ/", "MD5"),
        ("{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=", "SHA-1"),
        ("abNANd1rDfiNc", "DES"),
        (
            "$6$saltsalt$TVLlQcbpFVof5W3Yz4DTP6gRstiNuHwwTt6GLc1E5n0",
            "SHA-512",
        ),
        (
            "$2x$04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW",
            "2011",
        ),
    ] {
        let InvalidHash::Weak(weak) = refused(text) else {
            panic!("{text}: {:?}", refused(text));
        };
        assert!(weak.contains(name), "{text}: {weak}");
    }
    assert_eq!(refused("hunter2"), InvalidHash::Unknown);
    assert_eq!(refused(""), InvalidHash::Empty);
}

#[test]
fn what_takes_seconds_or_much_memory_is_refused() {
    let cost = |cost: &str| refused(&format!("$2y${cost}{}", &BCRYPT[3..]));
    assert_eq!(cost("16"), InvalidHash::Slow(16));
    assert_eq!(cost("31"), InvalidHash::Slow(31));
    for broken in ["03", "32", "99", "x1"] {
        assert_eq!(cost(broken), InvalidHash::Broken("bcrypt"), "{broken}");
    }
    let argon2 = |params: &str| {
        let hash = "c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4";
        format!("$argon2id$v=19${params}${hash}").parse::<PasswordHash>()
    };
    assert!(argon2("m=131072,t=8,p=4").is_ok());
    assert_eq!(argon2("m=131073,t=1,p=1"), Err(InvalidHash::Large(131_073)));
    assert_eq!(
        argon2("m=4294967295,t=4294967295,p=1"),
        Err(InvalidHash::Large(u32::MAX))
    );
    assert_eq!(
        argon2("m=65536,t=17,p=1"),
        Err(InvalidHash::Long(65536 * 17))
    );
    for broken in [
        "m=1,t=1,p=1",
        "m=256,t=0,p=1",
        "m=256",
        "p=0,m=256,t=1",
        "m=x,t=1,p=1",
        "m=8,t=1,p=9",
    ] {
        let hash = argon2(broken);
        // Where a parameter is not given, the default of the algorithm holds.
        assert!(
            broken == "m=256" || hash == Err(InvalidHash::Broken("Argon2")),
            "{broken}: {hash:?}"
        );
    }
}

#[test]
fn a_hash_is_not_shown() {
    assert_eq!(
        format!("{:?}", hash(&format!("$2y{BCRYPT}"))),
        "PasswordHash"
    );
}

proptest! {
    #[test]
    fn any_text_is_a_hash_or_is_refused(text in "(\\$(2[abxy]|argon2(id|i|d)|apr1|1)\\$)?[ -~äß]{0,70}") {
        let _ = text.parse::<PasswordHash>();
    }

    #[test]
    fn what_is_read_as_a_small_argon2_can_be_tried(
        memory in 0_u32..64, passes in 0_u32..3, lanes in 0_u32..9, salt in "[A-Za-z0-9+/]{0,24}", hash in "[A-Za-z0-9+/]{0,90}",
    ) {
        let text = format!("$argon2d$v=19$m={memory},t={passes},p={lanes}${salt}${hash}");
        if let Ok(hash) = text.parse::<PasswordHash>() {
            prop_assert!(!hash.fits(b"x"));
        }
    }
}
