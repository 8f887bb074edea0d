//! Where is the process itself looked at?

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Spanned;

/// The admin listener: `/metrics`, `/livez`, `/readyz`, `/pools`, `/cache`, and by POST `/reload`, `/drain`, `/undrain`,
/// `/endpoints/drain`, `/endpoints/undrain`, `/check`, `/compare`, `/cache/purge`. It has no authentication: keep it on
/// loopback or on a network that only operators reach.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Admin {
    /// `IP:port` or `unix:/path`; `off` for none. Default: 127.0.0.1:9901.
    pub address: Spanned<String>,
}

impl Default for Admin {
    fn default() -> Self {
        Self {
            address: Spanned::new("127.0.0.1:9901".to_owned()),
        }
    }
}
