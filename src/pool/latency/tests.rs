//! Does the average follow peaks at once, and forget them no sooner than it should?

use super::*;
use crate::error::Reason;

const DECAY: Duration = Duration::from_secs(10);
const OK: Ending = Ending::Answered(200);
const REFUSED: Ending = Ending::Failed(Reason::ConnectRefused);

fn ms(count: u64) -> Duration {
    Duration::from_millis(count)
}

/// A memory, and the clock that a test steps.
struct Bench {
    memory: Memory,
    now: Instant,
}

impl Bench {
    fn new() -> Self {
        Self {
            memory: Memory::default(),
            now: Instant::now(),
        }
    }

    /// A request that ends so.
    fn ends(&self, ending: Ending, took: Duration) {
        self.memory.asked();
        let lesson = Lesson { ending, took };
        self.memory.learn(lesson, DECAY, self.now);
    }

    fn after(&mut self, time: Duration) {
        self.now += time;
    }

    fn is(&self, millis: f32) {
        let expected = self.memory.expected(DECAY, self.now);
        let expected = expected.expect("something is known") / 1e3;
        assert!(
            (expected / millis - 1.0).abs() < 0.001,
            "{expected} ms, not {millis}"
        );
    }
}

#[test]
fn nothing_is_expected_before_an_answer() {
    let bench = Bench::new();
    assert_eq!(bench.memory.expected(DECAY, bench.now), None);
    bench.memory.asked();
    assert_eq!(bench.memory.expected(DECAY, bench.now), None);
    assert_eq!(bench.memory.waiting(), 1);
}

#[test]
fn a_slower_answer_counts_at_once() {
    let mut bench = Bench::new();
    bench.ends(OK, ms(10));
    bench.is(10.0);
    bench.after(ms(1));
    bench.ends(OK, ms(500));
    bench.is(500.0);
}

#[test]
fn a_faster_answer_counts_for_as_much_as_time_has_passed() {
    let mut bench = Bench::new();
    bench.ends(OK, ms(100));
    bench.ends(OK, ms(10));
    bench.is(100.0);
    bench.after(DECAY);
    bench.ends(OK, ms(10));
    bench.is(10.0 + 90.0 * (-1.0f32).exp());
    bench.after(DECAY * 10);
    bench.ends(OK, ms(10));
    bench.is(10.0);
}

#[test]
fn many_answers_a_second_pull_it_down_as_fast_as_few() {
    for every in [ms(1), ms(20), ms(500)] {
        let mut bench = Bench::new();
        bench.ends(OK, ms(100));
        let mut passed = Duration::ZERO;
        while passed < DECAY {
            bench.after(every);
            passed += every;
            bench.ends(OK, ms(10));
        }
        let expected = bench.memory.expected(DECAY, bench.now);
        let expected = expected.expect("something is known") / 1e3;
        let wanted = 10.0 + 90.0 * (-1.0f32).exp();
        assert!((expected - wanted).abs() < 0.2, "{every:?}: {expected}");
    }
}

#[test]
fn what_was_slow_is_forgotten_while_nobody_waits() {
    let mut bench = Bench::new();
    bench.ends(OK, ms(100));
    bench.after(DECAY);
    bench.is(100.0 * (-1.0f32).exp());
    // It is tried again: until that has ended, it is as slow as it was.
    bench.memory.asked();
    bench.is(100.0);
    bench.after(DECAY * 6);
    bench.is(100.0);
    let lesson = Lesson {
        ending: OK,
        took: ms(50),
    };
    bench.memory.learn(lesson, DECAY, bench.now);
    assert_eq!(bench.memory.waiting(), 0);
    bench.is(50.0 + 50.0 * (-7.0f32).exp());
}

#[test]
fn a_fast_failure_makes_nothing_faster() {
    let mut bench = Bench::new();
    bench.ends(OK, ms(20));
    for millis in [40.0, 80.0, 160.0, 320.0, 640.0, 1000.0, 1000.0] {
        bench.after(ms(10));
        bench.ends(REFUSED, ms(0));
        bench.is(millis);
    }
    bench.ends(Ending::Answered(503), ms(1));
    bench.is(1000.0);
    bench.ends(Ending::Failed(Reason::UpstreamFirstByteTimeout), ms(60_000));
    bench.is(60_000.0);
    bench.ends(REFUSED, ms(0));
    bench.is(60_000.0);
    // An answer is believed again, as far as time has passed.
    bench.after(DECAY * 20);
    bench.ends(OK, ms(20));
    bench.is(20.0);
}

#[test]
fn an_endpoint_that_fails_from_the_beginning_is_not_one_of_which_nothing_is_known() {
    let bench = Bench::new();
    bench.ends(REFUSED, ms(0));
    bench.is(200.0);
}

#[test]
fn a_fast_answer_that_may_be_a_mistake_is_no_reason_to_think_it_fast() {
    for status in [429, 500, 501, 599] {
        let mut bench = Bench::new();
        bench.ends(OK, ms(20));
        bench.after(DECAY);
        bench.ends(Ending::Answered(status), ms(1));
        bench.is(20.0);
        bench.ends(Ending::Answered(status), ms(30));
        bench.is(30.0);
    }
    let bench = Bench::new();
    bench.ends(Ending::Answered(404), ms(1));
    bench.is(1.0);
}

#[test]
fn a_client_that_goes_away_teaches_nothing() {
    let mut bench = Bench::new();
    bench.ends(Ending::Untold, ms(9_000));
    assert_eq!(bench.memory.expected(DECAY, bench.now), None);
    assert_eq!(bench.memory.waiting(), 0);
    bench.ends(OK, ms(20));
    bench.ends(Ending::Failed(Reason::ClientGone), ms(9_000));
    bench.ends(Ending::Untold, ms(9_000));
    bench.is(20.0);
    bench.after(DECAY);
    bench.ends(Ending::Untold, ms(1));
    bench.is(20.0 * (-1.0f32).exp());
}

#[test]
fn who_is_outrun_takes_as_long_as_that_at_least() {
    let mut bench = Bench::new();
    bench.ends(Ending::Outrun, ms(30));
    bench.is(30.0);
    bench.ends(OK, ms(100));
    bench.ends(Ending::Outrun, ms(50));
    bench.is(100.0);
    bench.ends(Ending::Outrun, ms(200));
    bench.is(200.0);
    // By what is left of that, or one that hangs would seem faster with each.
    for _ in 0..5 {
        bench.after(DECAY * 2);
        bench.is(200.0 * (-2.0f32).exp());
        bench.ends(Ending::Outrun, ms(20));
        bench.is(200.0 * (-2.0f32).exp());
        bench.ends(Ending::Outrun, ms(200));
        bench.is(200.0);
    }
    // While others wait it stays.
    bench.memory.asked();
    bench.after(DECAY * 2);
    bench.ends(Ending::Outrun, ms(50));
    bench.is(200.0);
}

#[test]
fn any_latency_and_any_time_fits_into_the_number() {
    for micros in [1.0, 1.5, 777.0, 123_456.0, 3.6e9, 1e15] {
        for at in [0, 1, 3_600_000, AT] {
            let average = Average { micros, at };
            let back = Average::unpack(average.pack()).expect("not nothing");
            assert_eq!(back.at, at);
            assert!((back.micros / micros - 1.0).abs() < 2e-6, "{back:?}");
        }
    }
    assert_eq!(Average::unpack(0), None);
    let average = |at| Average { micros: 1.0, at };
    assert_eq!(average(5).age(7), 2);
    assert_eq!(
        average(7).age(5),
        0,
        "noted by a thread whose clock was read later"
    );
    assert_eq!(average(AT).age(AT + 3), 3);
    let bench = Bench::new();
    bench.ends(OK, Duration::ZERO);
    bench.is(0.001);
    bench.ends(OK, Duration::MAX);
    assert!(
        bench
            .memory
            .expected(DECAY, bench.now)
            .is_some_and(f32::is_finite)
    );
}

#[test]
fn no_peak_is_lost_between_threads() {
    let bench = Bench::new();
    std::thread::scope(|scope| {
        for thread in 0..4u64 {
            let bench = &bench;
            scope.spawn(move || {
                (0..1000).for_each(|step| bench.ends(OK, ms(1 + (step * 7 + thread) % 1009)))
            });
        }
    });
    bench.is(1009.0);
    assert_eq!(bench.memory.waiting(), 0);
}
