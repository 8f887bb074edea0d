//! Where is a token looked for, and what if there is none?

use super::*;

#[test]
fn a_client_without_a_token_is_told_to_bring_one_unless_it_need_not() {
    let signer = Signer::new(Signed::ES256, "one");
    let mut jwt = policy(given(signer::set(&[&signer])), &asymmetric());
    for fields in [&[][..], &[("authorization", "Basic YTpi")]] {
        let (reason, told) = refused(&ask_with(&jwt, fields, None)).expect("a refusal");
        assert_eq!(reason, Reason::Unauthenticated);
        assert_eq!(told, "Bearer realm=\"test\"");
    }
    jwt.optional = true;
    let passed = ask_with(&jwt, &[], None);
    assert_eq!(refused(&passed), None);
    assert!(passed.1.claims.is_none() && passed.1.user.is_none());
    assert_refused(&jwt, "a.b.c", Fault::Malformed);
}

#[test]
fn what_an_endpoint_could_take_for_a_token_does_not_go_on_as_none() {
    let signer = Signer::new(Signed::ES256, "one");
    let mut jwt = policy(given(signer::set(&[&signer])), &asymmetric());
    jwt.optional = true;
    let good = signer.sign(&claims());
    let alone = |value: &str| ask_with(&jwt, &[("authorization", value)], None);
    for malformed in [
        "Bearer",
        "bearer ",
        "Bearer\ta.b.c",
        "Bearer \t a.b.c",
        "bEARER a.b.c",
    ] {
        let (reason, told) = refused(&alone(malformed)).expect(malformed);
        assert_eq!(reason, Reason::Unauthenticated);
        assert!(told.contains("malformed"), "{malformed}: {told}");
    }
    // A good token as well: it would get to the endpoint unseen.
    for else_there in [
        "",
        "Basic YTpi",
        &format!("Bearer:{good}"),
        &format!("Bearer\u{a0}{good}"),
        &format!("Token {good}"),
        &format!("XBearer {good}"),
        &good,
    ] {
        let (reason, told) = refused(&alone(else_there)).expect(else_there);
        assert_eq!(reason, Reason::Unauthenticated, "{else_there}");
        assert_eq!(told, "Bearer realm=\"test\"", "{else_there}");
    }
    let (verdict, granted) = alone(&format!("Bearer\t{good} "));
    assert!(matches!(verdict, Verdict::Now(Ruling::Pass)) && granted.claims.is_some());
}

#[test]
fn a_token_is_found_where_it_is_said_to_be_and_only_once() {
    let signer = Signer::new(Signed::ES256, "one");
    let token = signer.sign(&claims());
    let (bearer, query) = (format!("bEaReR  {token}"), format!("a=1&token={token}"));
    let cookie = format!("a=b; session={token}; c=d");
    type Fields<'f> = &'f [(&'f str, &'f str)];
    let cases: [(Place, Fields<'_>, Option<&str>); 5] = [
        (
            Place::Header(AUTHORIZATION),
            &[("authorization", &bearer)],
            None,
        ),
        (
            Place::Header(HeaderName::from_static("x-token")),
            &[("x-token", &token)],
            None,
        ),
        (
            Place::Header(HeaderName::from_static("x-token")),
            &[("x-token", &bearer)],
            None,
        ),
        (
            Place::Cookie("session".into()),
            &[("cookie", &cookie)],
            None,
        ),
        (Place::Query("token".into()), &[], Some(&query)),
    ];
    for (place, fields, query) in cases {
        let mut jwt = policy(given(signer::set(&[&signer])), &asymmetric());
        jwt.place = place;
        assert_eq!(
            refused(&ask_with(&jwt, fields, query)),
            None,
            "{:?}",
            jwt.place
        );
        assert!(refused(&ask_with(&jwt, &[], None)).is_some());
        let twice = [fields, fields].concat();
        let doubled = query.map(|query| format!("{query}&{query}"));
        let both = ask_with(&jwt, &twice, doubled.as_deref());
        let (_, told) = refused(&both).expect("a refusal");
        assert!(
            told.contains("more than one token"),
            "{:?}: {told}",
            jwt.place
        );
    }
}
