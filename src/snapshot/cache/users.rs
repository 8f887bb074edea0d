//! What do policies that ask who a user is mean for what is stored?

use crate::config::route::cache::OriginHeaders;
use crate::config::{Route, Spanned};
use crate::snapshot::reporter::Reporter;

/// Warns of a route that asks who its users are: most answers are then for one of them (RFC 9111 §3.5).
pub(super) fn check(route: &Route, origin: OriginHeaders, reporter: &mut Reporter<'_>) {
    let policies = [
        ("api_key", route.api_key.is_some()),
        ("basic_auth", route.basic_auth.is_some()),
        ("jwt", route.jwt.is_some()),
        ("forward_auth", route.forward_auth.is_some()),
    ];
    let Some((policy, _)) = policies.into_iter().find(|(_, is_there)| *is_there) else {
        return;
    };
    let (message, hint) = match origin {
        OriginHeaders::Respect => (
            format!(
                "with `{policy}`, only answers that say `public`, `s-maxage` or `must-revalidate` are stored, and then \
                 all users have them"
            ),
            "let the endpoints say `Cache-Control: public` where an answer is the same for everyone who may come in",
        ),
        OriginHeaders::Override => (
            format!(
                "with `{policy}` nothing is stored: no answer says any more that it is for all users"
            ),
            "write `origin_headers: respect`, and let the endpoints say `public` where an answer is for everyone who may come in",
        ),
    };
    let at = route
        .cache
        .as_ref()
        .and_then(|cache| cache.position.clone());
    reporter.warning_at("cache", at, message, Some(hint));
}

/// Reports fields of the key that a policy of the route writes for the endpoint, whatever a client sends in them: the key
/// would go by the client's word, and so each client could choose for whom its own answer is stored.
pub(super) fn keyed(route: &Route, headers: &[Spanned<String>], reporter: &mut Reporter<'_>) {
    let written = written_by_policies(route);
    for (index, name) in headers.iter().enumerate() {
        let same = |(other, _): &&(&str, &str)| other.eq_ignore_ascii_case(name);
        if let Some((_, policy)) = written.iter().find(same) {
            let key = format!("cache.key.headers[{index}]");
            let message = format!(
                "in `{}` the endpoint gets what `{policy}` says, and the key would go by what the client says",
                name.escape_debug()
            );
            let hint = "let the endpoints say `private` where an answer is for one user, or give these users a route without `cache`";
            reporter.error(&key, name, message, Some(hint));
        }
    }
}

/// The fields that policies of a route write for the endpoint, each with the policy.
fn written_by_policies(route: &Route) -> Vec<(&str, &'static str)> {
    let mut names: Vec<(&str, &'static str)> = Vec::new();
    if let Some(policy) = &route.api_key {
        names.extend(
            policy
                .user_header
                .as_ref()
                .map(|name| (name.as_str(), "api_key")),
        );
    }
    if let Some(policy) = &route.basic_auth {
        names.extend(
            policy
                .user_header
                .as_ref()
                .map(|name| (name.as_str(), "basic_auth")),
        );
    }
    if let Some(policy) = &route.jwt {
        let claims = policy.claims_to_headers.keys();
        names.extend(claims.map(|name| (name.as_str(), "jwt")));
    }
    if let Some(policy) = &route.forward_auth {
        let fields = policy.response_headers.iter();
        names.extend(fields.map(|name| (name.as_str(), "forward_auth")));
    }
    names
}
