//! Are answers shared among users who had to say who they are?

use crate::config::Route;
use crate::config::route::cache::OriginHeaders;
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
