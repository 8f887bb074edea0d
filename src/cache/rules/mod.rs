//! May an answer be stored, and may a stored one be used? RFC 9111 and its relatives as pure functions.

mod age;
mod cache_status;
mod codings;
mod content_range;
pub mod date;
mod default_ttl;
mod directives;
mod field_names;
mod freshness;
mod invalidate;
mod multipart;
mod partial;
mod precondition;
mod range;
mod refusal;
mod reuse;
mod revalidate;
mod said;
mod settings;
mod status;
mod stored_fields;
mod storing;
mod structured;
mod targeted;
mod terms;
mod validators;
mod vary;
mod wishes;

pub use cache_status::{CACHE_STATUS, CacheStatus, Forward};
pub use content_range::ContentRange;
pub use default_ttl::{DefaultTtl, Statuses};
pub use invalidate::{Changed, Place, invalidated, is_unsafe};
pub use multipart::{Multipart, Piece, Pieces};
pub use partial::{Added, Bounds, Partial};
pub use precondition::{Precondition, precondition};
pub use range::{Portion, content_range, portion, unsatisfied_range};
pub use refusal::Refusal;
pub use reuse::{Use, usable, usable_on_error};
pub use revalidate::{
    ask_for_the_whole, ask_whether_modified, freshen, is_conditional, not_modified,
    same_representation,
};
pub use settings::{Origin, Settings};
pub use stored_fields::{stored_fields, unshared_fields};
pub use storing::{Answered, Asked, freshened, keep};
pub use terms::Terms;
pub use validators::{EntityTag, Validators};
pub use vary::{Vary, variant};
pub use wishes::Wishes;

#[cfg(test)]
mod tests;
