//! Why does a process not start, and does it say so once and clearly?

use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;

use crate::support::*;

const HELLO: &str = "routes: [{name: hello, respond: {body: hello}}]\n";
const ANY_PORT: &str = "listeners: [{name: http, address: \"127.0.0.1:0\"}]\n";

/// A port at which somebody else listens.
fn taken() -> (TcpListener, u16) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    (listener, port)
}

/// What is said about a problem: lines that stand on their own, without the log's.
fn complaints(said: &str) -> Vec<&str> {
    assert!(!said.contains("panicked"), "{said}");
    assert!(!said.contains("ERROR"), "said twice: {said}");
    let mut lines: Vec<&str> = said.lines().collect();
    // The log may have begun before the problem was met.
    lines.retain(|line| !line.contains(" INFO ") && !line.contains(" WARN "));
    lines
}

/// The one complaint there is.
fn complaint(said: &str) -> String {
    let lines = complaints(said);
    assert_eq!(lines.len(), 1, "{said}");
    lines[0].to_owned()
}

#[test]
fn a_bad_configuration_is_refused_with_everything_that_is_wrong() {
    let yaml = "listeners: [{name: http, address: \"127.0.0.1:0\", nonsense: 1}]\n\
                routes: [{name: a, pool: nowhere}]\n\
                runtime: {grace: soon}\n";
    let said = Portcullis::builder(yaml).refused(1);
    let lines = complaints(&said);
    for (place, word) in [(":1:", "nonsense"), (":2:", "nowhere"), (":3:", "grace")] {
        let about = lines.iter().filter(|line| line.contains(word));
        let places: Vec<_> = about.filter(|line| line.contains(place)).collect();
        assert_eq!(places.len(), 1, "{word}: {said}");
    }
    let said = Portcullis::builder("listeners: [").refused(1);
    assert!(said.contains("portcullis.yaml:"), "{said}");
    complaints(&said);
}

#[test]
fn a_configuration_that_is_not_there_is_named() {
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_portcullis"))
        .args(["run", "-c", "/nowhere/portcullis.yaml"])
        .output()
        .expect("the binary");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(
        complaint(&said).contains("/nowhere/portcullis.yaml"),
        "{said}"
    );
}

#[test]
fn every_port_that_is_taken_is_named_with_its_listener() {
    let ((_one, first), (_two, second)) = (taken(), taken());
    let listeners = format!(
        "listeners:\n\
         - {{name: alpha, address: \"127.0.0.1:{first}\"}}\n\
         - {{name: fine, address: \"127.0.0.1:0\"}}\n\
         - {{name: omega, address: \"127.0.0.1:{second}\"}}\n"
    );
    let said = Portcullis::builder(&(listeners + HELLO)).refused(3);
    let lines = complaints(&said);
    assert_eq!(lines.len(), 2, "{said}");
    for (line, name, port) in [(lines[0], "alpha", first), (lines[1], "omega", second)] {
        assert!(line.contains(&format!("listener `{name}`")), "{line}");
        assert!(line.contains(&format!("port {port} is taken")), "{line}");
    }
}

#[test]
fn an_admin_port_that_is_taken_is_named() {
    let (_listener, port) = taken();
    let yaml = format!("{ANY_PORT}{HELLO}admin: {{address: \"127.0.0.1:{port}\"}}\n");
    let said = complaint(&Portcullis::builder(&yaml).refused(3));
    assert!(
        said.contains("admin") && said.contains(&format!("port {port} is taken")),
        "{said}"
    );
}

#[test]
fn an_address_of_another_machine_is_named() {
    let yaml = format!("listeners: [{{name: http, address: \"192.0.2.1:8080\"}}]\n{HELLO}");
    let said = complaint(&Portcullis::builder(&yaml).refused(3));
    assert!(
        said.contains("listener `http`") && said.contains("192.0.2.1:8080"),
        "{said}"
    );
}

#[test]
fn a_certificate_that_can_not_be_read_is_named() {
    let listener = "listeners: [{name: https, address: \"127.0.0.1:0\", \
                    tls: {certificates: [{certificate: a.crt, key: a.key}]}}]\n";
    let yaml = format!("{listener}{HELLO}");
    let missing = Portcullis::builder(&yaml).refused(4);
    assert!(
        missing.contains("a.crt") && missing.contains("portcullis.yaml:1:"),
        "{missing}"
    );
    complaints(&missing);
    let builder = Portcullis::builder(&yaml)
        .file("a.crt", "no certificate")
        .file("a.key", "no key");
    let broken = builder.refused(4);
    assert!(broken.contains("a.crt"), "{broken}");
    complaints(&broken);
    // With an error of another kind beside it, it is a bad configuration.
    let both = yaml + "runtime: {grace: soon}\n";
    Portcullis::builder(&both).refused(1);
}

#[test]
fn a_unix_socket_that_is_in_use_is_named_and_left_alone() {
    let yaml = format!("listeners: [{{name: http, address: \"unix:@dir@/edge.sock\"}}]\n{HELLO}");
    let builder = Portcullis::builder(&yaml);
    let path = builder.directory().join("edge.sock");
    let used = UnixListener::bind(&path).expect("a socket");
    let said = complaint(&builder.refused(5));
    assert!(
        said.contains("listener `http`") && said.contains("edge.sock"),
        "{said}"
    );
    used.set_nonblocking(true).expect("set");
    // Whether somebody is there was found out by connecting.
    while used.accept().is_ok() {}
    std::os::unix::net::UnixStream::connect(&path).expect("it is still there");
    used.accept().expect("and still the same");
}

#[test]
fn a_file_that_is_no_socket_is_named_and_left_alone() {
    let yaml = format!("{ANY_PORT}{HELLO}admin: {{address: 'unix:@dir@/precious.txt'}}\n");
    let builder = Portcullis::builder(&yaml).file("precious.txt", "kept");
    let said = complaint(&builder.refused(5));
    assert!(
        said.contains("admin") && said.contains("not a socket"),
        "{said}"
    );
    let text = std::fs::read_to_string(builder.directory().join("precious.txt"));
    assert_eq!(text.expect("a file"), "kept");
}

#[test]
fn a_log_or_pid_file_that_can_not_be_written_is_named() {
    // In /proc not even root can make a file.
    for (section, what) in [
        (
            "access_log: {path: /proc/access.log}\n",
            "access log /proc/access.log: ",
        ),
        ("runtime: {pid_file: /proc/pid}\n", "PID file /proc/pid: "),
        ("runtime: {pid_file: /proc}\n", "PID file /proc: "),
    ] {
        let said = Portcullis::builder(&format!("{ANY_PORT}{HELLO}{section}")).refused(6);
        assert!(complaint(&said).starts_with(what), "{said}");
    }
}

#[test]
fn a_folder_of_a_log_that_is_not_there_is_an_error_of_the_configuration() {
    let yaml = format!("{ANY_PORT}{HELLO}access_log: {{path: '@dir@/nowhere/access.log'}}\n");
    let said = complaint(&Portcullis::builder(&yaml).refused(1));
    assert!(
        said.contains("portcullis.yaml:3:") && said.contains("/nowhere does not exist"),
        "{said}"
    );
}

#[test]
fn a_directory_for_the_control_socket_that_others_can_enter_is_refused() {
    let yaml = format!("{ANY_PORT}{HELLO}runtime: {{directory: '@dir@/open'}}\n");
    let builder = Portcullis::builder(&yaml);
    let open = builder.directory().join("open");
    std::fs::create_dir(&open).expect("a folder");
    std::fs::set_permissions(&open, PermissionsExt::from_mode(0o777)).expect("its mode");
    let said = complaint(&builder.refused(5));
    assert!(
        said.contains("runtime.directory") && said.contains("0700"),
        "{said}"
    );
}

#[tokio::test]
async fn a_control_socket_that_is_in_use_is_refused_and_left_alone() {
    let place = tempfile::tempdir().expect("a directory");
    let directory = place.path().join("own").display().to_string();
    let yaml = format!("{ANY_PORT}{HELLO}runtime: {{directory: '{directory}'}}\n");
    let running = Portcullis::start(&yaml).await;
    let said = complaint(&Portcullis::builder(&yaml).refused(5));
    assert!(said.contains("control"), "{said}");
    let mut client = unix1(&place.path().join("own/control.sock")).await;
    assert_eq!(client.get("/readyz").await.text(), "ready\n");
    drop(running);
}

#[tokio::test]
async fn a_start_that_fails_leaves_no_file_behind() {
    let (_listener, port) = taken();
    let yaml = format!(
        "listeners: [{{name: http, address: \"unix:@dir@/edge.sock\"}}]\n{HELLO}\
         admin: {{address: \"127.0.0.1:{port}\"}}\n\
         runtime: {{pid_file: '@dir@/pid'}}\n"
    );
    let builder = Portcullis::builder(&yaml);
    builder.refused(3);
    for name in ["edge.sock", "pid"] {
        assert!(!builder.directory().join(name).exists(), "{name}");
    }
}
