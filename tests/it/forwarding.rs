//! What do endpoints and clients learn about each other?
