//! Does nobody slip past the policies that decide whether a request may go on?

mod websocket;
