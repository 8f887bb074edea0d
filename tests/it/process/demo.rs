//! Does the demo show what it promises?

use std::io::{BufRead, BufReader, Read};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};

use crate::support::*;

/// What the demo listens on, because its README says so.
const PORTS: [u16; 6] = [8080, 8443, 9001, 9002, 9003, 9901];

struct Demo(Child);

impl Drop for Demo {
    fn drop(&mut self) {
        // One that has ended already is no concern here.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn start() -> Demo {
    let mut command = Command::new(env!("CARGO_BIN_EXE_portcullis"));
    command
        .arg("demo")
        .env_remove("RUST_LOG")
        .stdin(Stdio::null());
    Demo(
        command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary"),
    )
}

fn kill(demo: &Demo, signal: &str) {
    let told = Command::new("kill")
        .arg(signal)
        .arg(demo.0.id().to_string())
        .status()
        .expect("kill");
    assert!(told.success());
}

/// One test and not two: both need the same fixed ports.
#[tokio::test]
async fn it_says_what_listens_where_answers_and_stops_on_sigint_and_names_a_port_that_is_taken() {
    if let Some(port) = PORTS
        .iter()
        .find(|port| TcpListener::bind((Ipv4Addr::UNSPECIFIED, **port)).is_err())
    {
        return skipped(&format!("port {port} of this machine is in use"));
    }
    let mut demo = start();
    let said = Arc::new(Mutex::new(String::new()));
    let stdout = demo.0.stdout.take().expect("piped");
    let stderr = demo.0.stderr.take().expect("piped");
    let outputs: [Box<dyn Read + Send>; 2] = [Box::new(stdout), Box::new(stderr)];
    for output in outputs {
        let heard = Arc::clone(&said);
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                heard
                    .lock()
                    .expect("no panic inside")
                    .push_str(&format!("{line}\n"));
            }
        });
    }
    eventually("the introduction", async || {
        assert!(demo.0.try_wait().expect("a child").is_none(), "it ended");
        said.lock()
            .expect("no panic inside")
            .contains("Ctrl-C stops it")
    })
    .await;
    let introduction = said.lock().expect("no panic inside").clone();
    for promise in [
        "http://localhost:8080",
        "https://localhost:8443",
        "127.0.0.1:9901/metrics",
        "127.0.0.1:9003",
        "curl ",
    ] {
        assert!(introduction.contains(promise), "{promise}: {introduction}");
    }
    let local = |port: u16| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    eventually("it is ready", async || {
        let Ok(stream) = tokio::net::TcpStream::connect(local(9901)).await else {
            return false;
        };
        Raw::over(stream).get("/readyz").await.status == 200
    })
    .await;
    let mut client = http1(local(8080)).await;
    let mut names = Vec::new();
    for _ in 0..3 {
        names.push(
            client
                .get("/")
                .await
                .header("x-origin")
                .expect("a name")
                .to_owned(),
        );
    }
    names.sort();
    assert_eq!(names, ["app-1", "app-2", "app-3"]);
    assert_eq!(client.get("/status").await.text(), "the edge is up\n");
    assert_eq!(
        client.get("/old/page").await.header("location"),
        Some("http://127.0.0.1:8080/new/page")
    );

    // What runs from memory has nothing that another process could be started with.
    kill(&demo, "-USR2");
    let reason = "serves on: this process has no configuration file to start another with";
    eventually("an upgrade is refused", async || {
        said.lock().expect("no panic inside").contains(reason)
    })
    .await;
    assert_eq!(client.get("/status").await.status, 200);

    // A second one finds the ports taken, says which, and does not panic.
    let mut second = start();
    let ended = eventually_some("the second one ends", async || {
        second.0.try_wait().expect("a child")
    })
    .await;
    let mut complaint = String::new();
    second
        .0
        .stderr
        .take()
        .expect("piped")
        .read_to_string(&mut complaint)
        .expect("UTF-8");
    assert_eq!(ended.code(), Some(3), "{complaint}");
    assert!(
        complaint.contains("port 9001 is taken") && !complaint.contains("panicked"),
        "{complaint}"
    );

    kill(&demo, "-INT");
    let ended = eventually_some("it ends", async || demo.0.try_wait().expect("a child")).await;
    assert_eq!(ended.code(), Some(0), "{ended:?}");
}
