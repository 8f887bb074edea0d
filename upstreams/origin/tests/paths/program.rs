//! Does the program say what it does, and why it does not?

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Output, Stdio};

use crate::client::get;

fn program() -> Command {
    Command::new(env!("CARGO_BIN_EXE_origin"))
}

/// A running program and the line it printed when it was ready.
fn ready(arguments: &[&str]) -> (Child, String) {
    let mut child = program()
        .args(arguments)
        .stdout(Stdio::piped())
        .spawn()
        .expect("started");
    let out = child.stdout.take().expect("its output");
    let mut line = String::new();
    BufReader::new(out).read_line(&mut line).expect("a line");
    (child, line)
}

fn failed(arguments: &[&str]) -> (Option<i32>, String) {
    let Output { status, stderr, .. } = program().args(arguments).output().expect("started");
    (status.code(), String::from_utf8_lossy(&stderr).into_owned())
}

#[tokio::test]
async fn it_serves_until_it_is_terminated() {
    for signal in ["TERM", "INT"] {
        let arguments = ["--name", "b", "--listen", "127.0.0.1:0", "--threads", "1"];
        let (mut child, line) = ready(&arguments);
        let address = line
            .strip_prefix("listening on http://")
            .expect("the announcement")
            .trim_end();
        let address = address.parse().expect("an address");
        assert_eq!(get(address, "/x").await.text(), "hello from b: GET /x\n");
        let taken = failed(&["--listen", &address.to_string()]);
        assert_eq!(taken.0, Some(1));
        assert!(taken.1.contains(&address.to_string()), "{}", taken.1);
        let id = child.id().to_string();
        let killed = Command::new("kill").args(["-s", signal, &id]).status();
        assert!(killed.expect("kill ran").success());
        assert_eq!(child.wait().expect("ended").code(), Some(0), "{signal}");
    }
}

#[test]
fn bad_arguments_end_it_with_2_and_are_named() {
    let (code, message) = failed(&["--port", "1"]);
    assert_eq!(code, Some(2));
    assert!(message.contains("`--port`"), "{message}");
    assert!(message.contains("Usage:"), "{message}");
}
