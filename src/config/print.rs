//! What does the configuration say once every default is filled in?

use super::Config;
use super::pool::{Endpoint, EndpointSettings};
use super::route::{DEFAULT_CONTENT_TYPE, DEFAULT_REDIRECT, DEFAULT_STATUS};

/// The whole configuration as JSON, which is YAML as well, and itself a configuration. Masked is the value of a header
/// or query parameter whose name tells of a secret.
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
    for pool in &mut masked.pools {
        for endpoint in &mut pool.endpoints {
            endpoint.value = Endpoint::Full(EndpointSettings {
                address: endpoint.value.address().to_owned(),
                weight: endpoint.value.weight(),
            });
        }
    }
    for route in &mut masked.routes {
        if let Some(redirect) = &mut route.redirect {
            redirect.value.status.get_or_insert(DEFAULT_REDIRECT);
        }
        if let Some(respond) = &mut route.respond {
            respond.value.status.get_or_insert(DEFAULT_STATUS);
            let content_type = &mut respond.value.content_type;
            content_type.get_or_insert_with(|| DEFAULT_CONTENT_TYPE.to_owned());
        }
    }
    let mut printed = serde_json::to_value(&masked).unwrap_or_default();
    escape(&mut printed);
    printed
}

/// Writes `${`, which is the environment, so that it stands for itself when it is read again.
fn escape(value: &mut serde_json::Value) {
    match value {
        serde_json::Value::String(text) => *text = text.replace("${", "$${"),
        serde_json::Value::Array(items) => items.iter_mut().for_each(escape),
        serde_json::Value::Object(entries) => entries.values_mut().for_each(escape),
        _ => {}
    }
}

const MASK: &str = "***";

fn names_a_secret(name: &str) -> bool {
    const WORDS: [&str; 9] = [
        "pass",
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
