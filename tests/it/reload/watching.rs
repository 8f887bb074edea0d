//! Does it reload by itself when its files change, if it is asked to?

use std::os::unix::fs::symlink;
use std::time::Duration;

use super::*;

const WATCH: &str = "runtime: {watch: 100ms}\n";

/// Waits until a new connection gets this.
async fn becomes(portcullis: &Portcullis, word: &str) {
    let address = portcullis.listener("http");
    eventually(word, async || text(address).await == word).await;
}

async fn reloads(portcullis: &Portcullis, result: &str) -> f64 {
    portcullis
        .metric(&format!("portcullis_reloads_total{{result=\"{result}\"}}"))
        .await
}

/// Waits for as long as it takes the process to look at its files several times.
async fn several_looks() {
    tokio::time::sleep(Duration::from_millis(700)).await;
}

/// The same for a process that does not watch: it asks itself only once a second whether it should, and would believe a
/// change that it sees for the second time.
async fn several_rare_looks() {
    tokio::time::sleep(Duration::from_secs(3)).await;
}

#[tokio::test]
async fn a_changed_file_is_noticed() {
    let yaml = |word: &str| config(&[HTTP], &[&says(word, &[])], &[]) + WATCH;
    let portcullis = Portcullis::start(&yaml("first")).await;
    for word in ["second", "third"] {
        portcullis.configure(&yaml(word));
        becomes(&portcullis, word).await;
    }
    portcullis
        .says("reload by a changed file: applied: generation 3")
        .await;
    // Written in place, as an editor may do.
    let path = portcullis.directory().join("portcullis.yaml");
    let text = std::fs::read_to_string(&path).expect("a file");
    std::fs::write(&path, text.replace("third", "fourth")).expect("written");
    becomes(&portcullis, "fourth").await;
    several_looks().await;
    assert_eq!(reloads(&portcullis, "rejected").await, 0.0);
    assert_eq!(portcullis.metric("portcullis_reloads_total").await, 3.0);
}

#[tokio::test]
async fn new_changed_and_removed_files_that_match_a_pattern_are_noticed() {
    let fallback = config(&[HTTP], &["{name: none, respond: {body: none}}"], &[]);
    let yaml = format!("include: [\"conf.d/*.yaml\"]\n{fallback}{WATCH}");
    let builder = Portcullis::builder(&yaml);
    std::fs::create_dir(builder.directory().join("conf.d")).expect("a directory");
    let portcullis = builder.start().await;
    assert_eq!(text(portcullis.listener("http")).await, "none");
    let file = |word: &str| {
        format!(
            "routes: [{{name: {word}, match: {{paths: [{{exact: /}}]}}, respond: {{body: {word}}}}}]\n"
        )
    };
    portcullis.replace("conf.d/a.yaml", file("some"));
    becomes(&portcullis, "some").await;
    portcullis.replace("conf.d/a.yaml", file("other"));
    becomes(&portcullis, "other").await;
    std::fs::remove_file(portcullis.directory().join("conf.d/a.yaml")).expect("removed");
    becomes(&portcullis, "none").await;
}

#[tokio::test]
async fn a_certificate_swapped_by_a_symlink_is_noticed() {
    let authority = Authority::new();
    let identities = [authority.issue(&["a.test"]), authority.issue(&["a.test"])];
    let tls_listener = "{name: tls, address: \"127.0.0.1:0\", \
                        tls: {certificates: [{certificate: tls/tls.crt, key: tls/tls.key}]}}";
    let builder =
        Portcullis::builder(&(config(&[tls_listener], &[&says("hello", &[])], &[]) + WATCH));
    // As Kubernetes mounts a Secret: tls.crt → ..data/tls.crt, ..data → ..1, and ..data is renamed over.
    let mounted = builder.directory().join("tls");
    for (version, identity) in ["..1", "..2"].iter().zip(&identities) {
        let version = mounted.join(version);
        std::fs::create_dir_all(&version).expect("a directory");
        std::fs::write(version.join("tls.crt"), &identity.certificate).expect("a file");
        std::fs::write(version.join("tls.key"), &identity.key).expect("a file");
    }
    symlink("..1", mounted.join("..data")).expect("a symlink");
    for name in ["tls.crt", "tls.key"] {
        symlink(format!("..data/{name}"), mounted.join(name)).expect("a symlink");
    }
    let portcullis = builder.start().await;
    let shown = async || {
        let config = client_config(&authority.roots(), rustls::ALL_VERSIONS, &[]).into();
        let stream = tls(portcullis.listener("tls"), "a.test", &config).await;
        let stream = stream.expect("a handshake");
        stream
            .get_ref()
            .1
            .peer_certificates()
            .expect("a certificate")[0]
            .clone()
    };
    assert_eq!(shown().await, identities[0].der());
    symlink("..2", mounted.join("..tmp")).expect("a symlink");
    std::fs::rename(mounted.join("..tmp"), mounted.join("..data")).expect("renamed");
    eventually("the new certificate", async || {
        shown().await == identities[1].der()
    })
    .await;
    eventually("the log tells it", async || {
        portcullis.stderr().contains("tls/tls.crt: changed")
    })
    .await;
}

#[tokio::test]
async fn a_configuration_swapped_by_a_symlink_is_noticed() {
    // As Kubernetes mounts a ConfigMap: the file is a link into ..data, which is a link to a directory of this version. A new
    // version is another directory; the former one is removed when ..data has been renamed over.
    let builder = Portcullis::builder("include: [mounted/site.yaml]\nruntime: {watch: 100ms}\n");
    let mounted = builder.directory().join("mounted");
    let version = |name: &str, word: &str| {
        let version = mounted.join(name);
        std::fs::create_dir_all(&version).expect("a directory");
        let yaml = config(&[HTTP], &[&says(word, &[])], &[]);
        std::fs::write(version.join("site.yaml"), yaml).expect("a file");
        symlink(name, mounted.join("..data_tmp")).expect("a symlink");
        std::fs::rename(mounted.join("..data_tmp"), mounted.join("..data")).expect("renamed");
    };
    version("..2026_1", "first");
    symlink("..data/site.yaml", mounted.join("site.yaml")).expect("a symlink");
    let portcullis = builder.start().await;
    assert_eq!(text(portcullis.listener("http")).await, "first");
    version("..2026_2", "second");
    std::fs::remove_dir_all(mounted.join("..2026_1")).expect("removed");
    becomes(&portcullis, "second").await;
    several_looks().await;
    assert_eq!(reloads(&portcullis, "rejected").await, 0.0);
}

#[tokio::test]
async fn a_broken_file_is_rejected_once_and_its_repair_is_noticed() {
    let yaml = |word: &str| config(&[HTTP], &[&says(word, &[])], &[]) + WATCH;
    let portcullis = Portcullis::start(&yaml("first")).await;
    for (broken, times) in [("nonsense: 1\n", 1.0), ("include: [missing.yaml]\n", 2.0)] {
        portcullis.configure(broken);
        eventually("it is rejected", async || {
            reloads(&portcullis, "rejected").await == times
        })
        .await;
        several_looks().await;
        assert_eq!(
            reloads(&portcullis, "rejected").await,
            times,
            "once, and not again"
        );
        assert_eq!(text(portcullis.listener("http")).await, "first");
    }
    portcullis.configure(&yaml("second"));
    becomes(&portcullis, "second").await;
}

#[tokio::test]
async fn a_missing_file_that_appears_is_noticed() {
    let yaml = format!("include: [more.yaml]\n{}{WATCH}", config(&[HTTP], &[], &[]));
    let route = |word: &str| format!("routes: [{}]\n", says(word, &[]));
    let builder = Portcullis::builder(&yaml).file("more.yaml", route("first"));
    let portcullis = builder.start().await;
    std::fs::remove_file(portcullis.directory().join("more.yaml")).expect("removed");
    eventually("it is rejected", async || {
        reloads(&portcullis, "rejected").await == 1.0
    })
    .await;
    portcullis.replace("more.yaml", route("second"));
    becomes(&portcullis, "second").await;
}

#[tokio::test]
async fn watching_is_switched_on_and_off_by_a_reload() {
    let yaml = |word: &str, watch: &str| {
        config(&[HTTP], &[&says(word, &[])], &[]) + &format!("runtime: {{watch: {watch}}}\n")
    };
    let portcullis = Portcullis::start(&yaml("first", "0s")).await;
    portcullis.configure(&yaml("second", "0s"));
    several_rare_looks().await;
    assert_eq!(text(portcullis.listener("http")).await, "first");
    portcullis.apply(&yaml("third", "50ms")).await;
    portcullis.configure(&yaml("fourth", "50ms"));
    becomes(&portcullis, "fourth").await;
    portcullis.configure(&yaml("fifth", "0s"));
    becomes(&portcullis, "fifth").await;
    portcullis.configure(&yaml("sixth", "0s"));
    several_rare_looks().await;
    assert_eq!(text(portcullis.listener("http")).await, "fifth");
}

#[tokio::test]
async fn a_long_interval_ends_with_the_reload_that_shortens_it() {
    let yaml = |word: &str, watch: &str| {
        config(&[HTTP], &[&says(word, &[])], &[]) + &format!("runtime: {{watch: {watch}}}\n")
    };
    let portcullis = Portcullis::start(&yaml("first", "1h")).await;
    portcullis.apply(&yaml("second", "50ms")).await;
    portcullis.configure(&yaml("third", "50ms"));
    becomes(&portcullis, "third").await;
}
