//! Is a disk that can't be used left alone, and used again when it can?

use super::*;

#[tokio::test]
async fn a_disk_that_fails_is_off_until_it_can_be_used_again() {
    let (dir, disk) = fresh();
    eventually("it was read", || disk.is_complete());
    put(&disk, 1, &body(10, 1));
    // Whoever is root may write everywhere, but not into a file as if it were a directory.
    let new = dir.path().join("new");
    fs::remove_dir_all(&new).expect("removes");
    fs::write(&new, "").expect("writes");
    disk.put(2, Stored::Object(object("/2", &body(10, 2))));
    eventually("it is off", || !disk.is_on());
    assert!(disk.error().is_some_and(|error| error.contains("write")));
    assert!(
        !disk.might_have(1) && disk.get(1).await.is_none(),
        "nothing is asked of it"
    );
    assert!(disk.begin(3, &head("/3"), b"/3", None).is_none());
    let try_now = || {
        let before = Instant::now()
            .checked_sub(Duration::from_secs(31))
            .expect("a time");
        disk.tier.health.turn_off(before, "write".into());
        disk.keeper.unpark();
    };
    try_now();
    eventually("it was tried", || {
        !disk.tier.health.wants_probe(Instant::now())
    });
    assert!(!disk.is_on(), "it still fails");
    fs::remove_file(&new).expect("removes");
    try_now();
    eventually("it is on again", || disk.is_on());
    assert!(got(&disk, 1).await.is_some() && disk.error().is_none());
    put(&disk, 2, &body(10, 2));
}

#[test]
fn a_directory_that_can_not_be_used_is_told_at_once() {
    let dir = TempDir::new().expect("a directory");
    let file = dir.path().join("file");
    fs::write(&file, "").expect("writes");
    assert!(Disk::check(&file.join("below")).is_err());
    assert!(Disk::check(&dir.path().join("a/b/c")).is_ok());
    let metrics = Metrics::new().expect("metrics").disk;
    assert!(Disk::open(&file, SIZE, metrics).is_err());
}
