//! Where is a field value put together? On the stack, so that the only allocation is the finished value's own.

use super::address;
use http::HeaderValue;
use std::fmt::{self, Write};
use std::net::IpAddr;

/// Enough for what the proxy writes itself; only a long list from a trusted peer is longer.
const STACK: usize = 256;

/// A field value that grows at its end.
pub(super) struct ValueBuffer {
    stack: [u8; STACK],
    used: usize,
    /// Takes over everything once the stack is full.
    heap: Vec<u8>,
}

impl ValueBuffer {
    pub(super) fn new() -> Self {
        Self {
            stack: [0; STACK],
            used: 0,
            heap: Vec::new(),
        }
    }

    pub(super) fn push(&mut self, bytes: &[u8]) {
        if self.heap.is_empty() {
            let end = self.used + bytes.len();
            if let Some(free) = self.stack.get_mut(self.used..end) {
                free.copy_from_slice(bytes);
                self.used = end;
                return;
            }
            self.heap.extend_from_slice(&self.stack[..self.used]);
        }
        self.heap.extend_from_slice(bytes);
    }

    pub(super) fn push_address(&mut self, ip: IpAddr) {
        match ip {
            IpAddr::V4(ip) => address::write_v4(ip, |byte| self.push(&[byte])),
            // The shortest form of RFC 5952 is the standard library's business.
            IpAddr::V6(ip) => self.push_display(ip),
        }
    }

    pub(super) fn push_number(&mut self, number: u16) {
        self.push_display(number);
    }

    fn push_display(&mut self, text: impl fmt::Display) {
        // Writing into memory does not fail: see `write_str` below.
        let _ = write!(self, "{text}");
    }

    /// Starts the list's next member, if it has one already.
    pub(super) fn separate(&mut self) {
        if !self.as_bytes().is_empty() {
            self.push(b", ");
        }
    }

    fn as_bytes(&self) -> &[u8] {
        if self.heap.is_empty() {
            &self.stack[..self.used]
        } else {
            &self.heap
        }
    }

    /// The value, or `None` if nothing was pushed or a byte can't stand in a field.
    pub(super) fn finish(&self) -> Option<HeaderValue> {
        let bytes = self.as_bytes();
        if bytes.is_empty() {
            return None;
        }
        HeaderValue::from_bytes(bytes).ok()
    }
}

impl Write for ValueBuffer {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.push(text.as_bytes());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_every_byte_when_it_leaves_the_stack() {
        for length in [0, 1, STACK - 1, STACK, STACK + 1, 3 * STACK] {
            let mut buffer = ValueBuffer::new();
            (0..length).for_each(|_| buffer.push(b"x"));
            buffer.push(b"end");
            let want = format!("{}end", "x".repeat(length));
            assert_eq!(buffer.finish().expect("a value"), want.as_str());
        }
    }

    #[test]
    fn an_empty_value_is_none() {
        assert!(ValueBuffer::new().finish().is_none());
    }
}
