//! Which port may a test write into a configuration?

use std::net::TcpListener;
use std::sync::atomic::{AtomicU16, Ordering};

/// Below the ports that the kernel gives to clients, and that it chooses for port 0.
const FIRST: u16 = 12_000;
const COUNT: u16 = 18_000;

static NEXT: AtomicU16 = AtomicU16::new(0);

/// A port at which nobody listens, and which no other test of this process gets. The kernel's own choice would not do:
/// between asking for it and using it, any connection could be given the same one.
pub fn free_port() -> u16 {
    // Other test processes begin elsewhere.
    let start = u16::try_from(std::process::id() * 101 % u32::from(COUNT)).expect("a remainder");
    loop {
        let next = NEXT.fetch_add(1, Ordering::Relaxed);
        let port = FIRST + (start + next % COUNT) % COUNT;
        if TcpListener::bind(("0.0.0.0", port)).is_ok() {
            return port;
        }
    }
}
