//! Do many who ask for the same at once cost the endpoint one request, and what if that comes to nothing?

use std::time::{Duration, Instant};

use origin::{Origin, Scripted};

use super::asking::*;
use crate::support::*;

/// So many clients, each on a connection of its own, that have asked for this and wait.
async fn crowd(portcullis: &Portcullis, count: usize, path: &str) -> Vec<Raw> {
    let mut crowd = Vec::with_capacity(count);
    for _ in 0..count {
        let mut raw = Raw::connect(portcullis.listener("http")).await;
        raw.send(format!("GET {path} HTTP/1.1\r\nHost: a.test\r\n\r\n"))
            .await;
        crowd.push(raw);
    }
    in_flight(portcullis, count).await;
    crowd
}

/// Waits until so many requests have come and are not answered yet. Each has come as far as it can: a worker that sleeps
/// has nothing left to do for those that were counted.
async fn in_flight(portcullis: &Portcullis, count: usize) {
    eventually(&format!("{count} requests wait"), async || {
        portcullis.metric("portcullis_requests_in_flight").await == count as f64
    })
    .await;
    for worker in portcullis.threads("worker-") {
        eventually("a worker sleeps", async || worker.sleeps()).await;
    }
}

/// The answers of all, in the order they asked.
async fn answers(crowd: Vec<Raw>) -> Vec<RawResponse> {
    let mut answers = Vec::with_capacity(crowd.len());
    for mut raw in crowd {
        answers.push(in_time("an answer", raw.response()).await);
    }
    answers
}

fn collapsed(answers: &[RawResponse]) -> usize {
    let waited = |answer: &&RawResponse| cache_status(answer).contains("; collapsed");
    answers.iter().filter(waited).count()
}

#[tokio::test]
async fn a_hundred_clients_for_one_cold_object_make_one_fetch() {
    let origin = origin().await;
    let (portcullis, _raw) = caching(&origin, "").await;
    let body = "a body of some length ".repeat(10_000);
    origin.script("/a", [fresh().held("a").body(body.clone())]);
    let crowd = crowd(&portcullis, 100, "/a").await;
    arrived(&origin, 1).await;
    assert_eq!(origin.count("/a"), 1);
    origin.release_one("a");
    let answers = answers(crowd).await;
    for answer in &answers {
        assert_eq!(answer.status, 200);
        assert!(answer.body == body.as_bytes(), "{}", cache_status(answer));
    }
    assert_eq!(collapsed(&answers), 99);
    assert_eq!(origin.count("/a"), 1);
    assert_eq!(
        portcullis.metric("portcullis_cache_followers_total").await,
        99.0
    );
}

#[tokio::test]
async fn who_comes_while_the_body_comes_has_all_of_it() {
    let origin = origin().await;
    let (_portcullis, mut first) = caching(&origin, "").await;
    origin.script("/a", [fresh().body("one ").until("a").body("two")]);
    first.send("GET /a HTTP/1.1\r\nHost: a.test\r\n\r\n").await;
    first.until(b"one ").await;
    let mut second = Raw::connect(_portcullis.listener("http")).await;
    second.send("GET /a HTTP/1.1\r\nHost: a.test\r\n\r\n").await;
    // It is given what there is, and does not wait for the end.
    second.until(b"one ").await;
    origin.release_one("a");
    first.until(b"two").await;
    second.until(b"two").await;
    assert_eq!(origin.count("/a"), 1);
}

#[tokio::test]
async fn that_the_first_client_leaves_is_no_loss_to_the_others() {
    for waits in ["for the head", "for the body"] {
        let origin = origin().await;
        let (portcullis, mut first) = caching(&origin, "").await;
        let answer = match waits {
            "for the head" => fresh().held("a").body("made once"),
            _ => fresh().body("made ").until("a").body("once"),
        };
        origin.script("/a", [answer]);
        first.send("GET /a HTTP/1.1\r\nHost: a.test\r\n\r\n").await;
        if waits == "for the head" {
            arrived(&origin, 1).await;
        } else {
            first.until(b"made ").await;
        }
        let mut others = Vec::new();
        for _ in 0..10 {
            let mut raw = Raw::connect(portcullis.listener("http")).await;
            raw.send("GET /a HTTP/1.1\r\nHost: a.test\r\n\r\n").await;
            others.push(raw);
        }
        in_flight(&portcullis, 11).await;
        drop(first);
        in_flight(&portcullis, 10).await;
        origin.release_one("a");
        for answer in answers(others).await {
            assert_eq!(
                (answer.status, answer.text()),
                (200, "made once".to_owned()),
                "{waits}"
            );
        }
        assert_eq!(origin.count("/a"), 1, "{waits}");
        assert_eq!(origin.journal().cancelled(), 0, "{waits}");
    }
}

#[tokio::test]
async fn that_all_clients_leave_is_no_loss_to_the_next_one() {
    let origin = origin().await;
    let (portcullis, mut first) = caching(&origin, "").await;
    origin.script("/a", [fresh().held("a").body("made once")]);
    first.send("GET /a HTTP/1.1\r\nHost: a.test\r\n\r\n").await;
    arrived(&origin, 1).await;
    drop(first);
    in_flight(&portcullis, 0).await;
    origin.release_one("a");
    let mut raw = Raw::connect(portcullis.listener("http")).await;
    assert_eq!(stored(&mut raw, "/a", &[]).await.text(), "made once");
    assert_eq!(origin.count("/a"), 1);
}

#[tokio::test]
async fn an_answer_that_cannot_be_stored_lets_the_others_go_at_once() {
    let origin = origin().await;
    let (portcullis, _raw) = caching(&origin, "collapse: 60s").await;
    // Its body takes for ever: nobody is to wait for its end.
    let mine = Scripted::new(200).field("Cache-Control", "private");
    let first = mine.clone().held("a").body("of ").until("never").body("1");
    origin.script("/a", [first, mine.body("of its own")]);
    let mut crowd = crowd(&portcullis, 20, "/a").await;
    arrived(&origin, 1).await;
    assert_eq!(origin.count("/a"), 1);
    let released = Instant::now();
    origin.release_one("a");
    // One of them is the first; which one cannot be told from here.
    let mut own = 0;
    let mut first = 0;
    for raw in &mut crowd {
        let head = raw.until(b"\r\n\r\n").await;
        let head = String::from_utf8_lossy(&head).into_owned();
        assert!(!head.contains("collapsed"), "{head}");
        match head.contains("ength: 4") {
            true => first += 1,
            false => own += 1,
        }
    }
    assert_eq!((first, own), (1, 19));
    assert!(released.elapsed() < Duration::from_secs(30));
    assert_eq!(origin.count("/a"), 20);
    // And nobody who comes now waits for another.
    let mut late = Raw::connect(portcullis.listener("http")).await;
    assert_eq!(ask(&mut late, "GET /a", &[]).await.text(), "of its own");
}

#[tokio::test]
async fn nobody_waits_longer_than_the_limit() {
    let origin = origin().await;
    let (portcullis, _raw) = caching(&origin, "collapse: 100ms").await;
    origin.script(
        "/a",
        [fresh().held("never").body("late"), fresh().body("in time")],
    );
    let mut first = Raw::connect(portcullis.listener("http")).await;
    first.send("GET /a HTTP/1.1\r\nHost: a.test\r\n\r\n").await;
    arrived(&origin, 1).await;
    let mut second = Raw::connect(portcullis.listener("http")).await;
    let asked = Instant::now();
    let answer = in_time("an answer", ask(&mut second, "GET /a", &[])).await;
    assert_eq!(answer.text(), "in time");
    assert!(asked.elapsed() >= Duration::from_millis(100));
    assert!(!cache_status(&answer).contains("collapsed"));
    assert_eq!(origin.count("/a"), 2);
}

#[tokio::test]
async fn without_a_limit_nobody_waits_at_all() {
    let origin = origin().await;
    let (portcullis, _raw) = caching(&origin, "collapse: 0s").await;
    origin.script("/a", [fresh().held("a").body("made often")]);
    let crowd = crowd(&portcullis, 10, "/a").await;
    arrived(&origin, 10).await;
    origin.release_one("a");
    assert_eq!(collapsed(&answers(crowd).await), 0);
}

#[tokio::test]
async fn variants_are_fetched_once_each() {
    let origin = origin().await;
    let (portcullis, mut raw) = caching(&origin, "").await;
    origin.script_by("/a", |asked, number| {
        let language = asked.field("accept-language").to_owned();
        let answer = fresh().field("Vary", "Accept-Language");
        // The first tells that there are variants.
        let answer = if number == 0 {
            answer
        } else {
            answer.held("a")
        };
        answer.body(language)
    });
    let first = stored(&mut raw, "/a", &["Accept-Language: first"]).await;
    assert_eq!(first.text(), "first");
    let mut crowd = Vec::new();
    for number in 0..30 {
        let language = ["de", "en", "fr"][number % 3];
        let mut raw = Raw::connect(portcullis.listener("http")).await;
        let head =
            format!("GET /a HTTP/1.1\r\nHost: a.test\r\nAccept-Language: {language}\r\n\r\n");
        raw.send(head).await;
        crowd.push(raw);
    }
    in_flight(&portcullis, 30).await;
    arrived(&origin, 3).await;
    assert_eq!(origin.count("/a"), 4);
    origin.release_one("a");
    for (number, answer) in answers(crowd).await.iter().enumerate() {
        assert_eq!(answer.text(), ["de", "en", "fr"][number % 3]);
    }
    assert_eq!(origin.count("/a"), 4);
}

#[tokio::test]
async fn cold_variants_are_never_mixed_up() {
    let origin = origin().await;
    let (portcullis, _raw) = caching(&origin, "").await;
    origin.script_by("/a", |asked, number| {
        let language = asked.field("accept-language").to_owned();
        let answer = fresh().field("Vary", "Accept-Language").body(language);
        if number == 0 {
            answer.held("a")
        } else {
            answer
        }
    });
    let mut crowd = Vec::new();
    for number in 0..12 {
        let mut raw = Raw::connect(portcullis.listener("http")).await;
        let head = format!(
            "GET /a HTTP/1.1\r\nHost: a.test\r\nAccept-Language: l{}\r\n\r\n",
            number % 3
        );
        raw.send(head).await;
        crowd.push(raw);
    }
    in_flight(&portcullis, 12).await;
    origin.release_one("a");
    for (number, answer) in answers(crowd).await.iter().enumerate() {
        assert_eq!(answer.text(), format!("l{}", number % 3));
    }
    assert!(origin.count("/a") < 12, "{}", origin.count("/a"));
}

/// Of what the endpoint was asked at once, the most.
fn most(origin: &Origin) -> u64 {
    origin.journal().most_in_flight()
}

#[tokio::test]
async fn an_endpoint_that_fails_is_not_stormed() {
    let origin = origin().await;
    let (portcullis, _raw) = caching(&origin, "collapse: 60s").await;
    let failure = Scripted::new(503)
        .body("not now")
        .delay(Duration::from_millis(5));
    origin.script("/a", [failure.clone().held("a"), failure]);
    let crowd = crowd(&portcullis, 50, "/a").await;
    origin.release_one("a");
    for answer in answers(crowd).await {
        assert_eq!((answer.status, answer.text()), (503, "not now".to_owned()));
    }
    assert!(most(&origin) <= 2, "{} at once", most(&origin));
}

#[tokio::test]
async fn an_endpoint_that_does_not_answer_is_asked_once_for_all() {
    let origin = origin().await;
    let endpoint = origin.address().expect("TCP");
    let portcullis = Portcullis::start(&format!(
        "listeners: [{{name: http, address: \"127.0.0.1:0\"}}]\n\
         routes: [{{name: all, pool: origin, cache: {{collapse: 60s}}}}]\n\
         pools: [{{name: origin, endpoints: [\"{endpoint}\"], timeouts: {{first_byte: 5s}}}}]\n"
    ))
    .await;
    origin.script("/a", [fresh().held("never")]);
    let crowd = crowd(&portcullis, 50, "/a").await;
    for answer in answers(crowd).await {
        assert_eq!(answer.status, 504);
    }
    assert_eq!(origin.count("/a"), 1);
}

#[tokio::test]
async fn a_body_that_breaks_off_is_given_to_nobody_as_whole_and_not_stored() {
    let origin = origin().await;
    let (portcullis, mut raw) = caching(&origin, "").await;
    let broken = fresh().body("half").until("a").break_off().body("whole");
    origin.script("/a", [broken, fresh().body("all of it")]);
    let crowd = crowd(&portcullis, 10, "/a").await;
    origin.release_one("a");
    for mut raw in crowd {
        let rest = in_time("the end", raw.rest()).await;
        let rest = String::from_utf8_lossy(&rest).into_owned();
        assert!(rest.ends_with("half"), "{rest}");
    }
    assert_eq!(origin.count("/a"), 1);
    assert_eq!(stored(&mut raw, "/a", &[]).await.text(), "all of it");
}

#[tokio::test]
async fn who_asks_after_a_purge_is_not_given_what_was_asked_for_before() {
    let origin = origin().await;
    let (portcullis, mut first) = caching(&origin, "purge_from: [127.0.0.1/32]").await;
    origin.script("/a", [fresh().held("a").body("old"), fresh().body("new")]);
    first.send("GET /a HTTP/1.1\r\nHost: a.test\r\n\r\n").await;
    arrived(&origin, 1).await;
    let mut raw = Raw::connect(portcullis.listener("http")).await;
    let purged = ask(&mut raw, "PURGE /a", &[]).await;
    assert!(purged.status == 200 || purged.status == 204, "{purged:?}");
    let answer = in_time("an answer of its own", ask(&mut raw, "GET /a", &[])).await;
    assert_eq!(answer.text(), "new");
    origin.release_one("a");
    assert_eq!(first.response().await.text(), "old");
    // What was under way is not found again.
    for _ in 0..20 {
        assert_eq!(ask(&mut raw, "GET /a", &[]).await.text(), "new");
    }
    assert_eq!(origin.count("/a"), 2);
}
