//! How are policies written that decide whether a request may go on? One file each.

pub mod api_key;
pub mod basic_auth;
pub mod cors;
pub mod forward_auth;
pub mod ip_filter;
pub mod jwt;
pub mod rate_limit;

pub use api_key::ApiKey;
pub use basic_auth::BasicAuth;
pub use cors::Cors;
pub use forward_auth::{ForwardAuth, ForwardAuthMethod, OnFailure};
pub use ip_filter::IpFilter;
pub use jwt::Jwt;
pub use rate_limit::RateLimit;
