//! What beside the address chooses an answer, and what must not?

use std::collections::BTreeSet;

use super::*;

#[tokio::test]
async fn what_endpoints_believe_beside_the_key_does_not_choose_the_answer_of_others() {
    let origin = telling().await;
    // Also from a proxy in front, which passes on whatever its own clients send.
    for more in ["", "forwarding: {trusted_proxies: [127.0.0.1]}\n"] {
        let yaml = with(&origin, more, "  - {name: all, pool: origin, cache: {}}\n");
        let portcullis = Portcullis::start(&yaml).await;
        let address = portcullis.listener("http");
        for (index, (name, value)) in BELIEVED.into_iter().enumerate() {
            let target = format!("/{}{index}", more.len());
            for spelled in [name.to_owned(), name.to_ascii_uppercase()] {
                let target = format!("{target}/{}", spelled == name);
                let attack = get(address, "a.test", &target, &format!("{spelled}: {value}")).await;
                assert!(
                    attack.status == 200 || attack.status == 400,
                    "{spelled}: {attack:?}"
                );
                let answer = get(address, "a.test", &target, "").await;
                assert_eq!(answer.status, 200, "{spelled}");
                let said = answer.text().to_ascii_lowercase();
                assert!(
                    !said.contains("evil") && !said.contains("666"),
                    "{spelled}: {said}"
                );
                let again = get(address, "a.test", &target, "").await;
                assert!(
                    is_hit(&again) && again.body == answer.body,
                    "{spelled}: {again:?}"
                );
            }
        }
    }
}

#[tokio::test]
async fn a_get_with_a_body_neither_fills_the_cache_nor_is_answered_from_it() {
    let origin = telling().await;
    let portcullis = Portcullis::start(&cached(&origin, "{}")).await;
    let address = portcullis.listener("http");
    for (target, fat) in [
        ("/length", "Content-Length: 4\r\n\r\nevil"),
        (
            "/chunks",
            "Transfer-Encoding: chunked\r\n\r\n4\r\nevil\r\n0\r\n\r\n",
        ),
        (
            "/form",
            "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 6\r\n\r\nq=evil",
        ),
    ] {
        let attack = get(address, "a.test", target, fat).await;
        assert!(
            attack.status == 200 && attack.text().contains("evil"),
            "{target}: {attack:?}"
        );
        let answer = get(address, "a.test", target, "").await;
        assert!(
            !is_hit(&answer) && !answer.text().contains("evil"),
            "{target}: {answer:?}"
        );
        assert!(
            is_hit(&get(address, "a.test", target, "").await),
            "{target}"
        );
        // An endpoint that goes by the body would say something else.
        let attack = get(address, "a.test", target, fat).await;
        assert!(
            !is_hit(&attack) && attack.text().contains("evil"),
            "{target}: {attack:?}"
        );
        let answer = get(address, "a.test", target, "").await;
        assert!(
            is_hit(&answer) && !answer.text().contains("evil"),
            "{target}: {answer:?}"
        );
    }
}

#[tokio::test]
async fn fields_and_cookies_of_the_key_tell_answers_apart_and_no_others_do() {
    let origin = telling().await;
    let yaml = cached(&origin, "{key: {headers: [X-Country], cookies: [lang]}}");
    let portcullis = Portcullis::start(&yaml).await;
    let address = portcullis.listener("http");
    let asked = [
        ("", "[] []"),
        ("X-Country:", "[x-country=\"\"] []"),
        ("X-Country: de", "[x-country=\"de\"] []"),
        ("x-country: de", "[x-country=\"de\"] []"),
        ("X-COUNTRY:   de  ", "[x-country=\"de\"] []"),
        ("X-Country: fr", "[x-country=\"fr\"] []"),
        (
            "X-Country: de\r\nX-Country: fr",
            "[x-country=\"de\" x-country=\"fr\"] []",
        ),
        ("Cookie: lang=de", "[] [lang=de]"),
        ("Cookie: lang=fr", "[] [lang=fr]"),
        (
            "X-Country: de\r\nCookie: lang=de",
            "[x-country=\"de\"] [lang=de]",
        ),
    ];
    for _ in 0..2 {
        for (fields, seen) in asked {
            let answer = get(address, "a.test", "/f", fields).await;
            let wanted = format!("GET a.test/f {seen} [");
            assert!(
                answer.text().starts_with(&wanted),
                "{fields}: {}",
                answer.text()
            );
        }
    }
    let different: BTreeSet<&str> = asked.iter().map(|(_, seen)| *seen).collect();
    assert_eq!(fetches(&origin, "/f"), different.len());
    // Nominated by the client's own connection, a field ends here (RFC 9110 §7.6.1): what its endpoint then says is not what
    // it says to those who send it.
    for target in ["/f", "/n"] {
        let nominated = "Connection: x-country\r\nX-Country: de";
        let answer = get(address, "a.test", target, nominated).await;
        assert!(!answer.text().contains("x-country"), "{answer:?}");
        let answer = get(address, "a.test", target, "X-Country: de").await;
        assert!(answer.text().contains("x-country=\"de\""), "{answer:?}");
        let answer = get(address, "a.test", target, "").await;
        assert!(!answer.text().contains("x-country"), "{answer:?}");
    }
    let answer = get(address, "a.test", "/f", "Cookie: other=1; lang=de").await;
    assert!(
        is_hit(&answer) && answer.text().contains("[lang=de]"),
        "{answer:?}"
    );
}

#[tokio::test]
async fn what_bypasses_the_cache_neither_fills_it_nor_is_answered_from_it() {
    let origin = telling().await;
    let yaml = cached(
        &origin,
        "{bypass: [header.X-Country, cookie.session, query.fresh]}",
    );
    let portcullis = Portcullis::start(&yaml).await;
    let address = portcullis.listener("http");
    for (target, plain, fields) in [
        ("/h", "/h", "X-Country: evil"),
        ("/h", "/h", "X-Country:\r\nX-Country: evil"),
        ("/c", "/c", "Cookie: session=evil"),
        ("/c", "/c", "Cookie: session=; a=1\r\nCookie: session=evil"),
        ("/q?fresh=evil", "/q?fresh=", ""),
        ("/q?%66resh=evil", "/q?fresh=", ""),
    ] {
        for _ in 0..2 {
            let before = origin.count("/*");
            let answer = get(address, "a.test", target, fields).await;
            assert!(
                !is_hit(&answer) && answer.text().contains("evil"),
                "{target} {fields}: {answer:?}"
            );
            let status = answer.header("cache-status").unwrap_or_default();
            assert!(status.contains("fwd=bypass"), "{target} {fields}: {status}");
            assert_eq!(origin.count("/*"), before + 1, "{target} {fields}");
            let answer = get(address, "a.test", plain, "").await;
            assert!(
                !answer.text().contains("evil"),
                "{target} {fields}: {answer:?}"
            );
            assert!(
                is_hit(&get(address, "a.test", plain, "").await),
                "{target} {fields}"
            );
        }
    }
    // What is there and empty does not.
    assert!(is_hit(&get(address, "a.test", "/h", "X-Country:").await));
}
