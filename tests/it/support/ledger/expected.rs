//! What is asked for, and what is the right answer?

use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use origin::expected_bytes;

use super::book::What;

/// How much of a wrong answer is shown, in bytes.
const SHOWN: usize = 200;

/// A path of the origin, and the body that answers it.
pub struct Download {
    pub path: String,
    pub body: Vec<u8>,
}

impl Download {
    /// One of several sizes, announced or not: less than a packet, than a buffer, than a window, and more.
    pub fn numbered(number: u64) -> Self {
        let sizes = [300, 20_000, 70_001, 200_000];
        let verb = ["bytes", "chunked"][(number / 4 % 2) as usize];
        let size = sizes[(number % 4) as usize];
        Self {
            path: format!("/{verb}/{size}"),
            body: expected_bytes(size),
        }
    }

    /// One that takes half a second.
    pub fn slow() -> Self {
        Self {
            path: "/drip/25/20".to_owned(),
            body: b".".repeat(25),
        }
    }
}

/// A body that is sent in pieces.
#[derive(Clone, Copy)]
pub struct Upload {
    number: u64,
    /// How many pieces.
    pub pieces: u64,
}

/// The length of one piece, in bytes.
const PIECE: usize = 8 * 1024;

impl Upload {
    pub const PATH: &str = "/upload";

    /// Each has a checksum of its own.
    pub fn numbered(number: u64) -> Self {
        Self { number, pieces: 15 }
    }

    /// Its length in bytes.
    pub fn length(self) -> u64 {
        self.pieces * PIECE as u64
    }

    /// Whether it says its length beforehand; of the uploads of one client, which count in twos, every second does.
    pub fn is_announced(self) -> bool {
        (self.number / 2).is_multiple_of(2)
    }

    /// One of its pieces, which all differ.
    pub fn piece(self, index: u64) -> Bytes {
        let start = self.number * self.pieces + index;
        let bytes = (0..PIECE as u64).map(|at| (start * 31 + at * 7 + at / 251).to_le_bytes()[0]);
        bytes.collect()
    }

    /// What the origin answers: length and FNV-1a of what reached it.
    pub fn body(self) -> Vec<u8> {
        let pieces = (0..self.pieces).flat_map(|index| self.piece(index));
        let sum = pieces.fold(0xcbf2_9ce4_8422_2325_u64, |sum, byte| {
            (sum ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
        });
        let length = self.length();
        format!("{{\"bytes\":{length},\"fnv1a64\":\"{sum:016x}\"}}\n").into_bytes()
    }
}

/// Checks a status before its body is read.
///
/// # Errors
///
/// [`What::Wrong`].
pub fn check_status(status: StatusCode, headers: &HeaderMap) -> Result<(), What> {
    if status == StatusCode::OK {
        return Ok(());
    }
    let cause = headers.get("proxy-status");
    Err(What::Wrong(format!("{status}, {cause:?}")))
}

/// Checks a whole body.
///
/// # Errors
///
/// [`What::Wrong`].
pub fn check_body(asked: &str, body: &[u8], right: &[u8]) -> Result<(), What> {
    if body == right {
        return Ok(());
    }
    let pairs = body.iter().zip(right);
    let same = pairs.take_while(|(is, should)| is == should).count();
    let shown = String::from_utf8_lossy(&body[same..body.len().min(same + SHOWN)]);
    Err(What::Wrong(format!(
        "{asked}: {} bytes instead of {}, from byte {same} on {shown:?}",
        body.len(),
        right.len()
    )))
}
