//! Does a configuration of which one part can't be had leave everything as it was?

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::path::Path;

use super::*;

/// What a broken reload must leave alone.
struct Before {
    /// `http` answers `before`, and there is nothing else.
    portcullis: Portcullis,
    /// What it has open when nobody asks.
    descriptors: BTreeMap<String, usize>,
}

async fn start() -> Before {
    let portcullis = Portcullis::start(&config(&[HTTP], &[&says("before", &[])], &[])).await;
    // Each worker reads files of the system when it starts.
    let own = portcullis.directory().display().to_string();
    eventually("the workers are there", async || {
        let mut files = portcullis.descriptors().into_keys();
        files.all(|file| !file.starts_with('/') || file == "/dev/null" || file.starts_with(&own))
    })
    .await;
    let descriptors = portcullis.descriptors();
    Before {
        portcullis,
        descriptors,
    }
}

/// Tries a configuration that has a new route, a new listener on a port and one on a Unix socket, beside what is broken.
/// None of it must be there, and the answer must name the place of what is broken.
async fn nothing_of(
    Before {
        portcullis,
        descriptors,
    }: &Before,
    listeners: &[&str],
    more: &str,
    place: &str,
) -> Said {
    let free = free_port();
    let new = format!("{{name: new, address: \"127.0.0.1:{free}\"}}");
    let unix = "{name: unix, address: \"unix:@dir@/new.sock\"}";
    for backwards in [false, true] {
        let mut all = vec![HTTP, &new, unix];
        all.extend(listeners);
        if backwards {
            all.reverse();
        }
        let yaml = config(&all, &[&says("after", &[])], &[]) + more;
        let said = portcullis.rejected(&yaml).await;
        assert_eq!(text(portcullis.listener("http")).await, "before");
        assert!(is_refused(([127, 0, 0, 1], free).into()).await, "{said:?}");
        assert!(
            !portcullis.directory().join("new.sock").exists(),
            "{said:?}"
        );
        if backwards {
            assert!(said.text.contains(place), "{place}: {said:?}");
            portcullis.has_descriptors(descriptors).await;
            assert_eq!(
                portcullis.metric("portcullis_config_generation ").await,
                1.0
            );
            return said;
        }
    }
    unreachable!("it is tried twice")
}

#[tokio::test]
async fn a_certificate_that_cannot_be_read() {
    let before = start().await;
    let portcullis = &before.portcullis;
    let authority = Authority::new();
    let (a, b) = (authority.issue(&["a.test"]), authority.issue(&["b.test"]));
    let tls = "{name: tls, address: \"127.0.0.1:0\", tls: {certificates: [{certificate: a.crt, key: a.key}]}}";
    let broken = [
        (None, None, "a.crt"),
        (Some(a.certificate.as_str()), None, "a.key"),
        (Some("nonsense"), Some(a.key.as_str()), "a.crt"),
        (Some(a.certificate.as_str()), Some(b.key.as_str()), "key"),
    ];
    for (certificate, key, said) in broken {
        for (name, contents) in [("a.crt", certificate), ("a.key", key)] {
            let _ = std::fs::remove_file(portcullis.directory().join(name));
            if let Some(contents) = contents {
                portcullis.replace(name, contents);
            }
        }
        let answer = nothing_of(&before, &[tls], "", "portcullis.yaml:2:").await;
        assert!(answer.text.contains(said), "{said}: {answer:?}");
    }
}

#[tokio::test]
async fn an_address_that_is_taken() {
    let before = start().await;
    let portcullis = &before.portcullis;
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let taken = listener.local_addr().expect("an address");
    let written = format!("{{name: taken, address: \"{taken}\"}}");
    let said = nothing_of(&before, &[&written], "", "portcullis.yaml:2:26: error: ").await;
    let message = format!(
        "listeners[taken].address: {taken}: port {} is taken",
        taken.port()
    );
    assert!(said.text.contains(&message), "{said:?}");
    // When the port is free, the same configuration will do.
    drop(listener);
    portcullis
        .apply(&config(&[HTTP, &written], &[&says("after", &[])], &[]))
        .await;
    assert_eq!(text(taken).await, "after");
}

#[tokio::test]
async fn every_address_that_is_taken_is_named_at_once() {
    let before = start().await;
    let taken = || TcpListener::bind("127.0.0.1:0").expect("a port");
    let (one, two, three) = (taken(), taken(), taken());
    let [one_at, two_at, three_at] = [&one, &two, &three].map(|one| one.local_addr().expect("TCP"));
    let (one_is, two_is) = (
        format!("{{name: one, address: \"{one_at}\"}}"),
        format!("{{name: two, address: \"{two_at}\"}}"),
    );
    let admin = format!("admin: {{address: \"{three_at}\"}}\n");
    let said = nothing_of(
        &before,
        &[&one_is, &two_is],
        &admin,
        "error: admin.address: ",
    )
    .await;
    for address in [one_at, two_at, three_at] {
        assert!(said.text.contains(&format!("{address}: port ")), "{said:?}");
    }
}

#[tokio::test]
async fn an_admin_address_that_is_taken() {
    let before = start().await;
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let taken = listener.local_addr().expect("an address");
    let admin = format!("admin: {{address: \"{taken}\"}}\n");
    let place = "portcullis.yaml:7:18: error: admin.address: ";
    nothing_of(&before, &[], &admin, place).await;
}

#[tokio::test]
async fn an_access_log_that_cannot_be_opened() {
    let before = start().await;
    let portcullis = &before.portcullis;
    for (path, place) in [
        (
            "nowhere/access.log",
            "portcullis.yaml:7:20: error: access_log.path: ",
        ),
        // A directory in which not even root can make a file.
        (
            "/proc/access.log",
            "portcullis.yaml:7:20: error: access_log.path: ",
        ),
    ] {
        let log = format!("access_log: {{path: {path}}}\n");
        nothing_of(&before, &[], &log, place).await;
    }
    portcullis.logged(|line| line["route"] == "before").await;
}

#[tokio::test]
async fn a_unix_socket_where_there_is_a_file_or_another_process() {
    let before = start().await;
    let portcullis = &before.portcullis;
    portcullis.replace("file", "precious");
    let other = portcullis.directory().join("other.sock");
    let _other = std::os::unix::net::UnixListener::bind(&other).expect("a socket");
    for name in ["file", "other.sock"] {
        let listener = format!("{{name: here, address: \"unix:@dir@/{name}\"}}");
        nothing_of(&before, &[&listener], "", "portcullis.yaml:2:25: error: ").await;
    }
    let file = std::fs::read_to_string(Path::new(portcullis.directory()).join("file"));
    assert_eq!(file.expect("a file"), "precious");
    assert!(std::os::unix::net::UnixStream::connect(&other).is_ok());
}
