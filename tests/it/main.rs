//! Does the built binary do what its users need? Real clients, real origins, ports from the kernel.
//!
//! One binary for all integration tests: it links once, and every file here is one question.

mod config;
mod failures;
mod forwarding;
mod limits;
mod listeners;
mod malformed;
mod policies;
mod process;
mod proxy_protocol;
mod reload;
mod retries;
mod routing;
mod slow_clients;
mod streaming;
mod support;
mod tls;
mod upgrade;
