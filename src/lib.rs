//! Portcullis, an edge proxy and load balancer on Pingora. This page is the map.
pub mod admin;
pub mod cli;
pub mod config;
pub mod demo;
pub mod error;
pub mod policy;
pub mod pool;
pub mod proxy;
pub mod route;
pub mod server;
pub mod snapshot;
pub mod state;
pub mod telemetry;
pub mod tls;
pub mod upstream;
