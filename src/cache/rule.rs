//! What does a route do with its cache?
