//! Is a name resolved as the system's resolver would, from files and answers?

use std::fs;

use super::*;

fn settings() -> Settings {
    Settings {
        servers: None,
        timeout: Duration::from_millis(100),
        attempts: 1,
    }
}

fn ip(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

fn resolver(hosts: &str) -> (tempfile::TempDir, Resolver) {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("hosts");
    fs::write(&path, hosts).expect("written");
    let resolver = Resolver {
        settings: settings(),
        source: Source::System(System::by(&path, &directory.path().join("resolv.conf"))),
    };
    (directory, resolver)
}

fn records(ttl: u64, addresses: &[&str]) -> Result<Records, Trouble> {
    let found = addresses.iter().map(|text| RData::from(ip(text)));
    Ok(Records::new(found.collect(), Duration::from_secs(ttl)))
}

fn failed() -> Result<Records, Trouble> {
    Err(Trouble::Failed("no answer".to_owned()))
}

#[tokio::test]
async fn the_hosts_file_goes_before_name_servers_in_both_families() {
    let (_directory, resolver) = resolver(
        "127.0.0.1 localhost\n10.0.0.2 App.test other # 10.0.0.9 app.test\nfd00::2 app.test\n",
    );
    // Nobody could be asked here: there is no resolv.conf.
    for (name, addresses) in [
        ("localhost", vec!["127.0.0.1"]),
        ("app.test", vec!["10.0.0.2", "fd00::2"]),
        ("app.test.", vec!["10.0.0.2", "fd00::2"]),
        ("other", vec!["10.0.0.2"]),
        ("any.localhost", vec!["127.0.0.1", "::1"]),
    ] {
        let question = Question::Host(name.to_owned());
        let answer = resolver.look_up(&question, &Resolved::default()).await;
        let found = answer.expect("an answer").found;
        let addresses = addresses.into_iter().map(ip).collect();
        assert_eq!(found, Found::Addresses(addresses), "{name}");
    }
}

#[test]
fn a_changed_resolv_conf_is_read_again_and_a_missing_one_is_no_trouble() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("resolv.conf");
    let watched = system::Watched::new(&path);
    let now = std::time::Instant::now();
    let dots = |seconds: u64| {
        let at = now + Duration::from_secs(seconds);
        let read = watched.value(at, |path| {
            Arc::new(system::read_resolv_conf(path, &settings()))
        });
        read.candidates("app.test").expect("a name").len()
    };
    assert_eq!(dots(0), 1);
    fs::write(&path, "search a.test b.test\nnameserver 10.0.0.2\n").expect("written");
    assert_eq!(dots(0), 1, "not looked at twice in a second");
    assert_eq!(dots(2), 3);
    fs::write(&path, "nonsense\n").expect("written");
    assert_eq!(dots(4), 1);
}

#[test]
fn search_domains_come_after_a_name_with_enough_dots_and_before_another() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("resolv.conf");
    let text = "nameserver 10.0.0.2\nsearch a.test b.test\noptions ndots:2\n";
    fs::write(&path, text).expect("written");
    let servers = system::read_resolv_conf(&path, &settings());
    let candidates = |name: &str| {
        let names = servers.candidates(name).expect("a name");
        names.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    assert_eq!(
        candidates("app.x"),
        ["app.x.a.test.", "app.x.b.test.", "app.x."]
    );
    assert_eq!(
        candidates("app.x.y"),
        ["app.x.y.", "app.x.y.a.test.", "app.x.y.b.test."]
    );
    assert_eq!(candidates("app.x."), ["app.x."]);
    assert_eq!(
        candidates("_http._tcp.app"),
        [
            "_http._tcp.app.",
            "_http._tcp.app.a.test.",
            "_http._tcp.app.b.test."
        ]
    );
}

#[test]
fn both_families_are_used_for_the_shorter_time() {
    let answer = both_families(records(9, &["10.0.0.2"]), records(5, &["fd00::2"]), &[]);
    let answer = answer.expect("no trouble").expect("addresses");
    assert_eq!(answer.found, [ip("10.0.0.2"), ip("fd00::2")]);
    assert_eq!(answer.ttl, Duration::from_secs(5));
    assert_eq!(answer.missing, None);
}

#[test]
fn a_family_that_fails_keeps_its_addresses_and_one_that_has_none_loses_them() {
    let known = [ip("10.0.0.1"), ip("fd00::1")];
    let answer = both_families(records(9, &["10.0.0.2"]), failed(), &known);
    let answer = answer.expect("no trouble").expect("addresses");
    assert_eq!(answer.found, [ip("10.0.0.2"), ip("fd00::1")]);
    assert_eq!(answer.missing.as_deref(), Some("IPv6: no answer"));
    let answer = both_families(records(9, &["10.0.0.2"]), Err(Trouble::NoRecords), &known);
    let answer = answer.expect("no trouble").expect("addresses");
    assert_eq!(answer.found, [ip("10.0.0.2")]);
    assert_eq!(answer.missing, None);
}

#[test]
fn a_family_without_records_does_not_hide_that_the_other_failed() {
    let trouble = both_families(Err(Trouble::NoRecords), failed(), &[]);
    assert_eq!(trouble, Err(Trouble::Failed("no answer".to_owned())));
    let nothing = both_families(Err(Trouble::NoRecords), Err(Trouble::NoRecords), &[]);
    assert_eq!(nothing, Ok(None));
}

#[test]
fn addresses_at_which_nothing_can_be_are_left_out() {
    let v4 = records(9, &["0.0.0.0", "224.0.0.1", "10.0.0.2"]);
    let answer = both_families(v4, records(9, &["::", "::ffff:0.0.0.0"]), &[]);
    let answer = answer.expect("no trouble").expect("addresses");
    assert_eq!(answer.found, [ip("10.0.0.2")]);
}
