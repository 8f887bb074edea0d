//! May an answer be stored, and may a stored one be used? RFC 9111 and its relatives as pure functions.

mod terms;
mod validators;

pub use terms::Terms;
pub use validators::{EntityTag, Validators};
