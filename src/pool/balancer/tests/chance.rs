//! Does chance keep the weights exactly?

use super::*;

const PICKS: u32 = 100_000;

/// Balancers that leave it to chance which of the endpoints with nothing to do is next.
const BY_CHANCE: [Rule; 4] = [
    Rule::Random,
    Rule::LeastRequests { all: false },
    Rule::LeastRequests { all: true },
    PEAK_EWMA,
];

/// Pearson's test: the critical values are those of p = 0.001 for that many degrees of freedom.
fn fits(rule: &Rule, picks: &[u32], weights: &[u16], critical: f64) {
    let total: f64 = weights.iter().copied().map(f64::from).sum();
    let chi_square: f64 = picks
        .iter()
        .zip(weights)
        .filter(|(picks, weight)| **weight > 0 || **picks > 0)
        .map(|(picks, weight)| {
            let wanted = f64::from(PICKS) * f64::from(*weight) / total;
            (f64::from(*picks) - wanted).powi(2) / wanted
        })
        .sum();
    assert!(chi_square < critical, "{rule:?}: {chi_square}");
    // So even that chance can't have made it would be wrong as well.
    assert!(chi_square > 0.0, "{rule:?}");
}

fn picks(rule: &Rule, endpoints: &[Arc<Endpoint>]) -> Vec<u32> {
    fastrand::seed(4);
    let balancer = build(rule, endpoints);
    let tried = Tried::default();
    let ask = ask(&tried);
    let mut picks = vec![0; endpoints.len()];
    for _ in 0..PICKS {
        picks[balancer.pick(endpoints, &ask).expect("some are available")] += 1;
    }
    picks
}

#[test]
fn chance_keeps_equal_and_other_weights() {
    let odd: Vec<u16> = (0..1000).map(|n| 1 + (n * 7919 % 100) as u16).collect();
    let cases: [(&[u16], f64); 4] = [
        (&[5, 1, 0, 4], 13.816),
        (&[1; 10], 27.877),
        (&[1000, 500, 20, 3], 16.266),
        (&odd, 1142.9),
    ];
    for rule in BY_CHANCE {
        for (weights, critical) in cases {
            // A full comparison of a thousand, a hundred thousand times, takes too long without optimisation.
            if rule != (Rule::LeastRequests { all: true }) || weights.len() < 100 {
                fits(
                    &rule,
                    &picks(&rule, &endpoints(&rule, weights)),
                    weights,
                    critical,
                );
            }
        }
    }
}

#[test]
fn what_is_down_leaves_the_shares_of_the_others_as_they_are() {
    for rule in BY_CHANCE {
        let endpoints = endpoints(&rule, &[5, 10, 1, 4]);
        endpoints[1].state.set_drained(true);
        fits(&rule, &picks(&rule, &endpoints), &[5, 0, 1, 4], 13.816);
    }
}

#[test]
fn those_in_a_slow_start_have_their_part_of_the_share_and_all_of_it_among_themselves() {
    let window = Duration::from_secs(100);
    for rule in BY_CHANCE {
        let endpoints = starting_slowly(&rule, &[2, 2, 1], Some(window));
        let now = Instant::now();
        endpoints[1].state.rises(now - window / 2);
        // In thousandths: a half, and half of the tenth with which it begins.
        fits(
            &rule,
            &picks(&rule, &endpoints),
            &[2000, 1098, 1000],
            13.816,
        );
        endpoints[0].state.rises(now);
        endpoints[1].state.rises(now);
        endpoints[2].state.rises(now);
        fits(&rule, &picks(&rule, &endpoints), &[2, 2, 1], 13.816);
    }
}
