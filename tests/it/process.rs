//! How does the process live: its start, signals, the admin listener, its logs, its end?

mod admin;
mod demo;
mod drain;
mod farewell;
mod files;
mod goaway;
mod goodbye;
mod idle;
mod latecomers;
mod ledger;
mod logs;
mod signals;
mod start;
mod stop;
