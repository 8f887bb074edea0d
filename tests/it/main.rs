//! Does the built binary do what its users need? Real clients, real origins, ports from the kernel.
//!
//! One binary for all integration tests: it links once, and every file here is one question.

mod access;
mod access_log;
mod api_key;
mod balancers;
mod basic_auth;
mod browsers;
mod cache;
mod compression;
mod config;
mod connections;
mod deploy;
mod discovery;
mod drain_endpoint;
mod failures;
mod forward_auth;
mod forwarding;
mod hashing;
mod health;
mod http2_floods;
mod ip_filter;
mod jwt;
mod limits;
mod listeners;
mod malformed;
mod manual;
mod metrics;
mod overload;
mod policies;
mod pool_limits;
mod process;
mod proxy_protocol;
mod rate_limits;
mod reload;
mod resilience;
mod retries;
mod routing;
mod slow_clients;
mod sticky;
mod streaming;
mod support;
mod tls;
mod upgrade;
