//! With bcrypt of the lowest cost, and a clock that is stepped.

use std::pin::pin;
use std::sync::mpsc;
use std::task::{Context, Poll, Wake, Waker};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::*;

/// Fits `secret`.
const HASH: &str = "$2y$04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW";
/// Fits `pässwort`.
const OTHER: &str = "$2y$04$abcdefghijklmnopqrstuuWPyT3zuK3JxmyXx5UFcdTiysSm3GF5K";
/// Fits nothing that is tried here, and takes long enough for a line to form.
const SLOW: &str = "$2y$09$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW";

fn users(users: &[(&str, &str)]) -> Users {
    let users = users
        .iter()
        .map(|(name, hash)| User::new(name, hash).expect(name));
    Users::new(users.collect()).expect("users")
}

struct Site {
    verifier: Arc<Verifier>,
    users: Users,
    now: Instant,
}

impl Site {
    fn new(written: &[(&str, &str)]) -> Self {
        Self {
            verifier: Arc::new(Verifier::with_threads(1).expect("random numbers")),
            users: users(written),
            now: Instant::now(),
        }
    }

    fn ask_from(&self, client: &str, name: &str, password: &str) -> Answer {
        let value = format!("Basic {}", STANDARD.encode(format!("{name}:{password}")));
        let credentials = Credentials::parse(value.as_bytes()).expect("credentials");
        self.verifier.ask(&Question {
            credentials: &credentials,
            users: &self.users,
            client: Some(client.parse().expect("an address")),
            now: self.now,
        })
    }

    fn ask(&self, name: &str, password: &str) -> Answer {
        self.ask_from("192.0.2.1", name, password)
    }

    /// Whether it is right, however long that takes, and whether it was known.
    async fn right(&self, name: &str, password: &str) -> (bool, bool) {
        match self.ask(name, password) {
            Answer::Right(user) => {
                assert_eq!(&*user.name, name);
                (true, true)
            }
            Answer::Wrong => (false, true),
            Answer::Soon(waiting) => {
                let user = waiting.user().await.expect("found out");
                assert!(user.as_ref().is_none_or(|user| &*user.name == name));
                (user.is_some(), false)
            }
            Answer::Full => panic!("full"),
        }
    }
}

#[tokio::test]
async fn what_was_found_out_is_remembered_for_its_time() {
    let mut site = Site::new(&[("anna", HASH)]);
    assert_eq!(site.right("anna", "secret").await, (true, false));
    assert_eq!(site.right("anna", "secret").await, (true, true));
    assert_eq!(site.right("anna", "wrong").await, (false, false));
    assert_eq!(site.right("anna", "wrong").await, (false, true));
    site.now += Duration::from_secs(60);
    assert_eq!(site.right("anna", "secret").await, (true, true));
    assert_eq!(site.right("anna", "wrong").await, (false, false));
    site.now += Duration::from_secs(3600);
    assert_eq!(site.right("anna", "secret").await, (true, false));
}

#[tokio::test]
async fn who_keeps_coming_is_known_for_as_long() {
    let mut site = Site::new(&[("anna", HASH)]);
    assert_eq!(site.right("anna", "secret").await, (true, false));
    for _ in 0..10 {
        site.now += Duration::from_secs(3500);
        assert_eq!(site.right("anna", "secret").await, (true, true));
        site.now += Duration::from_secs(30);
        assert_eq!(site.right("anna", "secret").await, (true, true));
    }
    site.now += Duration::from_secs(3600);
    assert_eq!(site.right("anna", "secret").await, (true, false));
}

#[tokio::test]
async fn somebody_new_comes_in_while_many_clients_fill_the_line() {
    let site = Site::new(&[("slow", SLOW), ("anna", HASH)]);
    let mut flood: Vec<_> = (0..17 * 8)
        .map(|number| {
            let client = format!("198.51.100.{}", number % 17);
            site.ask_from(&client, "slow", &number.to_string())
        })
        .collect();
    // As many as there are places, each in the place of another of the flood.
    let Answer::Soon(waiting) = site.ask_from("192.0.2.2", "anna", "secret") else {
        panic!("another client has its place");
    };
    assert!(waiting.user().await.expect("found out").is_some());
    flood.retain(|answer| match answer {
        Answer::Soon(waiting) => {
            waiting.told.borrow().is_none() && waiting.told.has_changed().is_ok()
        }
        _ => false,
    });
    assert!(
        flood.len() > 60,
        "most of the flood still waits: {}",
        flood.len()
    );
}

#[tokio::test]
async fn another_hash_ends_what_was_known() {
    let mut site = Site::new(&[("anna", HASH)]);
    assert_eq!(site.right("anna", "secret").await, (true, false));
    site.users = users(&[("anna", OTHER)]);
    assert_eq!(site.right("anna", "secret").await, (false, false));
    assert_eq!(site.right("anna", "pässwort").await, (true, false));
    site.users = users(&[("bert", OTHER)]);
    assert_eq!(site.right("anna", "pässwort").await, (false, false));
}

#[tokio::test]
async fn somebody_unknown_is_tried_too_and_never_right() {
    let mut site = Site::new(&[("anna", HASH)]);
    // The password of the one whose hash it is tried with.
    assert_eq!(site.right("nobody", "secret").await, (false, false));
    assert_eq!(site.right("nobody", "secret").await, (false, true));
    assert_eq!(site.right("anna", "secret").await, (true, false));
    site.users = users(&[("anna", HASH), ("nobody", HASH)]);
    assert_eq!(
        site.right("nobody", "secret").await,
        (true, false),
        "and is right as soon as they are known"
    );
}

#[tokio::test]
async fn a_flood_of_one_client_is_turned_away_and_another_is_served_between() {
    let site = Site::new(&[("slow", SLOW), ("anna", HASH)]);
    let flood: Vec<_> = (0..100)
        .filter_map(|number| match site.ask("slow", &number.to_string()) {
            Answer::Soon(waiting) => Some(waiting),
            Answer::Full => None,
            Answer::Right(_) | Answer::Wrong => panic!("known"),
        })
        .collect();
    // Those that wait, and those that were tried meanwhile.
    assert!((8..60).contains(&flood.len()), "{}", flood.len());
    let Answer::Soon(waiting) = site.ask_from("192.0.2.2", "anna", "secret") else {
        panic!("another client has its place");
    };
    assert!(waiting.user().await.expect("found out").is_some());
    let waits = flood
        .iter()
        .filter(|waiting| waiting.told.borrow().is_none())
        .count();
    assert!(
        waits >= 4,
        "the other client did not wait for the whole flood: {waits}"
    );
    for waiting in flood {
        assert!(waiting.user().await.expect("found out").is_none());
    }
}

#[tokio::test]
async fn the_same_question_is_tried_once_and_its_threads_end() {
    let site = Site::new(&[("slow", SLOW)]);
    let _first = site.ask("slow", "first");
    let same: Vec<_> = (0..50).map(|_| site.ask("slow", "same")).collect();
    assert!(site.verifier.line().threads <= 1);
    for answer in same {
        let Answer::Soon(waiting) = answer else {
            panic!("all of them wait for one");
        };
        assert!(waiting.user().await.expect("found out").is_none());
    }
    let ended = || site.verifier.line().threads == 0;
    let patience = Instant::now() + Duration::from_secs(30);
    while !ended() {
        assert!(Instant::now() < patience, "a thread stays");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Says when it is woken whether the line can be had.
struct Woken(Arc<Verifier>, mpsc::Sender<bool>);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        let free = self.0.line.try_lock().is_ok();
        self.1.send(free).expect("somebody listens");
    }
}

#[test]
fn who_waits_is_woken_while_others_may_ask() {
    let mut site = Site::new(&[("anna", HASH)]);
    // No thread but the one below: nothing is tried before somebody waits.
    site.verifier = Arc::new(Verifier::with_threads(0).expect("random numbers"));
    let Answer::Soon(waiting) = site.ask("anna", "secret") else {
        panic!("it has to be found out");
    };
    let (sender, woken) = mpsc::channel();
    let waker = Waker::from(Arc::new(Woken(Arc::clone(&site.verifier), sender)));
    let mut user = pin!(waiting.user());
    assert!(
        user.as_mut()
            .poll(&mut Context::from_waker(&waker))
            .is_pending()
    );
    assert!(site.verifier.line().hire(1));
    let verifier = Arc::clone(&site.verifier);
    std::thread::spawn(move || verifier.work())
        .join()
        .expect("no panic");
    assert_eq!(woken.try_recv(), Ok(true), "the line is held");
    let found = user.as_mut().poll(&mut Context::from_waker(Waker::noop()));
    assert!(matches!(found, Poll::Ready(Ok(Some(_)))));
}

#[test]
fn no_two_questions_look_the_same() {
    let site = Site::new(&[("anna", HASH)]);
    let user = site.users.get("anna").expect("she is there");
    let print = |name: &str, password: &str| {
        site.verifier
            .fingerprint(name, password.as_bytes(), user, true)
    };
    assert_ne!(print("ab", "c"), print("a", "bc"));
    assert_eq!(print("a", "b"), print("a", "b"));
    assert_ne!(
        site.verifier.fingerprint("a", b"b", user, false),
        print("a", "b")
    );
    assert_ne!(
        Site::new(&[("anna", HASH)])
            .verifier
            .fingerprint("a", b"b", user, true),
        print("a", "b")
    );
}
