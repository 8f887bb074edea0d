//! Do users come in with their passwords, and nobody else?

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::support::*;

/// Fits `secret`: bcrypt of the lowest cost.
const SECRET: &str = "$2y$04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW";
/// Fits `pässwort`.
const OTHER: &str = "$2y$04$abcdefghijklmnopqrstuuWPyT3zuK3JxmyXx5UFcdTiysSm3GF5K";
/// Fits `password`.
const ARGON2: &str =
    "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4";
/// Fits nothing that is tried here, and costs 16 times as much.
const SLOW: &str = "$2y$08$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW";

fn basic(user: &str, password: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{user}:{password}")))
}

/// A configuration with these routes, each with the pool `origin`.
fn config(origin: &origin::Origin, routes: &[(&str, &str)]) -> String {
    let endpoint = origin.address().expect("an origin on TCP");
    let routes: String = routes
        .iter()
        .map(|(path, policy)| {
            format!("- {{name: \"{path}\", match: {{paths: [{{prefix: \"/{path}\"}}]}}, rewrite: {{prefix: /}}, pool: origin, {policy}}}\n")
        })
        .collect();
    format!(
        "forwarding: {{trusted_proxies: [127.0.0.1]}}\n\
         listeners: [{{name: http, address: '127.0.0.1:0'}}]\n\
         pools: [{{name: origin, endpoints: ['{endpoint}']}}]\n\
         routes:\n{routes}"
    )
}

async fn ask(client: &mut Client, path: &str, authorization: &[&str]) -> Answer {
    let mut asked = request("GET", path)
        .header("x-remote-user", "root")
        .header("x_remote_user", "root");
    for value in authorization {
        asked = asked.header("authorization", *value);
    }
    client.ask(asked.body(full("")).expect("a request")).await
}

#[tokio::test]
async fn a_user_comes_in_and_the_endpoint_learns_the_name_but_not_the_password() {
    both_carriers(async |carrier| {
        let origin = origin().await;
        let file = "file: users.htpasswd, user_header: X-Remote-User";
        let yaml = config(
            &origin,
            &[
                (
                    "staff",
                    &format!("basic_auth: {{{file}, realm: 'the \"back\" office'}}"),
                ),
                (
                    "both",
                    &format!("basic_auth: {{users: {{emil: '{ARGON2}'}}, forward: true}}"),
                ),
            ],
        );
        // As some editors write it: with a byte order mark, and two characters at the end of a line.
        let users = format!("\u{feff}anna:{SECRET}\r\n# more\r\n\r\nbjörn:{OTHER}\r\n");
        let builder = Portcullis::builder(&yaml).carrier(carrier);
        let portcullis = builder.file("users.htpasswd", users).start().await;
        let address = portcullis.listener("http");
        for mut client in [http1(address).await, http2(address).await] {
            // Tried the first time, known the second.
            for _ in 0..2 {
                for (user, password) in [("anna", "secret"), ("björn", "pässwort")] {
                    let answer = ask(&mut client, "/staff/echo", &[&basic(user, password)]).await;
                    assert_eq!(answer.status, 200, "{user}");
                    assert_eq!(answer.header("www-authenticate"), None);
                    assert_eq!(answer.seen_header("authorization"), None);
                    assert_eq!(answer.seen_header("x_remote_user"), None);
                    let seen = answer.seen_header("x-remote-user").expect("a name");
                    assert_eq!(seen.chars().next(), user.chars().next());
                }
                let good = basic("emil", "password");
                let answer = ask(&mut client, "/both/echo", &[&good]).await;
                assert_eq!(answer.seen_header("authorization"), Some(good));
                assert_eq!(answer.seen_header("x-remote-user").as_deref(), Some("root"));
            }
        }
        let seen = origin.journal().requests();
        for mut client in [http1(address).await, http2(address).await] {
            let (good, encoded) = (basic("anna", "secret"), STANDARD.encode("anna:secret"));
            for wrong in [
                vec![],
                vec![basic("anna", "Secret")],
                vec![basic("anna", "")],
                vec![basic("anna", "pässwort")],
                vec![basic("emil", "password")],
                vec![basic("nobody", "secret")],
                vec![basic("", "")],
                vec![good.clone(), good.clone()],
                vec![format!("Bearer {encoded}")],
                vec![encoded.clone()],
                vec![format!("Basic {}", encoded.trim_end_matches('='))],
                vec![format!("Basic {}", STANDARD.encode("anna"))],
                vec![format!("Basic {}", "YTpi".repeat(1000))],
            ] {
                let wrong: Vec<&str> = wrong.iter().map(String::as_str).collect();
                let answer = ask(&mut client, "/staff/echo", &wrong).await;
                assert_eq!(answer.status, 401, "{wrong:?}");
                let challenge = "Basic realm=\"the \\\"back\\\" office\", charset=\"UTF-8\"";
                assert_eq!(answer.header("www-authenticate"), Some(challenge));
            }
            assert_eq!(ask(&mut client, "/staff/echo", &[&good]).await.status, 200);
        }
        assert_eq!(
            origin.journal().requests(),
            seen + 2,
            "who is refused does not get there"
        );
        let line = portcullis.logged(|line| line["status"] == 401).await;
        assert_eq!(
            (&line["reason"], line.get("user")),
            (&"unauthenticated".into(), None)
        );
        let line = portcullis.logged(|line| line["user"] == "björn").await;
        assert_eq!(line["route"], "staff");
    })
    .await;
}

#[tokio::test]
async fn a_changed_file_ends_what_was_known_of_old_passwords() {
    let origin = origin().await;
    let yaml = config(&origin, &[("staff", "basic_auth: {file: users.htpasswd}")])
        + "runtime: {watch: 100ms}\n";
    let builder = Portcullis::builder(&yaml).file("users.htpasswd", format!("anna:{SECRET}\n"));
    let portcullis = builder.start().await;
    let mut client = http1(portcullis.listener("http")).await;
    let (old, new) = (basic("anna", "secret"), basic("anna", "pässwort"));
    assert_eq!(ask(&mut client, "/staff/echo", &[&old]).await.status, 200);
    assert_eq!(ask(&mut client, "/staff/echo", &[&new]).await.status, 401);

    portcullis.replace("users.htpasswd", format!("anna:{OTHER}\n"));
    eventually("the new password is right", async || {
        ask(&mut client, "/staff/echo", &[&new]).await.status == 200
    })
    .await;
    assert_eq!(ask(&mut client, "/staff/echo", &[&old]).await.status, 401);

    portcullis.replace("users.htpasswd", format!("anna:{OTHER}\nbert:hunter2\n"));
    portcullis
        .says("users.htpasswd:2:1: error: routes[staff].basic_auth.file: ")
        .await;
    assert!(!portcullis.stderr().contains("hunter2"));
    assert_eq!(
        ask(&mut client, "/staff/echo", &[&new]).await.status,
        200,
        "the last good file counts"
    );

    portcullis.replace("users.htpasswd", format!("bert:{OTHER}\n"));
    eventually("she is no user any more", async || {
        ask(&mut client, "/staff/echo", &[&new]).await.status == 401
    })
    .await;
}

#[tokio::test]
async fn a_grpc_client_is_told_in_its_own_way() {
    let origin = origin().await;
    let yaml = config(
        &origin,
        &[(
            "origin.Echo",
            &format!("basic_auth: {{users: {{anna: {SECRET}}}}}"),
        )],
    );
    let portcullis = Portcullis::start(&yaml).await;
    let mut client = http2(portcullis.listener("http")).await;
    let asked = request("POST", "/origin.Echo/Unary").header("content-type", "application/grpc");
    let answer = client.ask(asked.body(full("")).expect("a request")).await;
    assert_eq!(
        (answer.status.as_u16(), answer.header("grpc-status")),
        (200, Some("16"))
    );
    assert!(
        answer
            .header("www-authenticate")
            .is_some_and(|value| value.starts_with("Basic "))
    );
}

/// Sends requests with wrong passwords, each another one, and counts the answers by their status.
async fn flood(address: std::net::SocketAddr, who: usize, answers: &[AtomicUsize; 2]) {
    let mut client = http1(address).await;
    for number in 0..10 {
        let wrong = basic("slow", &format!("{who} {number}"));
        let answer = ask(&mut client, "/staff/echo", &[&wrong]).await;
        match answer.status.as_u16() {
            401 => answers[0].fetch_add(1, Ordering::Relaxed),
            503 => {
                assert_eq!(answer.header("retry-after"), Some("1"));
                answers[1].fetch_add(1, Ordering::Relaxed)
            }
            status => panic!("{status}"),
        };
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_wrong_passwords_hurts_neither_who_is_known_nor_who_needs_none_nor_another_client()
 {
    let origin = origin().await;
    let users = format!("users: {{slow: {SLOW}, anna: {SECRET}, bert: {OTHER}}}");
    let yaml = config(
        &origin,
        &[
            ("staff", &format!("basic_auth: {{{users}}}")),
            ("open", "max_body: 0"),
        ],
    );
    let portcullis = Portcullis::start(&yaml).await;
    let address = portcullis.listener("http");
    let mut client = http1(address).await;
    let anna = basic("anna", "secret");
    assert_eq!(ask(&mut client, "/staff/echo", &[&anna]).await.status, 200);

    let answers: Arc<[AtomicUsize; 2]> = Arc::default();
    let attackers: Vec<_> = (0..20)
        .map(|who| {
            let answers = Arc::clone(&answers);
            tokio::spawn(async move { flood(address, who, &answers).await })
        })
        .collect();
    eventually("too many wait", async || {
        answers[1].load(Ordering::Relaxed) > 0
    })
    .await;
    // Passwords of the flood are being tried all the while.
    let mut asked = 0;
    while attackers.iter().any(|attacker| !attacker.is_finished()) && asked < 100 {
        assert_eq!(ask(&mut client, "/staff/echo", &[&anna]).await.status, 200);
        assert_eq!(ask(&mut client, "/open/echo", &[]).await.status, 200);
        asked += 1;
    }
    // One more comes from elsewhere, and waits for those that are being tried, not for all that wait.
    let asked = request("GET", "/staff/echo")
        .header("x-forwarded-for", "192.0.2.1")
        .header("authorization", basic("bert", "pässwort"));
    let answer = client.ask(asked.body(full("")).expect("a request")).await;
    assert_eq!(answer.status, 200);
    for attacker in attackers {
        attacker.await.expect("only 401 and 503");
    }
    let [wrong, turned_away] = [0, 1].map(|index| answers[index].load(Ordering::Relaxed));
    assert_eq!(wrong + turned_away, 200);
    assert!(
        turned_away > wrong,
        "{turned_away} were turned away, {wrong} tried"
    );
    let line = portcullis.logged(|line| line["status"] == 503).await;
    assert_eq!(line["reason"], "auth_unavailable");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_from_more_addresses_than_the_line_has_room_for_locks_nobody_out() {
    let origin = origin().await;
    // Each address is to err once before it counts, and that one after the other.
    let slow = SLOW.replace("$08$", "$06$");
    let users = format!("users: {{slow: {slow}, anna: {SECRET}, bert: {OTHER}}}");
    let yaml = config(&origin, &[("staff", &format!("basic_auth: {{{users}}}"))]);
    let portcullis = Portcullis::start(&yaml).await;
    let address = portcullis.listener("http");
    let mut client = http1(address).await;
    let anna = basic("anna", "secret");
    assert_eq!(ask(&mut client, "/staff/echo", &[&anna]).await.status, 200);

    // So many addresses, each with as many passwords in the line as it may have: 136 for 128 places.
    const ADDRESSES: usize = 17;
    let (turned_away, over) = (Arc::<AtomicUsize>::default(), Arc::<AtomicBool>::default());
    let erred = Arc::<[AtomicBool; ADDRESSES]>::default();
    let attackers: Vec<_> = (0..ADDRESSES * 8)
        .map(|who| {
            let (turned_away, over) = (Arc::clone(&turned_away), Arc::clone(&over));
            let erred = Arc::clone(&erred);
            tokio::spawn(async move {
                let mut client = http1(address).await;
                let mut number = 0;
                while !over.load(Ordering::Relaxed) {
                    number += 1;
                    let wrong = basic("slow", &format!("{who} {number}"));
                    let from = format!("198.51.100.{}", who % ADDRESSES);
                    match ask_from(&mut client, &from, &wrong).await.status.as_u16() {
                        401 => erred[who % ADDRESSES].store(true, Ordering::Relaxed),
                        503 => {
                            turned_away.fetch_add(1, Ordering::Relaxed);
                            // Refusals come at once: without a rest they would take the whole machine.
                            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
                        }
                        status => panic!("{status}"),
                    }
                }
            })
        })
        .collect();
    // Who has not erred yet is a newcomer like any other, and a newcomer waits for those that came before it.
    eventually("the line is full, and all have erred", async || {
        let has_erred = |one: &AtomicBool| one.load(Ordering::Relaxed);
        turned_away.load(Ordering::Relaxed) > 0 && erred.iter().all(has_erred)
    })
    .await;
    for newcomer in 0..5 {
        let before = turned_away.load(Ordering::Relaxed);
        assert_eq!(ask(&mut client, "/staff/echo", &[&anna]).await.status, 200);
        // Right or wrong, each is tried: none of them is known, and none comes from where another came from.
        let (user, password, status) = match newcomer {
            0 => ("bert", "pässwort", 200),
            _ => ("anna", ["", "a", "b", "c", "d"][newcomer], 401),
        };
        let from = format!("192.0.2.{newcomer}");
        let answer = ask_from(&mut client, &from, &basic(user, password)).await;
        assert_eq!(answer.status, status, "{newcomer}");
        eventually("the line is full again", async || {
            turned_away.load(Ordering::Relaxed) > before
        })
        .await;
    }
    over.store(true, Ordering::Relaxed);
    for attacker in attackers {
        attacker.await.expect("only 401 and 503");
    }
}

async fn ask_from(client: &mut Client, from: &str, authorization: &str) -> Answer {
    let asked = request("GET", "/staff/echo")
        .header("x-forwarded-for", from)
        .header("authorization", authorization);
    client.ask(asked.body(full("")).expect("a request")).await
}
