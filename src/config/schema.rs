//! Which configurations are valid, told to an editor?

use super::Config;

/// The JSON Schema of a configuration file, made from the types that read it.
pub fn schema() -> serde_json::Value {
    schemars::schema_for!(Config).to_value()
}
