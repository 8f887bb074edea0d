//! How does an IP address become text without an allocation?

use std::fmt::{self, Write as _};
use std::net::IpAddr;

/// An IP address as text, without an allocation.
pub(super) struct IpText {
    bytes: [u8; Self::LONGEST],
    len: usize,
}

impl IpText {
    /// Of `ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255`.
    const LONGEST: usize = 45;

    pub(super) fn new(ip: IpAddr) -> Self {
        let mut text = Self {
            bytes: [0; Self::LONGEST],
            len: 0,
        };
        // It fits: an address has at most that many characters.
        let _ = write!(text, "{ip}");
        text
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

impl fmt::Write for IpText {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let end = self.len + text.len();
        let room = self.bytes.get_mut(self.len..end).ok_or(fmt::Error)?;
        room.copy_from_slice(text.as_bytes());
        self.len = end;
        Ok(())
    }
}
