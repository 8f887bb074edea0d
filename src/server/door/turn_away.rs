//! How does a listening socket stop taking connections, so that none is taken and then reset?
//!
//! The kernel completes handshakes by itself, and closing a socket resets those it has completed and nobody has accepted.
//! Between the last look into that queue and the close there is always a moment. So before the last look the kernel is
//! told to drop whatever would begin a connection: who comes in that moment tries again a second later and is refused,
//! which tells a client that nothing of its request was heard. A reset does not. A handshake that had begun by then may
//! still complete, so there is a while between the filter and the last look.

use std::io;
use std::os::fd::AsFd;

/// Makes the kernel drop packets that begin a connection. What has begun goes on.
///
/// # Errors
///
/// The system has no such filters, or does not let this process set one.
#[cfg(target_os = "linux")]
pub fn turn_away(listener: &impl AsFd) -> io::Result<()> {
    use socket2::{SockFilter, SockRef};

    /// Where a TCP header has its flags (RFC 9293 §3.1).
    const FLAGS: u32 = 13;
    const SYN: u32 = 0x02;
    const ACK: u32 = 0x10;

    // Classic BPF (the kernel's Documentation/networking/filter.rst); what it returns is how much of a packet to keep.
    let filter = [
        SockFilter::new(
            (libc::BPF_LD | libc::BPF_B | libc::BPF_ABS) as u16,
            0,
            0,
            FLAGS,
        ),
        SockFilter::new(
            (libc::BPF_ALU | libc::BPF_AND | libc::BPF_K) as u16,
            0,
            0,
            SYN | ACK,
        ),
        SockFilter::new(
            (libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K) as u16,
            0,
            1,
            SYN,
        ),
        SockFilter::new((libc::BPF_RET | libc::BPF_K) as u16, 0, 0, 0),
        SockFilter::new((libc::BPF_RET | libc::BPF_K) as u16, 0, 0, u32::MAX),
    ];
    SockRef::from(listener).attach_filter(&filter)
}

/// As on Linux; elsewhere there is no such filter.
#[cfg(not(target_os = "linux"))]
pub fn turn_away(_: &impl AsFd) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::io::{Read, Write};
    use std::net::{SocketAddr, TcpListener, TcpStream};
    use std::time::Duration;

    use super::*;

    fn connects(address: SocketAddr) -> bool {
        TcpStream::connect_timeout(&address, Duration::from_millis(100)).is_ok()
    }

    #[test]
    fn who_is_in_the_queue_stays_and_who_comes_later_gets_no_answer() {
        for address in ["127.0.0.1:0", "[::1]:0"] {
            let Ok(listener) = TcpListener::bind(address) else {
                continue;
            };
            let address = listener.local_addr().expect("an address");
            let mut queued = TcpStream::connect(address).expect("connected");
            turn_away(&listener).expect("a filter");
            assert!(!connects(address));
            // Neither the queue nor its connections are touched.
            queued.write_all(b"hello").expect("sent");
            let (mut accepted, _) = listener.accept().expect("accepted");
            let mut heard = [0; 5];
            accepted.read_exact(&mut heard).expect("heard");
            assert_eq!(&heard, b"hello");
            drop(listener);
            let error = TcpStream::connect(address).expect_err("closed");
            assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
        }
    }
}
