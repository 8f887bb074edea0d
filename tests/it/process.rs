//! How does the process behave: signals, the admin listener, its logs?

mod admin;
mod demo;
mod ledger;
mod logs;
mod signals;
