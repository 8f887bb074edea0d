//! Does everyone who waits get what is theirs, whatever the others do?

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::pool::staged::Stage;
use crate::pool::{Lease, Members, NoEndpoint, Pool, Priority, Tried, Wanted};

/// How long a fact may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(15);
/// So seldom that nobody looks by itself within a test.
const NEVER: Duration = Duration::from_secs(3600);
const OFTEN: Duration = Duration::from_millis(1);

/// The settings of a pool with these limits, for a test that is not about the time they wait.
fn limits(limits: &str) -> String {
    format!("limits: {{ {limits}, queue_timeout: 15s }}")
}

/// Endpoints with these limits, 0 for none.
fn written(endpoints: &[u32]) -> Vec<String> {
    let ports = endpoints.iter().zip(1..);
    let written = ports.map(|(most, port): (&u32, u16)| {
        format!("{{ address: '127.0.0.1:{port}', max_requests: {most} }}")
    });
    written.collect()
}

fn stage(endpoints: &[u32], settings: &str, look_every: Duration) -> Stage {
    let mut stage = Stage::of(&written(endpoints), settings);
    put_in_force(&mut stage, look_every);
    stage
}

fn put_in_force(stage: &mut Stage, look_every: Duration) {
    let pool = Arc::get_mut(&mut stage.pool).expect("nobody has it yet");
    pool.limits.as_mut().expect("limits").look_every = look_every;
    pool.put_in_force();
}

/// A pool in which nobody looks by itself.
fn pool(endpoints: &[u32], settings: &str) -> Arc<Pool> {
    stage(endpoints, settings, NEVER).pool
}

fn wanted(tried: &Tried, priority: Priority) -> Wanted<'_> {
    Wanted {
        priority,
        ..Wanted::new(tried)
    }
}

async fn lease(pool: &Pool) -> Result<Lease, NoEndpoint> {
    let tried = Tried::default();
    let wanted = wanted(&tried, Priority::Normal);
    let leased = pool.lease(&wanted);
    tokio::time::timeout(PATIENCE, leased)
        .await
        .expect("nobody waits for ever")
}

fn try_lease(pool: &Pool) -> Result<Lease, NoEndpoint> {
    pool.try_lease(&wanted(&Tried::default(), Priority::Normal), Instant::now())
}

/// One more that waits.
async fn waits(pool: &Arc<Pool>, priority: Priority) -> JoinHandle<Result<Lease, NoEndpoint>> {
    let before = pool.metrics.queue_length.get();
    let waiting = tokio::spawn({
        let pool = Arc::clone(pool);
        async move {
            let tried = Tried::default();
            pool.lease(&wanted(&tried, priority)).await
        }
    });
    length(pool, before + 1).await;
    waiting
}

/// Waits until so many wait.
async fn length(pool: &Pool, length: i64) {
    let started = Instant::now();
    while pool.metrics.queue_length.get() != length {
        assert!(started.elapsed() < PATIENCE, "never {length} waiting");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// What the task that waits gets.
async fn got(waiting: JoinHandle<Result<Lease, NoEndpoint>>) -> Result<Lease, NoEndpoint> {
    let got = tokio::time::timeout(PATIENCE, waiting).await;
    got.expect("nobody waits for ever").expect("no panic")
}

#[tokio::test]
async fn slots_go_to_those_who_wait_by_priority_and_then_in_the_order_they_came() {
    let pool = pool(&[0], &limits("requests: 1"));
    let first = lease(&pool).await.expect("a slot");
    assert_eq!(first.waited(), None);
    let (order, mut came) = mpsc::unbounded_channel();
    let priorities = [
        Priority::Normal,
        Priority::Low,
        Priority::High,
        Priority::Normal,
        Priority::High,
        Priority::Low,
    ];
    let mut all = Vec::new();
    for (number, priority) in priorities.into_iter().enumerate() {
        let waiting = waits(&pool, priority).await;
        let order = order.clone();
        all.push(tokio::spawn(async move {
            let lease = got(waiting).await.expect("its turn comes");
            assert!(lease.waited().is_some());
            order.send(number).expect("somebody listens");
        }));
    }
    assert_eq!(try_lease(&pool).err(), Some(NoEndpoint::Full));
    drop(first);
    for expected in [2, 4, 0, 3, 1, 5] {
        assert_eq!(came.recv().await, Some(expected));
    }
    for one in all {
        one.await.expect("no panic");
    }
    length(&pool, 0).await;
    assert_eq!(pool.state.in_flight(), 0);
}

#[tokio::test]
async fn nobody_overtakes_those_who_wait() {
    let pool = pool(&[1, 0], &limits("queue: 1000"));
    let endpoints = pool.members().endpoints.clone();
    endpoints[1].state.set_drained(true);
    let _first = lease(&pool).await.expect("a slot");
    let waiting = waits(&pool, Priority::Normal).await;
    // Free, but nobody has noticed.
    endpoints[1].state.set_drained(false);
    assert_eq!(try_lease(&pool).err(), Some(NoEndpoint::Full));
    waiting.abort();
    length(&pool, 0).await;
    let lease = try_lease(&pool).expect("nobody waits any more");
    assert!(Arc::ptr_eq(lease.endpoint(), &endpoints[1]));
}

#[tokio::test]
async fn a_full_queue_refuses_at_once_and_who_leaves_it_makes_room() {
    let pool = pool(&[1], &limits("queue: 1"));
    let first = lease(&pool).await.expect("a slot");
    let waiting = waits(&pool, Priority::Normal).await;
    assert_eq!(lease(&pool).await.err(), Some(NoEndpoint::QueueFull));
    waiting.abort();
    length(&pool, 0).await;
    let waiting = waits(&pool, Priority::Low).await;
    let better = waits_instead(&pool, waiting).await;
    drop(first);
    let got = got(better).await.expect("its turn comes");
    assert_eq!(got.endpoint().state.in_flight(), 1);
}

/// One of high priority takes the place of one that waits.
async fn waits_instead(
    pool: &Arc<Pool>,
    displaced: JoinHandle<Result<Lease, NoEndpoint>>,
) -> JoinHandle<Result<Lease, NoEndpoint>> {
    let better = tokio::spawn({
        let pool = Arc::clone(pool);
        async move {
            let tried = Tried::default();
            pool.lease(&wanted(&tried, Priority::High)).await
        }
    });
    assert_eq!(got(displaced).await.err(), Some(NoEndpoint::Displaced));
    better
}

#[tokio::test]
async fn a_pool_without_a_queue_lets_nobody_wait() {
    let pool = pool(&[0], "limits: { requests: 1, queue: 0 }");
    let first = lease(&pool).await.expect("a slot");
    assert_eq!(lease(&pool).await.err(), Some(NoEndpoint::QueueFull));
    drop(first);
    assert!(lease(&pool).await.is_ok());
}

#[tokio::test]
async fn the_queue_s_time_and_the_request_s_own_end_the_waiting() {
    let short = pool(&[1], "limits: { queue_timeout: 20ms }");
    let _first = lease(&short).await.expect("a slot");
    let started = Instant::now();
    assert_eq!(lease(&short).await.err(), Some(NoEndpoint::QueueTimeout));
    assert!(started.elapsed() >= Duration::from_millis(20));

    let long = pool(&[1], &limits("queue: 1000"));
    let _other = lease(&long).await.expect("a slot");
    let tried = Tried::default();
    let wanted = Wanted {
        deadline: Some(Instant::now() + Duration::from_millis(20)),
        ..wanted(&tried, Priority::Normal)
    };
    let started = Instant::now();
    let ended = long.lease(&wanted).await.err();
    assert_eq!(ended, Some(NoEndpoint::QueueTimeout));
    assert!(started.elapsed() < PATIENCE / 2, "its own time was shorter");
    length(&long, 0).await;
}

#[tokio::test]
async fn what_nobody_calls_out_is_found_by_looking() {
    let pool = stage(&[1, 3], &limits("queue: 1000"), OFTEN).pool;
    let endpoints = pool.members().endpoints.clone();
    endpoints[1].state.set_drained(true);
    let _first = lease(&pool).await.expect("a slot");
    let mut waiting = Vec::new();
    for _ in 0..3 {
        waiting.push(waits(&pool, Priority::Normal).await);
    }
    endpoints[1].state.set_drained(false);
    let mut leases = Vec::new();
    for one in waiting {
        leases.push(got(one).await.expect("an endpoint that is back"));
    }
    assert_eq!(endpoints[1].state.in_flight(), 3);
}

#[tokio::test]
async fn who_waits_since_before_a_reload_goes_by_the_new_limits() {
    let one = limits("requests: 1");
    let mut stage = stage(&[0], &one, OFTEN);
    let old = Arc::clone(&stage.pool);
    let first = lease(&old).await.expect("a slot");
    let waiting = [
        waits(&old, Priority::Normal).await,
        waits(&old, Priority::Normal).await,
    ];
    stage.reload_to(&written(&[0]), &limits("requests: 3"));
    put_in_force(&mut stage, OFTEN);
    let new = Arc::clone(&stage.pool);
    let mut leases = vec![first];
    for one in waiting {
        leases.push(got(one).await.expect("there is room now"));
    }
    assert_eq!(try_lease(&new).err(), Some(NoEndpoint::Full));
    stage.reload_to(&written(&[0]), &one);
    put_in_force(&mut stage, OFTEN);
    for _ in 0..2 {
        leases.pop();
        assert_eq!(try_lease(&new).err(), Some(NoEndpoint::Full));
    }
    leases.pop();
    assert!(try_lease(&new).is_ok());
}

#[tokio::test]
async fn an_endpoint_s_limit_changes_with_the_generation_in_force_only() {
    let settings = limits("queue: 1000");
    let mut stage = stage(&[1], &settings, NEVER);
    let old = Arc::clone(&stage.pool);
    let _first = lease(&old).await.expect("a slot");
    stage.reload_to(&written(&[2]), &settings);
    put_in_force(&mut stage, NEVER);
    let _second = lease(&old).await.expect("the new limit");
    // A former generation that learns of other addresses changes nothing any more.
    let _new = stage.reload_to(&written(&[9]), &settings);
    old.replace_members(members(stage.pool));
    assert_eq!(try_lease(&old).err(), Some(NoEndpoint::Full));
}

/// The members of a pool that nobody else has.
fn members(pool: Arc<Pool>) -> Members {
    let pool = Arc::into_inner(pool).expect("nobody has it");
    Arc::into_inner(pool.members.into_inner()).expect("nobody has them")
}

#[tokio::test]
async fn a_turn_that_is_of_no_use_to_the_first_goes_to_the_next() {
    let pool = pool(&[1, 1], &limits("queue: 1000"));
    let (one, other) = (
        lease(&pool).await.expect("a slot"),
        lease(&pool).await.expect("a slot"),
    );
    let picky = tokio::spawn({
        let (pool, endpoint) = (Arc::clone(&pool), Arc::clone(one.endpoint()));
        async move {
            let mut tried = Tried::default();
            tried.insert(&endpoint);
            pool.lease(&wanted(&tried, Priority::Normal)).await
        }
    });
    length(&pool, 1).await;
    let next = waits(&pool, Priority::Normal).await;
    let tried = Arc::clone(one.endpoint());
    drop(one);
    let next = got(next).await.expect("what the first can't use");
    assert!(Arc::ptr_eq(next.endpoint(), &tried));
    drop(other);
    let picky = got(picky).await.expect("what it can use");
    assert!(!Arc::ptr_eq(picky.endpoint(), &tried));
}

#[tokio::test]
async fn who_can_not_be_served_hears_it_at_once_and_so_do_those_who_wait() {
    let pool = stage(&[1, 1], &limits("queue: 1000"), OFTEN).pool;
    let endpoints = pool.members().endpoints.clone();
    endpoints[1].state.set_drained(true);
    let _first = lease(&pool).await.expect("a slot");
    let mut waiting = Vec::new();
    for _ in 0..3 {
        waiting.push(waits(&pool, Priority::Normal).await);
    }
    let mut tried = Tried::default();
    tried.insert(&endpoints[0]);
    let nowhere = pool.lease(&wanted(&tried, Priority::Normal)).await;
    assert_eq!(
        nowhere.err(),
        Some(NoEndpoint::Unavailable { retry_after: None })
    );
    endpoints[0].state.set_drained(true);
    for one in waiting {
        assert_eq!(
            got(one).await.err(),
            Some(NoEndpoint::Unavailable { retry_after: None })
        );
    }
}

/// What the tasks of a storm have at once, and had at most.
#[derive(Default)]
struct AtOnce {
    now: AtomicU32,
    most: AtomicU32,
}

impl AtOnce {
    fn begin(&self) {
        let now = self.now.fetch_add(1, Ordering::SeqCst) + 1;
        self.most.fetch_max(now, Ordering::SeqCst);
    }

    fn end(&self) {
        self.now.fetch_sub(1, Ordering::SeqCst);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn in_a_storm_of_requests_that_come_and_go_no_slot_is_lost_and_nobody_is_forgotten() {
    let pool = pool(&[1, 2, 2], &limits("requests: 4, queue: 60"));
    let all = Arc::new(AtOnce::default());
    let each: Arc<[AtOnce; 3]> = Arc::default();
    let (served, refused) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicU32::new(0)));
    let mut tasks = Vec::new();
    for task in 0..100_u64 {
        let (pool, all, each) = (Arc::clone(&pool), Arc::clone(&all), Arc::clone(&each));
        let (served, refused) = (Arc::clone(&served), Arc::clone(&refused));
        tasks.push(tokio::spawn(async move {
            let mut random = fastrand::Rng::with_seed(task);
            for _ in 0..100 {
                let endpoints = pool.members().endpoints.clone();
                let mut tried = Tried::default();
                if random.u8(..4) == 0 {
                    tried.insert(&endpoints[random.usize(..3)]);
                }
                let priorities = [Priority::Low, Priority::Normal, Priority::High];
                let wanted = wanted(&tried, priorities[random.usize(..3)]);
                let mut leased = std::pin::pin!(pool.lease(&wanted));
                // Some leave after a while; the future is dropped wherever it is.
                let stays = match random.u8(..3) {
                    0 => random.usize(..4),
                    _ => usize::MAX,
                };
                let mut polled = 0;
                let leased = std::future::poll_fn(|cx| {
                    use std::task::Poll;
                    polled += 1;
                    match leased.as_mut().poll(cx) {
                        Poll::Ready(leased) => Poll::Ready(Some(leased)),
                        Poll::Pending if polled > stays => Poll::Ready(None),
                        Poll::Pending => {
                            if stays < usize::MAX {
                                cx.waker().wake_by_ref();
                            }
                            Poll::Pending
                        }
                    }
                })
                .await;
                match leased {
                    None => {}
                    Some(Err(NoEndpoint::QueueFull | NoEndpoint::Displaced)) => {
                        refused.fetch_add(1, Ordering::Relaxed);
                    }
                    Some(Err(other)) => panic!("{other:?}"),
                    Some(Ok(lease)) => {
                        let has = |endpoint| Arc::ptr_eq(endpoint, lease.endpoint());
                        let index = endpoints.iter().position(has).expect("one of them");
                        all.begin();
                        each[index].begin();
                        for _ in 0..random.u8(..4) {
                            tokio::task::yield_now().await;
                        }
                        each[index].end();
                        all.end();
                        served.fetch_add(1, Ordering::Relaxed);
                        drop(lease);
                    }
                }
            }
        }));
    }
    for task in tasks {
        let ended = tokio::time::timeout(2 * PATIENCE, task).await;
        ended.expect("nobody is forgotten").expect("no panic");
    }
    let most = |one: &AtOnce| one.most.load(Ordering::SeqCst);
    assert_eq!(most(&all), 4);
    assert!(most(&each[0]) == 1 && most(&each[1]) <= 2 && most(&each[2]) <= 2);
    assert!(served.load(Ordering::Relaxed) > 1000 && refused.load(Ordering::Relaxed) > 0);
    assert_eq!(
        (pool.state.in_flight(), pool.metrics.queue_length.get()),
        (0, 0)
    );
    assert!(pool.state.queue.is_empty());
    for endpoint in &pool.members().endpoints {
        assert_eq!(endpoint.state.in_flight(), 0);
    }
}

#[tokio::test]
async fn one_that_waits_for_an_endpoint_in_particular_keeps_nobody_from_the_others() {
    let pool = pool(&[1, 1], &limits("queue: 1000"));
    let (one, _other) = (
        lease(&pool).await.expect("a slot"),
        lease(&pool).await.expect("a slot"),
    );
    let endpoint = Arc::clone(one.endpoint());
    drop(one);
    let picky = tokio::spawn({
        let (pool, endpoint) = (Arc::clone(&pool), Arc::clone(&endpoint));
        async move {
            let mut tried = Tried::default();
            tried.insert(&endpoint);
            pool.lease(&wanted(&tried, Priority::Normal)).await
        }
    });
    length(&pool, 1).await;
    // Nobody looks by itself in this test.
    let lease = lease(&pool).await.expect("the free one");
    assert!(Arc::ptr_eq(lease.endpoint(), &endpoint));
    assert_eq!(pool.metrics.queue_length.get(), 1);
    picky.abort();
}
