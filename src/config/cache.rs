//! Where are stored responses kept?

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{ByteSize, Spanned};

/// One object may take an eighth of the memory where there is no disk, and half of a disk.
const SHARE_OF_MEMORY: u64 = 8;
const SHARE_OF_DISK: u64 = 2;
/// How large one may be with a disk, on a route that does not say.
const ON_DISK: ByteSize = ByteSize::gib(1);

/// Where the answers that routes with `cache` store are kept: one store for the whole process.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Cache {
    /// How much memory they may take. What was not asked for in a long time goes first. Default: 64MiB.
    pub memory: Spanned<ByteSize>,
    /// A directory for more of them, which are there again after a restart. Default: none.
    #[serde(
        deserialize_with = "super::document::given",
        skip_serializing_if = "Option::is_none"
    )]
    pub disk: Option<Spanned<CacheDisk>>,
}

impl Default for Cache {
    fn default() -> Self {
        Self {
            memory: Spanned::new(ByteSize::mib(64)),
            disk: None,
        }
    }
}

impl Cache {
    /// How large the body of an object may be at most.
    pub fn room(&self) -> ByteSize {
        match &self.disk {
            Some(disk) => ByteSize::bytes(disk.size.as_u64() / SHARE_OF_DISK),
            None => ByteSize::bytes(self.memory.as_u64() / SHARE_OF_MEMORY),
        }
    }

    /// How large it may be on a route that does not say.
    pub fn max_object(&self) -> ByteSize {
        match self.disk {
            Some(_) => self.room().min(ON_DISK),
            None => self.room(),
        }
    }
}

/// A directory for stored answers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CacheDisk {
    /// The directory: an absolute path, made if it is missing; its parent must be there.
    #[schemars(example = "/var/cache/portcullis")]
    pub path: Spanned<String>,
    /// How much of the disk they may take, as `10GiB`.
    #[schemars(example = "10GiB")]
    pub size: Spanned<ByteSize>,
}
