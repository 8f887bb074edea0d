//! Which configurations are valid, told to an editor?

use serde_json::Value;

use super::Config;
use super::diff::FIXED;

/// What is said of a key that is in [`FIXED`].
pub const NEEDS_UPGRADE: &str =
    "A change takes a start or an upgrade: a reload with it is refused.";

/// The JSON Schema of a configuration file, made from the types that read it.
pub fn schema() -> Value {
    let mut schema = schemars::schema_for!(Config).to_value();
    for key in FIXED {
        let place = place(&schema, key);
        let field = place.and_then(|place| schema.pointer_mut(&place));
        if let Some(Value::String(description)) = field {
            description.push(' ');
            description.push_str(NEEDS_UPGRADE);
        }
    }
    schema
}

/// Where in the schema the description of a key is, given as `section.key`.
fn place(schema: &Value, key: &str) -> Option<String> {
    let mut at = String::new();
    let mut field = at.clone();
    for part in key.split('.') {
        field = format!("{at}/properties/{part}");
        let found = schema.pointer(&field)?;
        // An optional one is one of two: itself, or nothing.
        let reference = found.get("$ref").or_else(|| found.pointer("/anyOf/0/$ref"));
        let reference = reference.and_then(Value::as_str).unwrap_or_default();
        at = reference.trim_start_matches('#').to_owned();
    }
    Some(format!("{field}/description"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_key_that_a_reload_can_not_change_says_so() {
        let schema = schema();
        for key in FIXED {
            let place = place(&schema, key).expect(key);
            let description = schema.pointer(&place).and_then(Value::as_str);
            assert!(description.expect(key).ends_with(NEEDS_UPGRADE), "{key}");
        }
        let said = schema.to_string().matches(NEEDS_UPGRADE).count();
        assert_eq!(said, FIXED.len());
    }
}
