//! What becomes of the files of a process: PID file, Unix sockets?

use std::os::unix::net::UnixListener;
use std::path::Path;

use crate::support::*;

const HELLO: &str = "routes: [{name: hello, respond: {body: hello}}]\n";

fn on_a_unix_socket() -> String {
    format!("listeners: [{{name: http, address: \"unix:@dir@/edge.sock\"}}]\n{HELLO}")
}

fn with_a_pid_file() -> String {
    format!(
        "listeners: [{{name: http, address: \"127.0.0.1:0\"}}]\n{HELLO}runtime: {{pid_file: '@dir@/pid'}}\n"
    )
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).expect("a file")
}

#[tokio::test]
async fn the_file_of_a_unix_socket_goes_with_the_process() {
    let yaml = on_a_unix_socket() + "admin: {address: 'unix:@dir@/admin.sock'}\n";
    let mut portcullis = Portcullis::start(&yaml).await;
    let place = portcullis.directory().to_owned();
    for name in ["edge.sock", "admin.sock"] {
        assert!(place.join(name).exists(), "{name}");
    }
    assert_eq!(
        unix1(&place.join("edge.sock")).await.get("/").await.text(),
        "hello"
    );
    assert_eq!(portcullis.stop().await.code(), Some(0));
    for name in ["edge.sock", "admin.sock"] {
        assert!(!place.join(name).exists(), "{name}");
    }
    // Nor is the control socket left.
    let sockets = |folder: &Path| {
        let names = std::fs::read_dir(folder).expect("a folder");
        let paths = names.map(|name| name.expect("a name").path());
        paths.collect::<Vec<_>>()
    };
    for folder in sockets(&place.join("run")) {
        assert!(sockets(&folder).is_empty(), "{:?}", sockets(&folder));
    }
}

#[tokio::test]
async fn the_file_of_a_unix_socket_goes_in_a_hurry_as_well() {
    let mut interrupted = Portcullis::start(&on_a_unix_socket()).await;
    let path = interrupted.directory().join("edge.sock");
    interrupted.signal("INT");
    assert_eq!(interrupted.end().await.code(), Some(0));
    assert!(!path.exists());
    let yaml = on_a_unix_socket() + "runtime: {stop_delay: 1h}\n";
    let mut hurried = Portcullis::start(&yaml).await;
    let path = hurried.directory().join("edge.sock");
    hurried.signal("TERM");
    hurried.says("accepted for another").await;
    assert!(path.exists());
    hurried.signal("TERM");
    assert_eq!(hurried.end().await.code(), Some(0));
    assert!(!path.exists());
}

#[tokio::test]
async fn the_file_of_a_unix_socket_stays_when_another_process_has_put_its_own_there() {
    let mut portcullis = Portcullis::start(&on_a_unix_socket()).await;
    let path = portcullis.directory().join("edge.sock");
    let other = portcullis.directory().join("other.sock");
    let other_process = UnixListener::bind(&other).expect("a socket");
    std::fs::rename(&other, &path).expect("renamed");
    assert_eq!(portcullis.stop().await.code(), Some(0));
    assert!(path.exists());
    std::os::unix::net::UnixStream::connect(&path).expect("the other's");
    other_process.accept().expect("connected");
}

#[tokio::test]
async fn the_pid_file_is_there_from_ready_to_the_end() {
    let mut portcullis = Portcullis::start(&with_a_pid_file()).await;
    let path = portcullis.directory().join("pid");
    assert_eq!(read(&path), format!("{}\n", portcullis.pid()));
    assert_eq!(portcullis.stop().await.code(), Some(0));
    assert!(!path.exists());
}

#[tokio::test]
async fn the_pid_file_stays_when_another_process_has_its_number_in_it() {
    let mut portcullis = Portcullis::start(&with_a_pid_file()).await;
    let path = portcullis.directory().join("pid");
    std::fs::write(&path, "1\n").expect("a file");
    assert_eq!(portcullis.stop().await.code(), Some(0));
    assert_eq!(read(&path), "1\n");
}

#[tokio::test]
async fn what_a_killed_process_leaves_does_not_stop_the_next_start() {
    let listeners = "listeners: [{name: http, address: \"unix:@dir@/edge.sock\"}, {name: tcp, address: \"127.0.0.1:@port@\"}]\n";
    let yaml = format!(
        "{listeners}{HELLO}admin: {{address: 'unix:@dir@/admin.sock'}}\n\
         runtime: {{pid_file: '@dir@/pid', directory: '@dir@/own'}}\n"
    );
    let place = tempfile::tempdir().expect("a directory");
    let yaml = yaml.replace("@dir@", &place.path().display().to_string());
    // The next ones come to the first one's port.
    let yaml = yaml.replace("@port@", &free_port().to_string());
    let mut first = Portcullis::start(&yaml).await;
    let mut client = http1(first.listener("tcp")).await;
    assert_eq!(client.get("/").await.text(), "hello");
    first.signal("KILL");
    first.end().await;
    for name in ["edge.sock", "admin.sock", "pid", "own/control.sock"] {
        assert!(place.path().join(name).exists(), "{name} was to be left");
    }
    let mut next = Portcullis::start(&yaml).await;
    assert_eq!(read(&place.path().join("pid")), format!("{}\n", next.pid()));
    assert_eq!(
        unix1(&place.path().join("edge.sock"))
            .await
            .get("/")
            .await
            .text(),
        "hello"
    );
    assert_eq!(
        unix1(&place.path().join("admin.sock"))
            .await
            .get("/readyz")
            .await
            .text(),
        "ready\n"
    );
    assert_eq!(
        http1(next.listener("tcp")).await.get("/").await.text(),
        "hello"
    );
    unix1(&place.path().join("own/control.sock"))
        .await
        .get("/readyz")
        .await;
    assert_eq!(next.stop().await.code(), Some(0));
}
