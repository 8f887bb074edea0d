//! What does a client get when something fails?
