//! What does it cost to ask a rate limit, and to look an address up among many networks?

use std::hash::Hasher;
use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::num::NonZeroU32;
use std::time::{Duration, Instant};

use criterion::{Criterion, criterion_group, criterion_main};
use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use portcullis::admission::NetworkSet;
use portcullis::admission::rate::{Buckets, Limit};

/// The keys that a table is made for.
const KEYS: u32 = 1_000_000;

fn limit() -> Limit {
    let burst = NonZeroU32::new(200).expect("two hundred");
    Limit::new("100/s".parse().expect("a rate"), burst).expect("a limit")
}

/// How long `count` questions take, shared by so many threads. `key` is what a thread asks for.
fn asked(
    buckets: &Buckets,
    threads: u64,
    count: u64,
    key: impl Fn(&Buckets, u64, u64) -> u64 + Sync,
) -> Duration {
    let limit = limit();
    let start = Instant::now();
    std::thread::scope(|scope| {
        for thread in 0..threads {
            let (key, limit) = (&key, &limit);
            scope.spawn(move || {
                let mut now = Instant::now();
                for number in 0..count / threads {
                    // The clock is read once a request, for all that it needs: not a part of this.
                    now += Duration::from_nanos(100);
                    let key = key(buckets, thread, number);
                    black_box(buckets.take(key, now, limit));
                }
            });
        }
    });
    start.elapsed()
}

fn take(c: &mut Criterion) {
    let buckets = Buckets::new(KEYS, Instant::now());
    for threads in [1, 2, 8] {
        let mut group = c.benchmark_group(format!("take/{threads}"));
        group.bench_function("hot", |b| {
            let hot = buckets.key(|hasher| hasher.write(b"192.0.2.1"));
            b.iter_custom(|count| asked(&buckets, threads, count, |_, _, _| hot));
        });
        // Hashing included: each time another of as many keys as fit.
        group.bench_function("many", |b| {
            b.iter_custom(|count| {
                asked(&buckets, threads, count, |buckets, thread, number| {
                    let address = (thread * 7_919 + number * 2_654_435_761) % u64::from(KEYS);
                    buckets.key(|hasher| hasher.write(&(address as u32).to_be_bytes()))
                })
            });
        });
        group.finish();
    }
}

fn networks(c: &mut Criterion) {
    let four = (0..50_000_u32).map(|number| {
        let address = Ipv4Addr::from_bits(number.wrapping_mul(85_899) & 0xFFFF_FF00);
        IpNet::V4(Ipv4Net::new(address, 24).expect("a prefix"))
    });
    let six = (0..50_000_u128).map(|number| {
        let address = Ipv6Addr::from_bits((0x2001 << 112) | (number << 80));
        IpNet::V6(Ipv6Net::new(address, 48).expect("a prefix"))
    });
    let set = NetworkSet::new(four.chain(six));
    let mut group = c.benchmark_group("networks");
    let mut number = 0_u32;
    group.bench_function("ipv4", |b| {
        b.iter(|| {
            number = number.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            set.contains(black_box(IpAddr::V4(Ipv4Addr::from_bits(number))))
        });
    });
    group.bench_function("ipv6", |b| {
        b.iter(|| {
            number = number.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let bits = (0x2001 << 112) | (u128::from(number >> 8) << 72);
            set.contains(black_box(IpAddr::V6(Ipv6Addr::from_bits(bits))))
        });
    });
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(20).measurement_time(Duration::from_secs(1)).warm_up_time(Duration::from_millis(300));
    targets = take, networks
}
criterion_main!(benches);
