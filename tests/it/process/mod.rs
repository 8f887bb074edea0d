//! How does the process live: its start, signals, the admin listener, its logs, its end?

mod activation;
mod admin;
mod cut;
mod demo;
mod drain;
mod farewell;
mod files;
mod goaway;
mod goodbye;
mod healthcheck;
mod idle;
mod latecomers;
mod ledger;
mod logs;
mod signals;
mod start;
mod stop;
mod watchdog;
