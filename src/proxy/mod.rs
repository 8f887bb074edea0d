//! What happens to one request? Pingora's hooks, each one call into the straight line:
//! [`facts`], [`decide`] and [`admit`] → [`forward`] → a carrier ([`direct`] or [`duplex`]) → [`fail`] if need be → [`finish`].

mod about;
mod admit;
mod again;
mod answer;
mod ask;
mod attempt;
mod cached;
mod coded;
mod ctx;
mod cut;
mod decide;
mod direct;
mod duplex;
mod facts;
mod fail;
pub mod fetch;
mod finish;
pub mod forward;
mod hooks;
mod message;
mod overtime;
mod presence;
mod retry;
mod sticky;
mod subrequest;
#[cfg(test)]
mod tests;
mod trail;
mod unwind;

pub use about::{About, TlsAbout};
pub use answer::{ALLOWED_METHODS, error_body};
pub use cached::Flights;
pub use cut::all as cut_all;
pub use finish::{Unread, unread_request};
pub use hooks::Gate;
pub use overtime::{Overtime, watch};
