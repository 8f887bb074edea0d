//! How often does the memory tier have what is asked for, and what do a look-up and a glance at the purges cost?
//!
//! The hit ratios are printed as a table first: a million requests by Zipf's law over 200,000 objects of log-normal size (about 5 GiB
//! in all), with and without ways through objects that are asked for once, for the tier, for the shards of `quick_cache` and for LRU.

use std::collections::{HashMap, VecDeque};
use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use criterion::{Criterion, criterion_group, criterion_main};
use http::{HeaderMap, StatusCode};
use portcullis::cache::memory::Memory;
use portcullis::cache::purge::{Marks, Mode, Purges, What, tag};
use portcullis::cache::rules::{Terms, Validators};
use portcullis::cache::{Body, Chunks, Head, Object, Stored};
use quick_cache::Weighter;
use quick_cache::sync::Cache;

/// The objects that are asked for again.
const OBJECTS: usize = 200_000;

const REQUESTS: usize = 1_000_000;

/// Requests before anything is counted.
const WARM_UP: usize = 200_000;

/// What an object takes beside its body, so that all three count alike.
const BESIDE_BODY: u64 = 600;

/// The largest body.
const LARGEST: usize = 16 << 20;

/// One request: which object, and how many bytes its body has.
type Request = (u64, u32);

fn object(key: u128, page: &Bytes, bytes: u32, marks: Marks) -> Stored {
    let terms = Terms {
        received: SystemTime::UNIX_EPOCH,
        initial_age: Duration::ZERO,
        lifetime: Duration::from_secs(60),
        while_revalidate: Duration::ZERO,
        if_error: Duration::ZERO,
        strict: false,
        validate: false,
        immutable: false,
    };
    let head = Head {
        status: StatusCode::OK,
        fields: HeaderMap::new(),
        terms,
        validators: Validators::default(),
        marks,
    };
    Stored::Object(Arc::new(Object {
        key: key.to_be_bytes().into(),
        head,
        body: Body::Memory(Chunks::new(vec![page.slice(..bytes as usize)])),
    }))
}

/// A key of 128 bits, as a hash would be.
fn spread(number: u64) -> u128 {
    u128::from(number).wrapping_mul(0x9E37_79B9_7F4A_7C15_F39C_C060_5CED_C835)
}

/// What can be asked, and keeps what it did not have; whether it had it.
trait Tier {
    fn ask(&mut self, request: Request) -> bool;
}

struct Ours(Memory, Bytes);

impl Tier for Ours {
    fn ask(&mut self, (number, bytes): Request) -> bool {
        let key = spread(number);
        let hit = self.0.get(key).is_some();
        if !hit {
            let object = object(key, &self.1, bytes, Marks::default());
            self.0.put(key, object);
        }
        hit
    }
}

#[derive(Clone)]
struct Weight;

impl Weighter<u64, u32> for Weight {
    fn weight(&self, _: &u64, bytes: &u32) -> u64 {
        u64::from(*bytes) + BESIDE_BODY
    }
}

struct Quick(Cache<u64, u32, Weight>);

impl Tier for Quick {
    fn ask(&mut self, (number, bytes): Request) -> bool {
        let hit = self.0.get(&number).is_some();
        if !hit {
            self.0.insert(number, bytes);
        }
        hit
    }
}

/// Each request goes to the end of the order, where the one before it counts no longer.
#[derive(Default)]
struct Lru {
    limit: u64,
    used: u64,
    clock: u64,
    entries: HashMap<u64, (u64, u64)>,
    order: VecDeque<(u64, u64)>,
}

impl Tier for Lru {
    fn ask(&mut self, (number, bytes): Request) -> bool {
        self.clock += 1;
        let weight = u64::from(bytes) + BESIDE_BODY;
        let former = self.entries.insert(number, (self.clock, weight));
        self.order.push_back((number, self.clock));
        if former.is_none() {
            self.used += weight;
        }
        while self.used > self.limit
            && let Some((oldest, at)) = self.order.pop_front()
        {
            if let Some(&(last, weight)) = self.entries.get(&oldest)
                && last == at
            {
                self.entries.remove(&oldest);
                self.used -= weight;
            }
        }
        former.is_some()
    }
}

/// Requests by Zipf's law; of `once` of them the object is not asked for again, half of these one after the other.
fn trace(alpha: f64, once: f64) -> Vec<Request> {
    let mut random = fastrand::Rng::with_seed(7);
    let mut total = 0.0;
    let ranks = (1..=OBJECTS).map(|rank| {
        total += (rank as f64).powf(-alpha);
        total
    });
    let ranks: Vec<f64> = ranks.collect();
    // Of a median of 10 KB and a mean of 26.
    let mut size = || {
        let (radius, angle) = (
            random.f64().max(1e-12),
            random.f64() * std::f64::consts::TAU,
        );
        let normal = (-2.0 * radius.ln()).sqrt() * angle.cos();
        (9.2 + 1.4 * normal).exp().clamp(128.0, LARGEST as f64) as u32
    };
    let sizes: Vec<u32> = (0..OBJECTS).map(|_| size()).collect();
    let once_sizes: Vec<u32> = (0..REQUESTS).map(|_| size()).collect();
    let mut random = fastrand::Rng::with_seed(8);
    let (mut next, mut burst) = (0, 0);
    let requests = (0..REQUESTS).map(|_| {
        if burst == 0 && random.f64() < once / 2.0 / 5000.0 {
            burst = 5000;
        }
        if burst > 0 || random.f64() < once / 2.0 {
            burst = usize::saturating_sub(burst, 1);
            next += 1;
            return ((OBJECTS + next) as u64, once_sizes[next - 1]);
        }
        let point = random.f64() * total;
        let rank = ranks.partition_point(|sum| *sum < point).min(OBJECTS - 1);
        (rank as u64, sizes[rank])
    });
    requests.collect()
}

/// The shares of requests and of bytes that this had, in percent.
fn ratios(tier: &mut dyn Tier, trace: &[Request]) -> (f64, f64) {
    let (mut hits, mut hit_bytes, mut bytes) = (0, 0, 0);
    for (number, request) in trace.iter().enumerate() {
        let hit = tier.ask(*request);
        if number >= WARM_UP {
            bytes += u64::from(request.1);
            hits += u64::from(hit);
            hit_bytes += if hit { u64::from(request.1) } else { 0 };
        }
    }
    let share = |part: u64, of: u64| part as f64 * 100.0 / of as f64;
    (
        share(hits, (trace.len() - WARM_UP) as u64),
        share(hit_bytes, bytes),
    )
}

fn table() {
    let page = Bytes::from(vec![0; LARGEST + 1]);
    println!("hits in % of requests (of bytes)   ours           quick_cache    LRU");
    for alpha in [0.7, 0.9, 1.1] {
        for once in [0.0, 0.3] {
            let trace = trace(alpha, once);
            for mib in [64, 512] {
                let limit = mib << 20;
                let weights = Cache::with_weighter(OBJECTS / 10, limit, Weight);
                let lru = Lru {
                    limit,
                    ..Lru::default()
                };
                let mut tiers: [Box<dyn Tier>; 3] = [
                    Box::new(Ours(Memory::new(limit), page.clone())),
                    Box::new(Quick(weights)),
                    Box::new(lru),
                ];
                print!(
                    "alpha {alpha}, {:2.0}% once, {mib:3} MiB:    ",
                    once * 100.0
                );
                for tier in &mut tiers {
                    let (requests, bytes) = ratios(tier.as_mut(), &trace);
                    print!(" {requests:4.1} ({bytes:4.1})   ");
                }
                println!();
            }
        }
    }
}

/// How long `count` look-ups take, shared by so many threads.
fn asked(threads: u64, count: u64, get: impl Fn(u64) -> bool + Sync) -> Duration {
    let start = Instant::now();
    std::thread::scope(|scope| {
        for thread in 0..threads {
            let get = &get;
            scope.spawn(move || {
                let mut random = fastrand::Rng::with_seed(thread);
                for _ in 0..count / threads {
                    black_box(get(random.u64(..)));
                }
            });
        }
    });
    start.elapsed()
}

fn get(c: &mut Criterion) {
    let page = Bytes::from(vec![0; 1024]);
    let memory = Memory::new(1 << 30);
    for number in 0..10_000 {
        let key = spread(number);
        memory.put(key, object(key, &page, 1024, Marks::default()));
    }
    for threads in [1, 2] {
        let mut group = c.benchmark_group(format!("get/{threads}"));
        group.bench_function("hot", |b| {
            b.iter_custom(|count| asked(threads, count, |_| memory.get(spread(5)).is_some()));
        });
        group.bench_function("many", |b| {
            b.iter_custom(|count| {
                asked(threads, count, |random| {
                    memory.get(spread(random % 10_000)).is_some()
                })
            });
        });
        group.bench_function("miss", |b| {
            b.iter_custom(|count| {
                asked(threads, count, |random| {
                    memory.get(spread(random | 1 << 60)).is_some()
                })
            });
        });
        group.finish();
    }
    c.bench_function("put/evicts", |b| {
        let memory = Memory::new(16 << 20);
        let mut number = 0;
        b.iter(|| {
            number += 1;
            let key = spread(number);
            memory.put(key, object(key, &page, 1024, Marks::default()));
        });
    });
}

fn purged(c: &mut Criterion) {
    let now = SystemTime::now();
    let purges = Purges::new(now);
    let marks = Marks {
        since: purges.now(),
        url: "shop.example/products/shoes/4711?colour=red".into(),
        tags: (0..5)
            .map(|number| tag(&format!("product-{number}")))
            .collect(),
    };
    let mut group = c.benchmark_group("purged");
    group.bench_function("nothing", |b| b.iter(|| purges.of(black_box(&marks))));
    for number in 0..10_000 {
        for what in [
            What::Url(format!("shop.example/{number}")),
            What::Tag(format!("t{number}")),
            What::Prefix(format!("shop.example/{number}/")),
        ] {
            purges.add(&what, Mode::Soft, now);
        }
    }
    group.bench_function("thirty_thousand", |b| {
        b.iter(|| purges.of(black_box(&marks)))
    });
    group.finish();
}

fn benches(c: &mut Criterion) {
    // Not when it is only tried whether it runs.
    if std::env::args().any(|argument| argument == "--bench") {
        table();
    }
    get(c);
    purged(c);
}

criterion_group! {
    name = all;
    config = Criterion::default().sample_size(20).measurement_time(Duration::from_secs(1)).warm_up_time(Duration::from_millis(300));
    targets = benches
}
criterion_main!(all);
