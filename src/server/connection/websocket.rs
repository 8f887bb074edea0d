//! Where does a WebSocket frame end (RFC 6455 §5.2)?
//!
//! When the process drains, a client is told to go with a close frame of ours, and that can only stand between two
//! frames of the endpoint. So what the endpoint sends on an upgraded HTTP/1 connection is followed: past the header of
//! the 101, then from frame to frame, of which nothing but the header is kept. A message that is not complete is no
//! hindrance: control frames may stand between its fragments (§5.4).

/// A close frame without a mask, as a client gets them (RFC 6455 §5.5.1), with status 1001: going away (§7.4.1).
pub const GOING_AWAY: [u8; 4] = [FIN | CLOSE, 2, 0x03, 0xe9];

/// The last fragment of a message, or a control frame.
const FIN: u8 = 0x80;
/// The bits of the first byte that tell what a frame is.
const OPCODE: u8 = 0x0f;
const CLOSE: u8 = 0x08;
/// The bit of the second byte that says that four bytes of mask follow the length. A client must not accept it (§5.1),
/// but where the frame ends is no less clear.
const MASK: u8 = 0x80;
/// The longest header: two bytes, a length of 64 bits, a mask.
const MOST_HEADER: usize = 14;
/// `HTTP/1.1 101`, without what follows.
const STATUS_END: usize = 12;
const EMPTY_LINE: [u8; 4] = *b"\r\n\r\n";

/// Where in the frames of a connection its bytes have come to.
#[derive(Clone, Copy, Debug)]
pub struct Frames {
    at: At,
    /// The beginning of a frame's header, or of the response's status line.
    header: [u8; MOST_HEADER],
    /// How much of it is there.
    have: usize,
    /// Whether the endpoint has sent a close frame.
    closing: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    /// In the header of a response, of whose empty line this many bytes are there.
    Response(usize),
    /// Before a frame, or in its header.
    Header,
    /// In a frame that has this many bytes left.
    Payload(u64),
    /// Where nothing can be told any more.
    Lost,
}

impl Frames {
    /// Before the first byte of the response to the upgrade.
    pub const fn new() -> Self {
        Self {
            at: At::Response(0),
            header: [0; MOST_HEADER],
            have: 0,
            closing: false,
        }
    }

    /// Follows what the endpoint has sent.
    pub fn follow(&mut self, mut bytes: &[u8]) {
        while let [byte, rest @ ..] = bytes {
            bytes = match self.at {
                At::Response(matched) => {
                    self.response(*byte, matched);
                    rest
                }
                At::Header => {
                    self.keep(*byte);
                    self.begin_frame();
                    rest
                }
                At::Payload(left) => {
                    let here = usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len());
                    self.payload(left - here as u64);
                    &bytes[here..]
                }
                At::Lost => return,
            };
        }
    }

    /// Whether a frame of ours may stand here: after the 101, and when no frame is half sent.
    pub fn is_between(&self) -> bool {
        self.at == At::Header && self.have == 0
    }

    /// Whether the endpoint has sent a close frame. A second one must not follow (RFC 6455 §5.5.1).
    pub fn is_closing(&self) -> bool {
        self.closing
    }

    fn keep(&mut self, byte: u8) {
        if let Some(place) = self.header.get_mut(self.have) {
            *place = byte;
            self.have += 1;
        }
    }

    fn response(&mut self, byte: u8, matched: usize) {
        if self.have < STATUS_END {
            self.keep(byte);
        }
        let matched = match byte {
            _ if byte == EMPTY_LINE[matched] => matched + 1,
            b'\r' => 1,
            _ => 0,
        };
        self.at = match (matched == EMPTY_LINE.len(), self.status()) {
            (false, _) => At::Response(matched),
            (true, Some([b'1', b'0', b'1'])) => At::Header,
            // 103, for instance: another response follows.
            (true, Some([b'1', ..])) => At::Response(0),
            // No WebSocket came of it.
            (true, _) => At::Lost,
        };
        if matched == EMPTY_LINE.len() {
            self.have = 0;
        }
    }

    /// The status code, if the status line is long enough for one.
    fn status(&self) -> Option<[u8; 3]> {
        let line = &self.header[..self.have];
        line.get(STATUS_END - 3..STATUS_END)?.try_into().ok()
    }

    /// Looks whether the header of a frame is complete.
    fn begin_frame(&mut self) {
        let [first, second, a, b, c, d, e, f, g, h, ..] = self.header;
        let (length_end, length) = match second & !MASK {
            126 => (4, u64::from(u16::from_be_bytes([a, b]))),
            127 => (10, u64::from_be_bytes([a, b, c, d, e, f, g, h])),
            short => (2, u64::from(short)),
        };
        let end = length_end + if second & MASK == 0 { 0 } else { 4 };
        // The second byte says how long the header is.
        if self.have < 2 || self.have < end {
            return;
        }
        self.have = 0;
        self.closing |= first & OPCODE == CLOSE;
        if length > u64::MAX >> 1 {
            // The protocol knows no such frame: who sends it means something else.
            self.at = At::Lost;
        } else {
            self.payload(length);
        }
    }

    fn payload(&mut self, left: u64) {
        self.at = match left {
            0 => At::Header,
            left => At::Payload(left),
        };
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SWITCHING: &[u8] =
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: x\r\n\r\n";
    const TEXT: u8 = 0x01;
    const CONTINUATION: u8 = 0x00;
    const PING: u8 = 0x09;

    /// A frame whose length has as many bytes as it needs.
    fn frame(first: u8, masked: bool, length: usize) -> Vec<u8> {
        let mask = if masked { MASK } else { 0 };
        let mut bytes = match length {
            0..126 => vec![first, mask | length as u8],
            126..65_536 => vec![first, mask | 126, (length >> 8) as u8, length as u8],
            _ => {
                let mut bytes = vec![first, mask | 127];
                bytes.extend((length as u64).to_be_bytes());
                bytes
            }
        };
        bytes.extend([0x81; 4].iter().take(if masked { 4 } else { 0 }));
        // Bytes that would look like a close frame to one who has lost count.
        bytes.resize(bytes.len() + length, FIN | CLOSE);
        bytes
    }

    fn after(pieces: &[&[u8]]) -> Frames {
        let mut frames = Frames::new();
        pieces.iter().for_each(|piece| frames.follow(piece));
        frames
    }

    #[test]
    fn nothing_may_be_sent_before_the_101_is_complete() {
        for length in 0..SWITCHING.len() {
            assert!(!after(&[&SWITCHING[..length]]).is_between(), "{length}");
        }
        assert!(after(&[SWITCHING]).is_between());
    }

    #[test]
    fn an_early_response_is_followed_by_the_101() {
        let early = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n";
        assert!(!after(&[early]).is_between());
        assert!(after(&[early, SWITCHING]).is_between());
        assert!(!after(&[early, SWITCHING, &[FIN | TEXT, 1]]).is_between());
    }

    #[test]
    fn a_response_that_refuses_the_upgrade_has_no_place_for_a_frame() {
        for refusal in ["HTTP/1.1 403 Forbidden\r\n\r\n", "HTTP/1.1\r\n\r\n"] {
            let frames = after(&[refusal.as_bytes(), SWITCHING]);
            assert!(!frames.is_between(), "{refusal:?}");
        }
    }

    #[test]
    fn the_end_of_the_header_is_found_after_false_starts() {
        let start = b"HTTP/1.1 101 a\r\r\nb: \r\n\r".as_slice();
        assert!(!after(&[start]).is_between());
        assert!(!after(&[start, b"\r\n"]).is_between());
        assert!(after(&[start, b"\r\n\r\n"]).is_between());
    }

    #[test]
    fn rfc6455_5_2_a_frame_ends_after_its_length_however_that_is_written() {
        for masked in [false, true] {
            for length in [0, 1, 125, 126, 127, 65_535, 65_536, 100_000] {
                let bytes = frame(FIN | TEXT, masked, length);
                assert!(after(&[SWITCHING, &bytes]).is_between(), "{length}");
                let most = &bytes[..bytes.len() - 1];
                assert!(!after(&[SWITCHING, most]).is_between(), "{length}");
            }
        }
    }

    #[test]
    fn a_length_may_be_written_longer_than_it_needs() {
        let long = [FIN | TEXT, 127, 0, 0, 0, 0, 0, 0, 0, 1];
        assert!(!after(&[SWITCHING, &long]).is_between());
        assert!(after(&[SWITCHING, &long, b"x"]).is_between());
    }

    #[test]
    fn rfc6455_5_4_a_control_frame_may_stand_between_fragments() {
        let first = frame(TEXT, false, 3);
        assert!(after(&[SWITCHING, &first]).is_between());
        let more = frame(CONTINUATION, false, 3);
        assert!(after(&[SWITCHING, &first, &more]).is_between());
    }

    #[test]
    fn a_close_frame_is_noticed_and_one_in_a_payload_is_not() {
        let text = frame(FIN | TEXT, false, 300);
        assert!(!after(&[SWITCHING, &text]).is_closing());
        let closed = after(&[SWITCHING, &text, &GOING_AWAY, &frame(PING, false, 0)]);
        assert!(closed.is_closing());
    }

    #[test]
    fn the_frame_of_ours_is_a_whole_one_with_status_1001() {
        let frames = after(&[SWITCHING, &GOING_AWAY]);
        assert!(frames.is_between() && frames.is_closing());
        assert_eq!(GOING_AWAY[2..], 1001u16.to_be_bytes());
        assert_eq!(usize::from(GOING_AWAY[1]), GOING_AWAY.len() - 2);
    }

    #[test]
    fn a_length_that_the_protocol_forbids_ends_all_trust() {
        let forbidden = [FIN | TEXT, 127, 0x80, 0, 0, 0, 0, 0, 0, 0];
        let next = frame(FIN | TEXT, false, 1);
        assert!(!after(&[SWITCHING, &forbidden]).is_between());
        assert!(!after(&[SWITCHING, &forbidden, &next]).is_between());
        let most = [FIN | TEXT, 127, 0x7f, 255, 255, 255, 255, 255, 255, 255];
        let mut frames = after(&[SWITCHING, &most]);
        frames.follow(&next);
        assert_eq!(frames.at, At::Payload((u64::MAX >> 1) - next.len() as u64));
    }

    proptest! {
        #[test]
        fn pieces_give_the_same_answers_as_the_whole(
            frames in prop::collection::vec((any::<u8>(), any::<bool>(), 0usize..300), 0..8),
            cuts in prop::collection::vec(1usize..40, 1..20),
        ) {
            let mut bytes = SWITCHING.to_vec();
            let mut ends = vec![bytes.len()];
            let mut closed = usize::MAX;
            for (first, masked, length) in frames {
                bytes.extend(frame(first, masked, length));
                ends.push(bytes.len());
                if first & OPCODE == CLOSE {
                    closed = closed.min(bytes.len());
                }
            }
            let mut pieces = Frames::new();
            let mut done = 0;
            for cut in cuts.iter().cycle() {
                let next = (done + cut).min(bytes.len());
                pieces.follow(&bytes[done..next]);
                done = next;
                let whole = after(&[&bytes[..done]]);
                prop_assert_eq!(pieces.is_between(), ends.contains(&done));
                prop_assert_eq!(pieces.is_between(), whole.is_between());
                prop_assert_eq!(pieces.is_closing(), whole.is_closing());
                prop_assert!(done < closed || pieces.is_closing());
                if done == bytes.len() {
                    break;
                }
            }
            prop_assert_eq!(pieces.is_closing(), closed != usize::MAX);
        }

        #[test]
        fn any_bytes_can_be_followed(
            bytes in prop::collection::vec(any::<u8>(), 0..400),
            cut in 1usize..40,
        ) {
            let whole = after(&[SWITCHING, &bytes]);
            let mut pieces = after(&[SWITCHING]);
            bytes.chunks(cut).for_each(|piece| pieces.follow(piece));
            prop_assert_eq!(pieces.at, whole.at);
            prop_assert_eq!(pieces.is_closing(), whole.is_closing());
        }
    }
}
