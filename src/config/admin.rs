//! Where is the process itself looked at?

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Spanned;

/// The admin listener.
///
/// It answers GET of `/metrics`, `/livez`, `/readyz`, `/pools` and `/cache`, and POST of `/reload`, `/drain`,
/// `/undrain`, `/endpoints/drain`, `/endpoints/undrain`, `/check?pool=NAME`, `/compare` and
/// `/cache/purge?url=URL&prefix=URL&tag=TAG` (or `all`; `soft`).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Admin {
    /// `IP:port`, `unix:/path`, or `off` for none. Default: 127.0.0.1:9901.
    pub address: Spanned<String>,
}

impl Default for Admin {
    fn default() -> Self {
        Self {
            address: Spanned::new("127.0.0.1:9901".to_owned()),
        }
    }
}
