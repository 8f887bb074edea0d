//! What does the endpoint get of a token and its claims?

use super::*;

#[test]
fn a_token_that_is_not_for_the_endpoint_is_taken_out() {
    let signer = Signer::new(Signed::ES256, "one");
    let token = signer.sign(&claims());
    let mut jwt = policy(given(signer::set(&[&signer])), &asymmetric());
    jwt.forward = false;
    let bearer = [("authorization", &*format!("Bearer {token}"))];
    let (_, granted) = ask_with(&jwt, &bearer, None);
    assert_eq!(granted.to_endpoint, [Edit::Remove(AUTHORIZATION)]);
    jwt.place = Place::Cookie("session".into());
    let cookie = format!("a=b; session={token}");
    let (_, granted) = ask_with(&jwt, &[("cookie", &cookie), ("cookie", "c=d")], None);
    // Of what is there when it is taken out, whatever others have changed by then.
    assert_eq!(granted.to_endpoint, [Edit::RemoveCookie("session".into())]);
}

#[test]
fn claims_become_fields_and_a_client_can_not_forge_them() {
    let signer = Signer::new(Signed::ES256, "one");
    let mut jwt = policy(given(signer::set(&[&signer])), &asymmetric());
    let field = |name, claim: &str| (HeaderName::from_static(name), claim.into());
    jwt.headers = Box::new([
        field("x-user", "sub"),
        field("x-roles", "realm.roles"),
        field("x-level", "level"),
        field("x-none", "none"),
        field("x-bad", "bad"),
        field("x-object", "realm"),
    ]);
    let mut claims = claims();
    claims["realm"] = json!({ "roles": ["a", "b,admin", 3, null] });
    claims["level"] = 2.into();
    claims["bad"] = "two\r\nlines".into();
    let bearer = format!("Bearer {}", signer.sign(&claims));
    let fields = [
        ("authorization", &*bearer),
        ("x-user", "eve"),
        ("X_USER", "eve"),
        ("x-none", "eve"),
        ("x-object", "eve"),
        ("x-users", "stays"),
    ];
    let (verdict, granted) = ask_with(&jwt, &fields, None);
    assert!(matches!(verdict, Verdict::Now(Ruling::Pass)));
    let mut sent = HeaderMap::new();
    for (name, value) in fields {
        let name: HeaderName = name.parse().expect("a name");
        sent.append(name, value.parse().expect("a value"));
    }
    for edit in &granted.to_endpoint {
        edit.apply(&mut sent);
    }
    sent.remove("authorization");
    let mut left: Vec<_> = sent
        .iter()
        .map(|(name, value)| (name.as_str(), value.to_str().expect("a text")))
        .collect();
    left.sort_unstable();
    let expected = [
        ("x-level", "2"),
        ("x-roles", "a,3"),
        ("x-user", "ada"),
        ("x-users", "stays"),
    ];
    assert_eq!(left, expected);
    // Without a token, where that may be, nothing is believed either.
    jwt.optional = true;
    let (_, granted) = ask_with(&jwt, &[("x-user", "eve")], None);
    let disowned = jwt.headers.iter().map(|(name, _)| name.clone());
    let disowned: Vec<_> = disowned.map(Edit::Disown).collect();
    assert_eq!(granted.to_endpoint, disowned);
}
