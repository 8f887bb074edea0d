//! How much may the whole process take on?

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Spanned;
use super::units::AutoCount;

/// What the whole process takes on, over all listeners.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Overload {
    /// Connections of clients, waiting ones included; what is more is closed at once. `auto` for as many as there are
    /// descriptors for, when each takes another one for an endpoint; 0 for no limit. Default: auto.
    pub connections: Spanned<AutoCount>,
}
