//! Is no secret shown, however its name is written, and all else left as it is?

use proptest::prelude::*;

use super::*;

fn masked(names: &[&str], others: &[&str], address: &str) -> String {
    let others: Vec<Arc<str>> = others.iter().map(|name| Arc::from(*name)).collect();
    let mut shown = Vec::new();
    let mask = Mask::new(names.iter().copied());
    mask.address(address.as_bytes(), &others, |piece| {
        shown.extend_from_slice(piece);
    });
    String::from_utf8(shown).expect("it was text")
}

#[test]
fn values_are_masked_however_their_names_are_written() {
    for (address, shown) in [
        ("/a?token=1&b=2", "/a?token=***&b=2"),
        ("/a?b=2&token=1", "/a?b=2&token=***"),
        ("/a?TOKEN=1&%74%6Fken=2", "/a?TOKEN=***&%74%6Fken=***"),
        ("/a?%54oken=1", "/a?%54oken=***"),
        ("/a?token==1", "/a?token=***"),
        ("/a?token=", "/a?token=***"),
        ("/a?token", "/a?token"),
        ("/a?tokens=1&atoken=2", "/a?tokens=1&atoken=2"),
        (
            "/a?x_key=1&a%5Fkey=2&key=3",
            "/a?x_key=***&a%5Fkey=***&key=3",
        ),
        ("/a?b=1;token=2", "/a?b=1;token=***"),
        ("/a?token=1;2&b=3", "/a?token=***&b=3"),
        ("/a?b=/c?token=1", "/a?b=/c?token=***"),
        ("http://a/#token=1", "http://a/#token=***"),
        ("/a?b#c&token=1", "/a?b#c&token=***"),
        ("/a?=1&&=&token=1&", "/a?=1&&=&token=***&"),
        ("/token=1", "/token=1"),
        ("/a?", "/a?"),
        ("", ""),
    ] {
        assert_eq!(
            masked(&["Token", "*_key"], &[], address),
            shown,
            "{address}"
        );
    }
}

#[test]
fn the_names_of_routes_are_masked_too() {
    assert_eq!(masked(&[], &["K"], "/?k=1&l=2"), "/?k=***&l=2");
    assert_eq!(masked(&["a"], &["K"], "/?k=1&a=2"), "/?k=***&a=***");
    assert_eq!(masked(&[], &[], "/?k=1&a=2"), "/?k=1&a=2");
}

#[test]
fn what_a_long_name_holds_is_masked_without_a_look() {
    let name = "a".repeat(LONGEST_NAME);
    for (name, shown) in [
        (name.clone(), "1"),
        (name.clone() + "a", "***"),
        (name.repeat(100), "***"),
        ("%61".repeat(LONGEST_NAME), "1"),
        ("%61".repeat(LONGEST_NAME) + "%61", "***"),
    ] {
        let address = format!("/?{name}=1&b=2");
        let expected = format!("/?{name}={shown}&b=2");
        assert_eq!(masked(&["token"], &[], &address), expected);
    }
}

#[test]
fn what_follows_many_parameters_is_masked_without_a_look() {
    let many = |count: usize| format!("/?{}", "a=b&".repeat(count));
    let exactly = many(MOST_PARAMETERS);
    assert_eq!(masked(&["token"], &[], &exactly), exactly);
    for more in ["c=d", "token=1&c=d", "c=d&c=d", "&&c;d&token=1"] {
        let shown = masked(&["token"], &[], &format!("{exactly}{more}"));
        let stars = shown.strip_prefix(&*exactly).expect("the first ones");
        assert!(stars.ends_with("***") && !stars.contains('='), "{stars}");
    }
    // Their number is what counts, not what they are.
    let secret = format!("/?{}c=d", "token=1&".repeat(MOST_PARAMETERS));
    assert!(masked(&["token"], &[], &secret).ends_with("&token=***&***"));
}

#[test]
fn a_part_of_a_name_is_a_name() {
    for (address, shown) in [
        ("/?a[token]=1", "/?a[token]=***"),
        ("/?a%5Btoken%5D=1", "/?a%5Btoken%5D=***"),
        ("/?token[]=1", "/?token[]=***"),
        ("/?a.token=1", "/?a.token=***"),
        ("/?a[b.token][c]=1", "/?a[b.token][c]=***"),
        ("/?a[my_key]=1", "/?a[my_key]=***"),
        ("/?a[tokens]=1", "/?a[tokens]=1"),
        ("/?a-token=1", "/?a-token=1"),
    ] {
        assert_eq!(masked(&["token", "*_key"], &[], address), shown);
    }
}

#[test]
fn user_and_password_before_a_host_are_masked() {
    for (address, shown) in [
        ("http://user:hunter2@a/b", "http://***@a/b"),
        ("http://hunter2@a", "http://***@a"),
        ("http://u:hunter@2@a/b@c?d@e", "http://***@a/b@c?d@e"),
        ("http://u:hunter2@a?token=1", "http://***@a?token=***"),
        ("<http://u:hunter2@a/>; rel=a", "<http://***@a/>; rel=a"),
        ("http://a/b@c", "http://a/b@c"),
        ("http://a?b@c", "http://a?b@c"),
        ("/a://b@c", "/a://b@c"),
        ("a@b", "a@b"),
        ("//u:hunter2@a/b", "//***@a/b"),
        ("/a?b=http://u:hunter2@c/", "/a?b=http://***@c/"),
        ("/a#http://u:hunter2@c", "/a#http://***@c"),
        (
            "http://a/?b=http://u:hunter2@c/",
            "http://a/?b=http://***@c/",
        ),
        (
            "<http://a/>, <http://u:hunter2@b/>",
            "<http://a/>, <http://***@b/>",
        ),
        (
            "<http://a>, <http://u:hunter2@b>",
            "<http://a>, <http://***@b>",
        ),
        ("http://u:h,u;n&t@a/", "http://***@a/"),
        ("http://a:b@c://u:hunter2@d", "http://***@c://***@d"),
    ] {
        assert_eq!(masked(&["token"], &[], address), shown);
        assert_eq!(masked(&[], &["token"], address), shown);
    }
    assert_eq!(masked(&[], &[], "http://u:hunter2@a/"), "http://***@a/");
}

fn encoded(text: &str, which: u64) -> String {
    let letters = text
        .bytes()
        .enumerate()
        .map(|(index, byte)| match which >> index & 3 {
            0 => format!("%{byte:02x}"),
            1 => format!("%{byte:02X}"),
            2 => char::from(byte).to_ascii_uppercase().to_string(),
            _ => char::from(byte).to_string(),
        });
    letters.collect()
}

proptest! {
    #[test]
    fn no_encoding_brings_a_secret_through(
        which in any::<u64>(),
        before in "[ -~]{0,20}",
        after in "[ -~]{0,20}",
    ) {
        let name = encoded("api_token", which);
        let address = format!("/a?{before}&{name}=hunter2{after}");
        let shown = masked(&["*token"], &[], &address);
        prop_assert!(!shown.contains("hunter2"), "{}", shown);
    }

    #[test]
    fn no_place_in_an_address_shows_a_password(before in "[ -~]{0,20}", after in "[ -~]{0,20}") {
        for address in [
            format!("/a?{before}://u:hunter2@{after}"),
            format!("http://a/{before}://u:hunter2@{after}"),
            format!("<{before}://u:hunter2@{after}"),
        ] {
            let shown = masked(&[], &[], &address);
            prop_assert!(!shown.contains("hunter2"), "{} of {}", shown, address);
        }
    }

    #[test]
    fn without_a_name_to_mask_an_address_stays_as_it_is(
        // As many and as long names as are looked at, and no user.
        names in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..=LONGEST_NAME), 0..=MOST_PARAMETERS),
        separators in any::<[u8; 8]>(),
    ) {
        let mut address = b"/".to_vec();
        let mut separators = separators.iter().map(|which| b"?&;#=="[usize::from(which % 6)]).cycle();
        for name in &names {
            let plain = name.iter().map(|byte| if b"=:".contains(byte) { b'-' } else { *byte });
            address.extend(plain);
            address.extend(separators.next());
        }
        let mut shown = Vec::new();
        Mask::new(["token\u{fffd}"]).address(&address, &[], |piece| shown.extend_from_slice(piece));
        prop_assert_eq!(shown, address);
    }
}
