//! Is an HTTP/2 client in the middle of a request's header?
//!
//! A header may be cut over frames (RFC 9113 §6.10), and until its last one the library waits without a limit; no other
//! stream can go on meanwhile. So the connection follows the frames' boundaries as they pass, and counts what may become a
//! flood.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::Sleep;

use super::floods::Counts;
use super::pong::Pong;

/// Type, flags and length of a frame (RFC 9113 §4.1).
const FRAME_HEADER: usize = 9;
/// The same with the code of a RST_STREAM (RFC 9113 §6.4).
const RESET_HEADER: usize = FRAME_HEADER + 4;
/// The bytes every connection begins with.
const PREFACE: usize = super::head::HTTP2_PREFACE.len();

const HEADERS: u8 = 0x01;
const RST_STREAM: u8 = 0x03;
const CONTINUATION: u8 = 0x09;
const END_HEADERS: u8 = 0x04;

/// Where in the frames of a connection its bytes have come to.
#[derive(Clone, Copy, Debug)]
pub struct Frames {
    /// Bytes that pass before the next frame's header: the preface, or what is left of a frame.
    skip: usize,
    /// The beginning of a frame's header.
    header: [u8; RESET_HEADER],
    /// How much of it is there.
    have: usize,
    /// Whether the frame that passes belongs to a request's header.
    in_header: bool,
    /// Whether that header goes on in another frame.
    goes_on: bool,
    /// How many headers have begun; only compared with itself.
    begun: u32,
    passed: Counts,
}

impl Default for Frames {
    fn default() -> Self {
        Self {
            skip: PREFACE,
            header: [0; RESET_HEADER],
            have: 0,
            in_header: false,
            goes_on: false,
            begun: 0,
            passed: Counts::default(),
        }
    }
}

impl Frames {
    /// Of the side that sends no preface: ours.
    pub fn ours() -> Self {
        Self {
            skip: 0,
            ..Self::default()
        }
    }

    /// Follows what has come, up to a part of a frame, and gives its length: not 0 unless nothing has come.
    pub fn follow_one(&mut self, bytes: &[u8]) -> usize {
        if self.skip > 0 {
            let passed = self.skip.min(bytes.len());
            self.skip -= passed;
            return passed;
        }
        let taken = (self.wanted() - self.have).min(bytes.len());
        self.header[self.have..self.have + taken].copy_from_slice(&bytes[..taken]);
        self.have += taken;
        if self.have >= FRAME_HEADER && self.have == self.wanted() {
            self.begin_frame();
        }
        taken
    }

    /// Follows all of what has passed, and tells of its frames.
    pub fn follow(&mut self, mut bytes: &[u8]) -> Counts {
        while !bytes.is_empty() {
            bytes = &bytes[self.follow_one(bytes)..];
        }
        self.passed.take()
    }

    /// The frames since it was last asked.
    pub fn passed(&mut self) -> Counts {
        self.passed.take()
    }

    /// How much of a frame is looked at.
    fn wanted(&self) -> usize {
        if self.have >= FRAME_HEADER && self.header[3] == RST_STREAM && self.length() >= 4 {
            RESET_HEADER
        } else {
            FRAME_HEADER
        }
    }

    fn length(&self) -> usize {
        let [a, b, c, ..] = self.header;
        usize::from(a) << 16 | usize::from(b) << 8 | usize::from(c)
    }

    /// Whether the next byte begins a frame.
    pub fn is_between(&self) -> bool {
        self.skip == 0 && self.have == 0
    }

    fn begin_frame(&mut self) {
        let [_, _, _, kind, flags, _, _, _, _, code @ ..] = self.header;
        let length = self.length();
        self.skip = length - (self.have - FRAME_HEADER);
        self.have = 0;
        self.passed
            .note(kind, flags, length, u32::from_be_bytes(code));
        self.in_header = matches!(kind, HEADERS | CONTINUATION);
        if kind == HEADERS {
            self.begun = self.begun.wrapping_add(1);
        }
        if self.in_header {
            self.goes_on = flags & END_HEADERS == 0;
        }
    }

    /// Whether a header has begun and is not complete.
    pub fn in_header(&self) -> bool {
        self.goes_on || (self.in_header && self.skip > 0)
    }
}

/// Ends a connection whose client does not end a header.
#[derive(Debug)]
pub struct HeaderClock {
    frames: Frames,
    pong: Pong,
    limit: Duration,
    timer: Option<Pin<Box<Sleep>>>,
}

impl HeaderClock {
    /// A clock for a connection from its first byte on.
    pub fn new(limit: Duration) -> Self {
        Self {
            frames: Frames::default(),
            pong: Pong::default(),
            limit,
            timer: None,
        }
    }

    /// Follows what has come, and gives how much of it is there for the session.
    pub fn heard(&mut self, bytes: &mut [u8]) -> usize {
        let before = self.frames.begun;
        let length = self.pong.take_out(&mut self.frames, bytes);
        if self.frames.begun != before || !self.frames.in_header() {
            // The time is that of one header, however often a piece of it comes.
            self.timer = None;
        }
        length
    }

    /// The frames since it was last asked.
    pub fn passed(&mut self) -> Counts {
        self.frames.passed()
    }

    /// What was held back and is due.
    pub fn poll_held(&mut self, cx: &mut Context<'_>) -> Option<impl AsRef<[u8]>> {
        self.pong.poll(&self.frames, cx)
    }

    /// Resolves when a header has taken too long.
    pub fn poll(&mut self, cx: &mut Context<'_>) -> Poll<io::Error> {
        if !self.frames.in_header() {
            return Poll::Pending;
        }
        let limit = self.limit;
        let timer = self
            .timer
            .get_or_insert_with(|| Box::pin(tokio::time::sleep(limit)));
        timer
            .as_mut()
            .poll(cx)
            .map(|()| io::ErrorKind::TimedOut.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(kind: u8, flags: u8, length: usize) -> Vec<u8> {
        let mut bytes = vec![
            0,
            (length >> 8) as u8,
            length as u8,
            kind,
            flags,
            0,
            0,
            0,
            1,
        ];
        bytes.resize(FRAME_HEADER + length, b'x');
        bytes
    }

    fn after(frames: &[Vec<u8>]) -> Frames {
        let mut state = Frames::default();
        state.follow(crate::server::connection::head::HTTP2_PREFACE);
        for frame in frames {
            state.follow(frame);
        }
        state
    }

    #[test]
    fn a_header_lasts_from_its_first_frame_to_the_one_that_ends_it() {
        assert!(!after(&[frame(4, 0, 12)]).in_header(), "SETTINGS");
        assert!(!after(&[frame(HEADERS, END_HEADERS, 300)]).in_header());
        assert!(after(&[frame(HEADERS, 0, 300)]).in_header());
        assert!(after(&[frame(HEADERS, 0, 3), frame(CONTINUATION, 0, 3)]).in_header());
        let ended = [frame(HEADERS, 0, 3), frame(CONTINUATION, END_HEADERS, 3)];
        assert!(!after(&ended).in_header());
    }

    #[test]
    fn half_a_frame_is_half_a_header_and_half_of_a_body_is_not() {
        let half = |kind| vec![frame(kind, END_HEADERS, 300)[..100].to_vec()];
        assert!(after(&half(HEADERS)).in_header());
        assert!(!after(&half(0)).in_header(), "DATA");
    }

    proptest::proptest! {
        #[test]
        fn the_answer_does_not_depend_on_how_the_bytes_were_cut(
            frames in proptest::collection::vec((0u8..11, 0u8..8, 0usize..600), 0..8),
            cut in 1usize..50,
        ) {
            let frames: Vec<Vec<u8>> = frames.iter().map(|(kind, flags, length)| frame(*kind, *flags, *length)).collect();
            let whole = after(&frames);
            let pieces: Vec<Vec<u8>> = frames.concat().chunks(cut).map(<[u8]>::to_vec).collect();
            proptest::prop_assert_eq!(after(&pieces).in_header(), whole.in_header());
        }
    }
}
