//! Does the process stay well when it is asked for more than it can do, or by clients that are slow on purpose?

mod attackers;
mod memory;
mod rates;
mod requests;
mod slow;
mod slowhttptest;
