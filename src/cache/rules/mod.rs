//! May an answer be stored, and may a stored one be used? RFC 9111 and its relatives as pure functions.

mod age;
pub mod date;
mod default_ttl;
mod directives;
mod field_names;
mod freshness;
mod refusal;
mod reuse;
mod said;
mod settings;
mod status;
mod stored_fields;
mod storing;
mod structured;
mod targeted;
mod terms;
mod validators;
mod wishes;

pub use default_ttl::{DefaultTtl, Statuses};
pub use refusal::Refusal;
pub use reuse::{Use, usable, usable_on_error};
pub use settings::{Origin, Settings};
pub use stored_fields::stored_fields;
pub use storing::{Answered, Asked, freshened, keep};
pub use terms::Terms;
pub use validators::{EntityTag, Validators};
pub use wishes::Wishes;
