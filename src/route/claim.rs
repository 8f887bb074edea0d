//! Which claim of a token does a name mean?

use serde_json::{Map, Value};

/// The claim of this name; or, where there is none and the name has dots, one further down: `realm_access.roles` is `roles`
/// in `realm_access`. A name such as `https://example.com/roles` is found as it is.
pub fn claim<'c>(claims: &'c Map<String, Value>, name: &str) -> Option<&'c Value> {
    claims.get(name).or_else(|| {
        name.match_indices('.').find_map(|(dot, _)| {
            let inner = claims.get(&name[..dot])?.as_object()?;
            claim(inner, &name[dot + 1..])
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_claim_is_found_by_its_name_and_then_by_the_parts_of_it() {
        let claims = serde_json::json!({
            "sub": "me",
            "realm": { "roles": ["a"], "x.y": 1 },
            "https://a.example/b": "c",
            "a.b": 1,
            "a": { "b": 2, "c": 3 },
        });
        let claims = claims.as_object().expect("an object");
        let found = |name| claim(claims, name).map(ToString::to_string);
        assert_eq!(found("sub").as_deref(), Some("\"me\""));
        assert_eq!(found("realm.roles").as_deref(), Some("[\"a\"]"));
        assert_eq!(found("realm.x.y").as_deref(), Some("1"));
        assert_eq!(found("https://a.example/b").as_deref(), Some("\"c\""));
        assert_eq!(found("a.b").as_deref(), Some("1"));
        assert_eq!(found("a.c").as_deref(), Some("3"));
        for none in ["", ".", "a.", ".a", "sub.x", "realm.roles.0", "b"] {
            assert_eq!(found(none), None, "{none}");
        }
    }
}
