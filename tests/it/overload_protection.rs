//! Does the process stay well when it is asked for more than it can do?

mod memory;
mod requests;
