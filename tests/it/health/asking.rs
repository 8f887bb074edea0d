//! What is asked over HTTP, and which answers are good?

use super::*;

#[tokio::test]
async fn a_check_is_the_request_that_is_configured_on_a_connection_of_its_own() {
    let patient = Patient::start("a").await;
    let health = "path: '/health?deep=1', method: POST, host: app.example.com, headers: {X-Check: 'yes'}, interval: 50ms, timeout: 5s";
    let portcullis = Portcullis::start(&checked(&[patient.address()], health)).await;
    eventually("two checks", async || patient.checks().len() >= 2).await;
    let checks = patient.checks();
    let lines: Vec<&str> = checks[0].lines().collect();
    assert_eq!(lines[0], "POST /health?deep=1 HTTP/1.1");
    let agent = concat!("user-agent: portcullis/", env!("CARGO_PKG_VERSION"));
    for line in [
        "host: app.example.com",
        "x-check: yes",
        "connection: close",
        agent,
    ] {
        assert!(lines.contains(&line), "{line} is not in {lines:?}");
    }
    eventually("connections of their own", async || {
        patient.connections() >= 2
    })
    .await;
    assert_eq!(patient.served(), 0);
    drop(portcullis);
}

/// A pool for each of these settings and for each patient, all of them behind one listener.
fn pools(settings: &[(String, &Patient)]) -> String {
    let pools = settings
        .iter()
        .enumerate()
        .map(|(number, (settings, patient))| {
            let address = patient.address();
            format!("  - {{name: p{number}, endpoints: [\"{address}\"], {settings}}}\n")
        });
    let pools: String = pools.collect();
    format!(
        "listeners: [{{name: http, address: \"127.0.0.1:0\"}}]\n\
         routes: [{{name: all, pool: p0}}]\npools:\n{pools}"
    )
}

#[tokio::test]
async fn the_host_is_that_of_the_pool_or_of_the_endpoint() {
    let patients = [
        Patient::start("a").await,
        Patient::start("b").await,
        Patient::start("c").await,
    ];
    let rules = ["host: keep", "host: endpoint", "host: a.example"];
    let settings = rules.map(|rule| format!("{rule}, health: {{path: /health}}"));
    let settings: Vec<_> = settings.into_iter().zip(&patients).collect();
    let _portcullis = Portcullis::start(&pools(&settings)).await;
    for (index, patient) in patients.iter().enumerate() {
        eventually("a check", async || !patient.checks().is_empty()).await;
        let host = match index {
            2 => "a.example".to_owned(),
            _ => patient.address().to_string(),
        };
        let head = patient.checks()[0].clone();
        assert!(head.contains(&format!("host: {host}\r\n")), "{head}");
    }
}

#[tokio::test]
async fn status_and_body_decide() {
    const BODY: &str = "the body is not as expected";
    let large = "x".repeat(70_000);
    let late = format!("{large}ready");
    let pattern = "body_regex: '(?m)^load: [0-4][0-9]?$', ";
    let cases = [
        ("", 200, "", None),
        ("", 299, "", None),
        // A redirect is not followed, and tells nothing.
        ("", 302, "", Some("status 302")),
        ("", 500, "", Some("status 500")),
        ("status: [301, 400-404], ", 301, "", None),
        ("status: [301, 400-404], ", 404, "", None),
        ("status: [301, 400-404], ", 200, "", Some("status 200")),
        ("body: ready, ", 200, "{\"is\": \"ready\"}", None),
        ("body: ready, ", 200, "not yet", Some(BODY)),
        ("body: ready, ", 503, "ready", Some("status 503")),
        // Only the beginning of a body is looked at.
        ("body: ready, ", 200, &late, Some(BODY)),
        ("body: xxx, ", 200, &late, None),
        (pattern, 200, "ok\nload: 42\n", None),
        (pattern, 200, "load: 99", Some(BODY)),
    ];
    let mut patients = Vec::new();
    for (_, status, body, _) in cases {
        let patient = Patient::start("a").await;
        patient.says(status, body);
        patients.push(patient);
    }
    let settings = cases.iter().map(|(rules, ..)| {
        format!("health: {{{rules}path: /health, interval: 1h, initial: unhealthy, rise: 1}}")
    });
    let settings: Vec<_> = settings.zip(&patients).collect();
    let portcullis = Portcullis::start(&pools(&settings)).await;
    for ((rules, status, _, cause), patient) in cases.iter().zip(&patients) {
        let said = match cause {
            None => format!("endpoint {} is healthy", patient.address()),
            Some(cause) => format!("endpoint {} is unhealthy: {cause}", patient.address()),
        };
        portcullis.says(&said).await;
        let healthy = is_healthy(&portcullis, patient.address()).await;
        assert_eq!(healthy, cause.is_none(), "{rules}{status}");
    }
}

#[tokio::test]
async fn a_check_that_hangs_anywhere_ends_as_a_whole() {
    // The system takes connections to it, and nobody answers.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let origin = origin().await;
    let endpoints = [
        silent.local_addr().expect("an address"),
        origin.address().expect("TCP"),
    ];
    // One that sends a byte from time to time is as late as one that sends none.
    for path in ["/hang", "/drip/100000/20"] {
        let rules = "body: zzz, timeout: 150ms, interval: 200ms, fall: 1";
        let yaml = checked(&endpoints, &format!("path: {path}, {rules}"));
        let portcullis = Portcullis::start(&yaml).await;
        for endpoint in endpoints {
            let said = format!("endpoint {endpoint} is unhealthy: timeout after 150ms");
            portcullis.says(&said).await;
        }
        // And is tried again.
        for endpoint in endpoints {
            eventually("more checks", async || {
                checks(&portcullis, endpoint, "failed").await >= 3.0
            })
            .await;
        }
    }
}

#[tokio::test]
async fn causes_are_told_in_words() {
    let gone = SocketAddr::from(([127, 0, 0, 1], free_port()));
    let closing = origin::RawOrigin::start(|_| origin::RawAnswer::new().close())
        .await
        .expect("an origin");
    let garbage = origin::RawOrigin::start(|_| origin::RawAnswer::new().send("220 smtp ready\r\n"))
        .await
        .expect("an origin");
    let endpoints = [gone, closing.address(), garbage.address()];
    let portcullis = Portcullis::start(&checked(&endpoints, "interval: 10s")).await;
    for (endpoint, cause) in [
        (gone, "connection refused"),
        (closing.address(), "no whole answer: "),
        (garbage.address(), "no whole answer: "),
    ] {
        let said = format!("pool p: endpoint {endpoint} is unhealthy: {cause}");
        portcullis.says(&said).await;
    }
}
