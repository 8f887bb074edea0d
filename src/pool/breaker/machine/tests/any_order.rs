//! Does it wait its time and let itself be closed, whatever happens and in whatever order?

use proptest::prelude::*;

use super::*;

/// What may happen to a breaker.
#[derive(Clone, Copy, Debug)]
enum Step {
    Wait(u64),
    Begin,
    /// The request under way with this number, counted around, ends so.
    End(usize, Verdict),
    /// A reload with so many trials.
    Trials(u32),
}

fn step() -> impl Strategy<Value = Step> {
    let verdict = prop_oneof![
        3 => Just(FAILURE),
        2 => Just(SUCCESS),
        1 => Just(NEUTRAL),
        1 => Just(OUTRUN),
        1 => Just(SLOW),
    ];
    prop_oneof![
        2 => (0u64..1_500).prop_map(Step::Wait),
        6 => Just(Step::Begin),
        6 => (any::<usize>(), verdict).prop_map(|(which, verdict)| Step::End(which, verdict)),
        1 => (1u32..5).prop_map(Step::Trials),
    ]
}

proptest! {
    #[test]
    fn whatever_happens_it_waits_its_time_and_tries_no_more_than_it_may(
        steps in prop::collection::vec(step(), 1..400),
        error_ratio in prop::option::of(1u8..=100),
        slow_ratio in prop::option::of(1u8..=100),
    ) {
        let mut bench = Bench::new(Params { error_ratio, slow_ratio, ..params() });
        let (mut under_way, mut most) = (Vec::new(), bench.params.trials);
        let mut opened = None;
        for step in steps {
            let before = bench.machine.state();
            match step {
                Step::Wait(millis) => bench.now += millis,
                Step::Trials(trials) => {
                    bench.params.trials = trials;
                    most = most.max(trials);
                }
                Step::Begin => {
                    let permit = bench.acquire();
                    match before {
                        State::Closed => prop_assert!(permit.is_some()),
                        State::Open { until } => prop_assert_eq!(permit.is_some(), bench.now >= until),
                        State::HalfOpen { under_way, last, .. } => {
                            let room = under_way < bench.params.trials;
                            prop_assert_eq!(permit.is_some(), room || bench.now >= last + 1_000);
                        }
                    }
                    under_way.extend(permit);
                }
                Step::End(_, _) if under_way.is_empty() => {}
                Step::End(which, verdict) => {
                    let permit = under_way.swap_remove(which % under_way.len());
                    let change = bench.record(permit, verdict);
                    if let Some(Change::Opened { millis, .. }) = change {
                        prop_assert!((1_000..=8_000).contains(&millis));
                        opened = Some((bench.now, millis));
                    }
                    if verdict.outcome == Outcome::Neutral {
                        prop_assert_eq!(change, None);
                    }
                }
            }
            let trials = under_way.iter().filter(|permit| permit.round == bench.machine.round());
            match bench.machine.state() {
                State::HalfOpen { under_way, .. } => {
                    // Exactly those that hold a permit: none is lost, none is counted twice.
                    prop_assert_eq!(under_way as usize, trials.count());
                    let (since, millis) = opened.expect("it was open");
                    prop_assert!(bench.now >= since + millis);
                    // One more for each time in which it would have been open.
                    let more = (bench.now - since - millis) / 1_000;
                    prop_assert!(u64::from(under_way) <= u64::from(most) + more);
                }
                State::Open { until } => {
                    let (since, millis) = opened.expect("it was opened");
                    prop_assert_eq!(until, since + millis);
                    prop_assert_eq!(trials.count(), 0);
                }
                State::Closed => most = bench.params.trials,
            }
        }
        // When everything has ended, it can be closed: nothing locks it up.
        for permit in under_way.drain(..) {
            bench.record(permit, NEUTRAL);
        }
        bench.now += 8_000;
        while bench.machine.state() != State::Closed {
            bench.ends(SUCCESS);
        }
    }
}
