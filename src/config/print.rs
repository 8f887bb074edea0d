//! What does the configuration say once every default is filled in?

use super::Config;

/// The whole configuration as JSON, which is YAML as well. What could be a secret is masked: a header's value that is
/// set or added by a route, and the user information of an address.
pub fn effective(config: &Config) -> serde_json::Value {
    let mut masked = config.clone();
    for route in &mut masked.routes {
        for edits in [&mut route.request_headers, &mut route.response_headers] {
            for (name, value) in edits.set.iter_mut().chain(edits.add.iter_mut()) {
                if names_a_secret(name) {
                    value.value = MASK.to_owned();
                }
            }
        }
        for field in &mut route.r#match.headers {
            if names_a_secret(&field.value.name) {
                let field = &mut field.value;
                for value in [&mut field.exact, &mut field.regex].into_iter().flatten() {
                    MASK.clone_into(value);
                }
            }
        }
        for parameter in &mut route.r#match.query {
            if names_a_secret(&parameter.value.name) {
                let parameter = &mut parameter.value;
                for value in [&mut parameter.exact, &mut parameter.regex]
                    .into_iter()
                    .flatten()
                {
                    MASK.clone_into(value);
                }
            }
        }
    }
    serde_json::to_value(&masked).unwrap_or_default()
}

const MASK: &str = "***";

fn names_a_secret(name: &str) -> bool {
    const WORDS: [&str; 8] = [
        "authorization",
        "cookie",
        "token",
        "secret",
        "password",
        "key",
        "credential",
        "auth",
    ];
    let name = name.to_ascii_lowercase();
    WORDS.iter().any(|word| name.contains(word))
}
