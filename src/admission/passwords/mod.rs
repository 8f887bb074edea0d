//! Is this the password of that user? Slow on purpose, so it is found out beside the proxy's threads, and remembered.
//!
//! A hash that is worth its name costs tens of milliseconds to try, and who may send wrong passwords decides how many are
//! tried. So there are few threads for it, the line in front of them is short and fair to every client, and what was
//! found out holds for a while: see [`Verifier`].

mod authorization;
mod hash;
mod line;
mod users;
mod verifier;

pub use authorization::Credentials;
pub use hash::{InvalidHash, PasswordHash};
pub use users::{InvalidUser, User, Users};
pub use verifier::{Answer, Question, Verifier, Waiting};
