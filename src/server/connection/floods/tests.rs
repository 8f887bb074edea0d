//! Which clients run out of a budget, and which never do?

use std::cell::Cell;
use std::time::Duration;

use super::*;

/// A client's frames and ours, on a clock that is set by hand.
struct Play {
    floods: Floods,
    now: Cell<Instant>,
}

/// Kind, flags, length.
type Frame = (u8, u8, usize);

const RESET: Frame = (RST_STREAM, 0, 4);
const REQUEST: Frame = (HEADERS, END_HEADERS | END_STREAM, 30);
const ANSWER: Frame = (HEADERS, END_HEADERS, 30);
const BODY: Frame = (DATA, 0, 16 * 1024);
const MESSAGE: Frame = (DATA, 0, 7);
const WINDOW: Frame = (WINDOW_UPDATE, 0, 4);
const ASK: Frame = (PING, 0, 8);

fn passed(frames: &[Frame], code: u32) -> Counts {
    let mut passed = Counts::default();
    for (kind, flags, length) in frames {
        passed.note(*kind, *flags, *length, code);
    }
    passed
}

impl Play {
    fn new() -> Self {
        let now = Instant::now();
        Self {
            floods: Floods::new(100, 6, now),
            now: Cell::new(now),
        }
    }

    fn received(&mut self, frames: &[Frame]) -> Option<Flood> {
        let now = || self.now.get();
        self.floods.received(&passed(frames, 8), now)
    }

    fn sent(&mut self, frames: &[Frame], code: u32) -> Option<Flood> {
        let now = || self.now.get();
        self.floods.sent(&passed(frames, code), now)
    }

    fn after(&self, time: Duration) {
        self.now.set(self.now.get() + time);
    }
}

/// How many of these are taken at once.
fn taken(frames: &[Frame]) -> (usize, Flood) {
    let mut play = Play::new();
    (0..10_000)
        .find_map(|count| Some((count, play.received(frames)?)))
        .expect("a flood")
}

#[test]
fn each_flood_is_one_after_a_known_number_of_frames() {
    for (frames, most, flood) in [
        (&[REQUEST, RESET][..], 200, Flood::Reset),
        (&[ASK], 100, Flood::Ping),
        (&[(PING, ACK, 8)], 100, Flood::Ping),
        (&[(SETTINGS, 0, 6)], 50, Flood::Settings),
        (&[(PRIORITY, 0, 5)], 200, Flood::Priority),
        (&[(PRIORITY_UPDATE, 0, 8)], 200, Flood::Priority),
        (&[WINDOW], 1000, Flood::WindowUpdate),
        (&[(DATA, 0, 0)], 50, Flood::EmptyData),
        (&[(0xfe, 0, 0)], 100, Flood::Other),
    ] {
        assert_eq!(taken(frames), (most, flood), "{frames:?}");
    }
}

#[test]
fn a_header_in_too_many_frames_is_a_flood_and_each_header_begins_anew() {
    let part = (CONTINUATION, 0, 0);
    let mut play = Play::new();
    let header = [
        &[(HEADERS, 0, 0)][..],
        &[part; 6],
        &[(CONTINUATION, END_HEADERS, 0)],
    ]
    .concat();
    for _ in 0..1000 {
        assert_eq!(play.received(&header), None);
    }
    assert_eq!(play.received(&[part; 7]), Some(Flood::Continuation));
    // Cut into reads of one frame, it is the same header.
    let mut frames = passed(&[(HEADERS, 0, 0)], 0);
    let found = (0..20).find(|_| {
        frames.note(CONTINUATION, 0, 0, 0);
        let now = Instant::now;
        play.floods.received(&frames.take(), now).is_some()
    });
    assert_eq!(found, Some(6));
}

#[test]
fn what_a_client_provokes_is_a_flood_and_what_fails_here_is_not() {
    for (code, most) in [
        (1, Some(200)),
        (7, Some(200)),
        (0, None),
        (2, None),
        (8, None),
    ] {
        let mut play = Play::new();
        let found = (0..10_000).find(|_| play.sent(&[RESET], code).is_some());
        assert_eq!(found, most, "{code}");
    }
}

#[test]
fn budgets_come_back_with_time_and_never_beyond_what_they_were() {
    let mut play = Play::new();
    let all = [ASK; 100];
    assert_eq!(play.received(&all), None);
    for _ in 0..100 {
        play.after(Duration::from_secs(1));
        assert_eq!(play.received(&all[..10]), None);
    }
    assert_eq!(play.received(&all[..1]), Some(Flood::Ping));
    // After any silence: at most twice the budget, for the clock is looked at late.
    let mut play = Play::new();
    play.after(Duration::from_secs(3600));
    let most = (0..).find(|_| play.received(&[ASK]).is_some());
    assert!(most <= Some(200), "{most:?}");
}

#[test]
fn a_busy_client_that_takes_some_of_its_requests_back_goes_on() {
    let mut play = Play::new();
    for round in 0..100_000 {
        let mut found = play.received(&[REQUEST, (PRIORITY, 0, 5), WINDOW]);
        if round % 2 == 0 {
            found = found.or(play.received(&[RESET]));
        } else {
            found = found.or(play.sent(&[ANSWER, BODY], 0));
        }
        assert_eq!(found, None, "{round}");
    }
}

#[test]
fn a_client_whose_deadlines_of_a_second_are_all_missed_goes_on() {
    let mut play = Play::new();
    for tick in 0..6_000 {
        // Sixty requests a second; each is taken back a second later, and nothing is answered.
        let found = play.received(&[[REQUEST; 6], [RESET; 6]].concat());
        assert_eq!(found, None, "{tick}");
        play.after(Duration::from_millis(100));
    }
}

#[test]
fn leaving_a_page_takes_everything_back_at_once() {
    let mut play = Play::new();
    for _ in 0..20 {
        assert_eq!(play.received(&[REQUEST; 100]), None);
        assert_eq!(play.received(&[RESET; 100]), None);
        play.after(Duration::from_secs(5));
    }
}

#[test]
fn a_large_download_opens_its_windows_as_often_as_it_likes() {
    let mut play = Play::new();
    play.received(&[REQUEST]);
    play.sent(&[ANSWER], 0);
    for _ in 0..100_000 {
        assert_eq!(play.sent(&[BODY], 0), None);
        // For every 4 KiB, of the stream and of the connection.
        assert_eq!(play.received(&[WINDOW; 8]), None);
    }
}

#[test]
fn grpc_pings_beside_its_messages_and_between_them() {
    let mut play = Play::new();
    play.received(&[REQUEST]);
    for _ in 0..10_000 {
        assert_eq!(play.sent(&[MESSAGE], 0), None);
        assert_eq!(play.received(&[ASK, WINDOW, WINDOW]), None, "by traffic");
    }
    for _ in 0..10_000 {
        play.after(Duration::from_secs(1));
        assert_eq!(play.received(&[ASK]), None, "keepalive");
    }
}
