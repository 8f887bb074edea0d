//! Why does an HTTP/2 client's answer to our PING wait for a moment?
//!
//! A connection that must end is told so twice (RFC 9113 §6.8): first that no stream is refused yet, with a PING, and when
//! that is answered, which stream was the last. Clients answer a PING before they send the requests they have queued, so
//! these would come just behind the answer, and be too late. The library takes an answer for the end of everything that was
//! on its way; holding it back makes that true.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::Sleep;

use super::frames::Frames;

/// How long it waits. What is queued behind it follows at once; more would make every end longer.
const HOLD: Duration = Duration::from_millis(50);

/// The header of a PING with the flag ACK, and its length with the payload (RFC 9113 §6.7).
const HEADER: [u8; 9] = [0, 0, 8, 6, 1, 0, 0, 0, 0];
const LENGTH: usize = 17;

/// An answer to a PING that is held back.
#[derive(Debug, Default)]
pub struct Pong(Option<([u8; LENGTH], Pin<Box<Sleep>>)>);

impl Pong {
    /// Follows what has come, takes an answer out of it, and gives the length of the rest, which moves to the front. Only
    /// one is held, and only one that came in one piece: the library asks once.
    pub fn take_out(&mut self, frames: &mut Frames, bytes: &mut [u8]) -> usize {
        let (mut from, mut to) = (0, 0);
        while from < bytes.len() {
            let rest = &bytes[from..];
            if self.0.is_none()
                && frames.is_between()
                && rest.starts_with(&HEADER)
                && let Some(pong) = rest.first_chunk::<LENGTH>()
            {
                self.0 = Some((*pong, Box::pin(tokio::time::sleep(HOLD))));
                from += LENGTH;
                continue;
            }
            let length = frames.follow_one(rest);
            bytes.copy_within(from..from + length, to);
            from += length;
            to += length;
        }
        to
    }

    /// The answer, when it has waited long enough and can stand between two frames; wakes the task when it has.
    pub fn poll(&mut self, frames: &Frames, cx: &mut Context<'_>) -> Option<[u8; LENGTH]> {
        let (_, timer) = self.0.as_mut()?;
        if timer.as_mut().poll(cx) == Poll::Pending || !frames.is_between() {
            return None;
        }
        self.0.take().map(|(pong, _)| pong)
    }
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use super::*;
    use crate::server::connection::head::HTTP2_PREFACE;

    const PONG: &[u8; LENGTH] = b"\0\0\x08\x06\x01\0\0\0\0\x0b\x7b\xa2\xf0\x8b\x9b\xfe\x54";
    /// An empty SETTINGS.
    const SETTINGS: &[u8] = b"\0\0\0\x04\0\0\0\0\0";
    /// A HEADERS with a block of two bytes.
    const HEADERS: &[u8] = b"\0\0\x02\x01\x05\0\0\0\x01\x82\x84";

    fn let_through(pong: &mut Pong, frames: &mut Frames, bytes: &[u8]) -> Vec<u8> {
        let mut bytes = bytes.to_vec();
        let length = pong.take_out(frames, &mut bytes);
        bytes.truncate(length);
        bytes
    }

    #[tokio::test(start_paused = true)]
    async fn it_comes_after_what_was_queued_behind_it() {
        let (mut pong, mut frames) = (Pong::default(), Frames::default());
        let mut cx = Context::from_waker(Waker::noop());
        let came = [HTTP2_PREFACE, SETTINGS, PONG, HEADERS].concat();
        let rest = let_through(&mut pong, &mut frames, &came);
        assert_eq!(rest, [HTTP2_PREFACE, SETTINGS, HEADERS].concat());
        assert_eq!(pong.poll(&frames, &mut cx), None, "it waits");
        tokio::time::advance(HOLD).await;
        let half = let_through(&mut pong, &mut frames, &HEADERS[..10]);
        assert_eq!(half, &HEADERS[..10]);
        assert_eq!(
            pong.poll(&frames, &mut cx),
            None,
            "in the middle of a frame"
        );
        let_through(&mut pong, &mut frames, &HEADERS[10..]);
        assert_eq!(pong.poll(&frames, &mut cx), Some(*PONG));
        assert_eq!(pong.poll(&frames, &mut cx), None, "once");
    }

    #[tokio::test]
    async fn what_only_looks_like_one_passes() {
        let (mut pong, mut frames) = (Pong::default(), Frames::default());
        let data = [&b"\0\0\x11\0\0\0\0\0\x01"[..], PONG].concat();
        let ping = [&b"\0\0\x08\x06\0\0\0\0\0"[..], &PONG[9..]].concat();
        let came = [HTTP2_PREFACE, &data, &ping].concat();
        assert_eq!(let_through(&mut pong, &mut frames, &came), came);
    }

    #[tokio::test]
    async fn one_in_pieces_passes() {
        let (mut pong, mut frames) = (Pong::default(), Frames::default());
        let_through(&mut pong, &mut frames, HTTP2_PREFACE);
        for piece in PONG.chunks(5) {
            assert_eq!(let_through(&mut pong, &mut frames, piece), piece);
        }
        assert!(frames.is_between());
    }
}
