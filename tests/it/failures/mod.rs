//! What does a client get when something fails, and what does the operator learn?

mod broken_bodies;
mod endpoints;
mod retries;
mod statuses;
mod times;
