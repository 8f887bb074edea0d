//! Which requests share a bucket?

use super::*;

/// A trusted proxy in front says that the request came from there.
const FROM: &str = "x-forwarded-for";

/// One request of each key may come: the first of these passes, the second has the same key, the third another.
struct Case {
    key: &'static str,
    same: [(&'static str, &'static [(&'static str, &'static str)]); 2],
    other: (&'static str, &'static [(&'static str, &'static str)]),
}

const CASES: [Case; 11] = [
    Case {
        key: "client_ip",
        same: [
            ("/a", &[(FROM, "192.0.2.1")]),
            ("/b", &[(FROM, "192.0.2.1"), ("x-user", "ann")]),
        ],
        other: ("/a", &[(FROM, "192.0.2.2")]),
    },
    Case {
        key: "client_ip",
        same: [
            ("/", &[(FROM, "2001:db8:0:1::1")]),
            ("/", &[(FROM, "2001:db8:0:1:ffff:ffff:ffff:ffff")]),
        ],
        other: ("/", &[(FROM, "2001:db8:0:2::1")]),
    },
    Case {
        key: "header.X-User",
        same: [
            ("/", &[("x-user", "ann"), (FROM, "192.0.2.1")]),
            ("/", &[("x-user", "ann"), (FROM, "192.0.2.2")]),
        ],
        other: ("/", &[("x-user", "bob"), (FROM, "192.0.2.1")]),
    },
    // Who leaves it out is counted by address.
    Case {
        key: "header.X-User",
        same: [
            ("/", &[(FROM, "192.0.2.1")]),
            ("/x", &[("x-user", ""), (FROM, "192.0.2.1")]),
        ],
        other: ("/", &[(FROM, "192.0.2.2")]),
    },
    Case {
        key: "cookie.sid",
        same: [
            ("/", &[("cookie", "a=1; sid=x")]),
            ("/", &[("cookie", "sid=x; a=2")]),
        ],
        other: ("/", &[("cookie", "sid=y")]),
    },
    Case {
        key: "query.key",
        same: [("/?key=a", &[]), ("/other?x=1&key=%61", &[])],
        other: ("/?key=b", &[]),
    },
    Case {
        key: "path",
        same: [("/a/b", &[]), ("/a/./%62?q=1", &[])],
        other: ("/a/c", &[]),
    },
    Case {
        key: "host",
        same: [
            ("/a", &[("host", "one.test")]),
            ("/b", &[("host", "ONE.test:81")]),
        ],
        other: ("/a", &[("host", "two.test")]),
    },
    Case {
        key: "{client_ip}-{path}",
        same: [
            ("/a", &[(FROM, "192.0.2.1")]),
            ("/a", &[(FROM, "192.0.2.1"), ("x-user", "ann")]),
        ],
        other: ("/b", &[(FROM, "192.0.2.1")]),
    },
    Case {
        key: "{client_ip}-{path}",
        same: [
            ("/c", &[(FROM, "192.0.2.1")]),
            ("/c?q=1", &[(FROM, "192.0.2.1")]),
        ],
        other: ("/c", &[(FROM, "192.0.2.2")]),
    },
    // Without a token there is no claim: counted by address.
    Case {
        key: "claim.sub",
        same: [("/", &[(FROM, "192.0.2.1")]), ("/", &[(FROM, "192.0.2.1")])],
        other: ("/", &[(FROM, "192.0.2.2")]),
    },
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_part_of_a_request_may_be_the_key() {
    let origin = origin().await;
    for (number, case) in CASES.iter().enumerate() {
        let config = limited(
            &origin,
            "",
            &format!(
                "{{name: limit-{number}, rate: 1/h, burst: 1, key: '{}'}}",
                case.key
            ),
            "",
        );
        let portcullis = Portcullis::start(&config).await;
        let mut client = http1(portcullis.listener("http")).await;
        let key = case.key;
        let [first, second] = case.same;
        assert_eq!(status(&mut client, first.0, first.1).await, 200, "{key}");
        assert_eq!(status(&mut client, second.0, second.1).await, 429, "{key}");
        let other = case.other;
        assert_eq!(status(&mut client, other.0, other.1).await, 200, "{key}");
        assert_eq!(status(&mut client, other.0, other.1).await, 429, "{key}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_bucket_may_be_for_all() {
    let origin = origin().await;
    let limit = "{name: all, rate: 1/h, burst: 2, key: global}";
    let portcullis = Portcullis::start(&limited(&origin, "", limit, "")).await;
    let mut client = http1(portcullis.listener("http")).await;
    for (from, expected) in [
        ("192.0.2.1", 200),
        ("2001:db8::1", 200),
        ("192.0.2.3", 429),
        ("192.0.2.1", 429),
    ] {
        assert_eq!(status(&mut client, "/", &[(FROM, from)]).await, expected);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_exempt_is_not_counted() {
    let origin = origin().await;
    let limit = "{name: user, rate: 1/h, burst: 1, key: header.X-User, exempt: [10.0.0.0/8], exempt_keys: [gold]}";
    let portcullis = Portcullis::start(&limited(&origin, "", limit, "")).await;
    let mut client = http1(portcullis.listener("http")).await;
    for _ in 0..3 {
        let office = [(FROM, "10.1.2.3"), ("x-user", "ann")];
        assert_eq!(status(&mut client, "/", &office).await, 200);
        let gold = [(FROM, "192.0.2.1"), ("x-user", "gold")];
        assert_eq!(status(&mut client, "/", &gold).await, 200);
    }
    assert_eq!(counted(&portcullis, "route", "user", "exempt").await, 6.0);
    let ann = [(FROM, "192.0.2.1"), ("x-user", "ann")];
    assert_eq!(status(&mut client, "/", &ann).await, 200);
    assert_eq!(status(&mut client, "/", &ann).await, 429);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn peers_on_a_unix_socket_are_one_client() {
    let origin = origin().await;
    let limit = "{name: local, rate: 1/h, burst: 1}";
    let config = limited(&origin, "", limit, "").replace("'127.0.0.1:0'", "'unix:@dir@/http.sock'");
    let portcullis = Portcullis::start(&config).await;
    let path = portcullis.directory().join("http.sock");
    let mut first = unix1(&path).await;
    let mut second = unix1(&path).await;
    assert_eq!(status(&mut first, "/", &[]).await, 200);
    assert_eq!(status(&mut second, "/", &[]).await, 429);
}
