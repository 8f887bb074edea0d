//! Does the directory of the sockets keep others out?

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use crate::support::*;

const DIRECTORY: &str = "runtime: {directory: '@dir@/sockets'}\n";

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).expect("a file").mode() & 0o7777
}

#[tokio::test]
async fn it_is_made_for_its_owner_alone() {
    let origin = origin().await;
    let portcullis = Portcullis::start(&(site("", origin.address()) + DIRECTORY)).await;
    assert!(portcullis.sockets().ends_with("sockets"));
    assert_eq!(mode(&portcullis.sockets()), 0o700);
    assert!(portcullis.sockets().join("control.sock").exists());
}

#[tokio::test]
async fn auto_makes_one_in_the_service_s_directory_and_is_found_again() {
    let origin = origin().await;
    let yaml = site("", origin.address()) + "runtime: {directory: auto}\n";
    let mut portcullis = Portcullis::start(&yaml).await;
    let sockets = portcullis.sockets();
    let parent = sockets.parent().expect("a directory");
    assert_eq!(parent, portcullis.directory().join("run"));
    assert_eq!((mode(parent), mode(&sockets)), (0o700, 0o700));
    assert_eq!(portcullis.run(&["reload"]).await.code, 0);
    let mut former = portcullis.upgrade(&[]).await;
    assert_eq!(former.end().await.code(), Some(0));
    assert_eq!(portcullis.sockets(), sockets);
    assert_eq!(portcullis.run(&["reload"]).await.code, 0);
    let control = sockets.join("control.sock");
    let at = format!("unix:{}", control.display());
    assert_eq!(portcullis.run(&["drain", "--at", &at]).await.code, 0);
    assert_eq!(portcullis.stop().await.code(), Some(0));
    assert!(!control.exists());
    let said = portcullis.run(&["reload"]).await;
    assert!(
        said.code == 3 && said.complaint.contains("no running Portcullis was reached"),
        "{said:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_new_process_may_have_another_one() {
    let origin = origin().await;
    let site = site("", origin.address());
    let mut portcullis = Portcullis::start(&(site.clone() + DIRECTORY)).await;
    let [before, after] = ["sockets", "others"].map(|name| portcullis.directory().join(name));
    portcullis.configure_as(
        "new.yaml",
        &(site + "runtime: {directory: '@dir@/others'}\n"),
    );
    let mut former = portcullis
        .upgrade(&["--of", "portcullis.yaml", "-c", "new.yaml"])
        .await;
    assert_eq!(former.end().await.code(), Some(0));
    assert!(!before.join("control.sock").exists());
    assert_eq!(mode(&after), 0o700);
    let at = format!("unix:{}/control.sock", after.display());
    assert_eq!(portcullis.run(&["reload", "--at", &at]).await.code, 0);
}

#[test]
fn one_that_others_may_enter_is_refused() {
    let builder = Portcullis::builder(&(site("", Some(([127, 0, 0, 1], 9).into())) + DIRECTORY));
    let sockets = builder.directory().join("sockets");
    std::fs::create_dir(&sockets).expect("a directory");
    for open in [0o755, 0o710, 0o701] {
        std::fs::set_permissions(&sockets, PermissionsExt::from_mode(open)).expect("its mode");
        let said = builder.refused(5);
        let reason = format!("runtime.directory: {}: ", sockets.display());
        assert!(said.contains(&reason), "{said}");
        assert!(
            said.contains(&format!("with mode {open:o}; it has to be")),
            "{said}"
        );
    }
    std::fs::remove_dir(&sockets).expect("empty");
    std::os::unix::fs::symlink(builder.directory(), &sockets).expect("a link");
    builder.refused(5);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_process_in_the_same_directory_is_refused() {
    let origin = origin().await;
    let yaml = site("", origin.address()) + DIRECTORY;
    let mut portcullis = Portcullis::start(&yaml).await;
    let said = portcullis.run(&["run"]).await;
    let reason = format!(
        "{}/control.sock: another process listens there",
        portcullis.sockets().display()
    );
    assert!(
        said.code == 5 && said.complaint.contains(&reason),
        "{said:?}"
    );
    // The first one has not lost anything by that.
    assert_eq!(portcullis.run(&["reload"]).await.code, 0);
    let mut former = portcullis.upgrade(&[]).await;
    assert_eq!(former.end().await.code(), Some(0));
    assert_eq!(portcullis.run(&["run"]).await.code, 5);
}
