//! What do requests meet that come at a steady pace, when one endpoint is not as the others? On a simulated clock.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::*;
use crate::error::Reason;

/// Requests in a second.
const PACE: u32 = 200;

/// What becomes of a request at an endpoint.
#[derive(Clone, Copy)]
enum Does {
    /// It is answered one after the other, each in this time.
    Answers(Duration),
    /// It fails, after this time.
    Fails(Duration),
    /// Another endpoint answers first, after this time: this one hangs.
    IsOutrun(Duration),
    /// It is never answered.
    Hangs,
}

/// Endpoints, the requests they are working on, and the time.
struct Simulation {
    endpoints: Arc<[Arc<Endpoint>]>,
    balancer: Box<dyn Balancer>,
    now: Instant,
    does: Vec<Does>,
    /// When each has done what it has to do.
    busy_until: Vec<Instant>,
    /// When a request ends, its number, how, and how long its answer took.
    ends: BinaryHeap<Reverse<(Instant, usize)>>,
    running: Vec<Option<(Lease, Ending)>>,
    /// Of the requests that were answered.
    latencies: Vec<Duration>,
}

const fn ms(count: u64) -> Duration {
    Duration::from_millis(count)
}

impl Simulation {
    fn new(rule: &Rule, does: &[Does]) -> Self {
        fastrand::seed(4);
        let endpoints = endpoints(rule, &vec![1; does.len()]);
        let now = Instant::now();
        Self {
            balancer: build(rule, &endpoints),
            endpoints,
            now,
            does: does.to_vec(),
            busy_until: vec![now; does.len()],
            ends: BinaryHeap::new(),
            running: Vec::new(),
            latencies: Vec::new(),
        }
    }

    /// How many requests each endpoint gets in this time.
    fn run(&mut self, time: Duration) -> Vec<u32> {
        let mut picks = vec![0; self.endpoints.len()];
        let end = self.now + time;
        while self.now < end {
            self.now += Duration::from_secs(1) / PACE;
            while let Some(Reverse((at, number))) = self.ends.peek().copied()
                && at <= self.now
            {
                self.ends.pop();
                let Some((mut lease, ending)) = self.running[number].take() else {
                    continue;
                };
                self.latencies.push(at - lease.taken());
                lease.settle(ending, at);
            }
            picks[self.request()] += 1;
        }
        picks
    }

    fn request(&mut self) -> usize {
        let index = self
            .balancer
            .pick(&self.endpoints, &ask_at(&Tried::default(), self.now))
            .expect("all are available");
        let lease =
            Lease::take(&self.endpoints[index], u32::MAX, self.now).expect("nothing keeps it back");
        let number = self.running.len();
        let ending = match self.does[index] {
            Does::Answers(time) => {
                self.busy_until[index] = self.busy_until[index].max(self.now) + time;
                self.ends.push(Reverse((self.busy_until[index], number)));
                Ending::Answered(200)
            }
            Does::Fails(time) => {
                self.ends.push(Reverse((self.now + time, number)));
                Ending::Failed(Reason::ConnectRefused)
            }
            Does::IsOutrun(time) => {
                self.ends.push(Reverse((self.now + time, number)));
                Ending::Outrun
            }
            Does::Hangs => Ending::Untold,
        };
        self.running.push(Some((lease, ending)));
        index
    }

    fn p99(&mut self) -> Duration {
        self.latencies.sort_unstable();
        self.latencies[self.latencies.len() * 99 / 100]
    }
}

const FAST: Does = Does::Answers(ms(4));
const SLOW: Does = Does::Answers(ms(54));

#[test]
fn an_endpoint_that_is_slower_gets_far_fewer_requests() {
    let run = |rule: &Rule, does: &[Does]| {
        let mut simulation = Simulation::new(rule, does);
        let picks = simulation.run(ms(30_000));
        (picks[2], simulation.p99())
    };
    // 6,000 requests, of which it can answer 555.
    let one_is_slow = [FAST, FAST, SLOW];
    let (in_turn, in_turn_p99) = run(&Rule::RoundRobin, &one_is_slow);
    assert_eq!(in_turn, 2_000);
    let (least, least_p99) = run(&Rule::LeastRequests { all: false }, &one_is_slow);
    let (all, all_p99) = run(&Rule::LeastRequests { all: true }, &one_is_slow);
    let (peak, peak_p99) = run(&PEAK_EWMA, &one_is_slow);
    assert!(least < 700 && all < 700, "{least} {all}");
    assert!(peak < 30, "{peak}");
    let (_, without) = run(&PEAK_EWMA, &[FAST, FAST, FAST]);
    assert!(peak_p99 <= 2 * without, "{peak_p99:?} {without:?}");
    assert!(all_p99 < in_turn_p99 / 10, "{all_p99:?} {in_turn_p99:?}");
    assert!(
        least_p99 < in_turn_p99 / 10,
        "{least_p99:?} {in_turn_p99:?}"
    );
}

#[test]
fn an_endpoint_that_is_fast_again_gets_its_requests_back() {
    let mut simulation = Simulation::new(&PEAK_EWMA, &[FAST, FAST, SLOW]);
    simulation.run(ms(10_000));
    simulation.does[2] = FAST;
    // By as much as it was slow and seldom asked, so does it take until that is forgotten.
    simulation.run(ms(120_000));
    let picks = simulation.run(ms(30_000));
    assert!(picks[2] > 1_500, "{picks:?}");
}

#[test]
fn an_endpoint_that_becomes_slow_is_left_at_once() {
    let mut simulation = Simulation::new(&PEAK_EWMA, &[FAST; 3]);
    let picks = simulation.run(ms(10_000));
    assert!(picks.iter().all(|picks| *picks > 400), "{picks:?}");
    simulation.does[1] = SLOW;
    let picks = simulation.run(ms(10_000));
    assert!(picks[1] < 20, "{picks:?}");
}

#[test]
fn an_endpoint_that_fails_fast_draws_nothing() {
    let fails = Does::Fails(Duration::from_micros(100));
    for does in [[fails, FAST, FAST], [FAST, fails, FAST]] {
        let picks = Simulation::new(&PEAK_EWMA, &does).run(ms(30_000));
        let failed = if matches!(does[0], Does::Fails(_)) {
            picks[0]
        } else {
            picks[1]
        };
        assert!((1..20).contains(&failed), "{picks:?}");
    }
    // Nor does one that begins to fail.
    let mut simulation = Simulation::new(&PEAK_EWMA, &[FAST; 3]);
    simulation.run(ms(10_000));
    simulation.does[1] = fails;
    let picks = simulation.run(ms(10_000));
    assert!(picks[1] < 20, "{picks:?}");
}

#[test]
fn an_endpoint_that_hangs_is_left_by_its_requests_in_flight() {
    for rule in [PEAK_EWMA, Rule::LeastRequests { all: false }] {
        let picks = Simulation::new(&rule, &[FAST, Does::Hangs, FAST]).run(ms(120_000));
        assert!(picks[1] < 20, "{rule:?}: {picks:?}");
    }
    // And gets no better by its silence, however long it lasts.
    let mut simulation = Simulation::new(&PEAK_EWMA, &[FAST; 3]);
    simulation.run(ms(10_000));
    simulation.does[1] = Does::Hangs;
    let picks = simulation.run(ms(300_000));
    assert!(picks[1] < 20, "{picks:?}");
}

#[test]
fn an_endpoint_that_hangs_is_asked_seldom_though_another_one_answers_in_its_place() {
    let mut simulation = Simulation::new(&PEAK_EWMA, &[FAST; 3]);
    simulation.run(ms(10_000));
    simulation.does[1] = Does::IsOutrun(ms(50));
    let picks = simulation.run(ms(120_000));
    assert!((1..60).contains(&picks[1]), "{picks:?}");
}

#[test]
fn an_endpoint_of_which_nothing_is_known_is_asked_once_before_it_is_asked_often() {
    let mut simulation = Simulation::new(&PEAK_EWMA, &[FAST, FAST, Does::Answers(ms(500))]);
    // Known are only the first two.
    simulation.endpoints[2].state.set_drained(true);
    simulation.run(ms(10_000));
    simulation.endpoints[2].state.set_drained(false);
    let picks = simulation.run(ms(400));
    assert_eq!(picks[2], 1, "{picks:?}");
}
