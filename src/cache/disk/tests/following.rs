//! Can what is being written be read meanwhile, to its end or to the news that there is none?

use super::*;

#[tokio::test]
async fn what_is_written_can_be_followed_from_memory_and_from_the_file() {
    let (_dir, disk) = fresh();
    let all = body(3_000_000, 1);
    let mut writing = disk
        .begin(1, &head("/1"), b"/1", None)
        .expect("may be written");
    let (mut near, mut far) = (writing.follow(), writing.follow());
    let mut read = 0;
    for piece in all.chunks(1_234) {
        assert!(writing.write(Bytes::copy_from_slice(piece)).await);
        let bytes = near.next(read).await.expect("reads").expect("more");
        let begin = usize::try_from(read).expect("small");
        assert!(
            all[begin..].starts_with(&bytes),
            "at once, and what was written"
        );
        read += bytes.len() as u64;
    }
    assert_eq!(read, 3_000_000);
    {
        let mut next = pin!(near.next(read));
        assert!(matches!(futures_util::poll!(&mut next), Poll::Pending));
    }
    // From the file, which is far behind what is in memory.
    let first = far.next(0).await.expect("reads").expect("more");
    assert_eq!(first.len(), 4 * 65_532);
    let mut late = far.clone();
    assert!(writing.finish().await.is_some());
    assert!(near.next(read).await.expect("the end").is_none());
    for following in [&mut far, &mut late] {
        let mut out = Vec::new();
        while let Some(bytes) = following.next(out.len() as u64).await.expect("reads") {
            out.extend_from_slice(&bytes);
        }
        assert!(out == all);
    }
}

#[tokio::test]
async fn what_is_abandoned_ends_with_an_error_and_leaves_nothing() {
    let (dir, disk) = fresh();
    let mut writing = disk
        .begin(1, &head("/1"), b"/1", None)
        .expect("may be written");
    let mut following = writing.follow();
    assert!(writing.write(body(1_000_000, 1)).await);
    drop(writing);
    let mut read = 0;
    let error = loop {
        match following.next(read).await {
            Ok(Some(bytes)) => read += bytes.len() as u64,
            Ok(None) => panic!("that was not all"),
            Err(error) => break error,
        }
    };
    assert_eq!(error.kind(), std::io::ErrorKind::BrokenPipe);
    assert_eq!(read, 1_000_000, "what there was");
    eventually("nothing is left", || {
        let left = fs::read_dir(dir.path().join("new")).expect("readable");
        left.count() == 0 && disk.used() == 0
    });
    assert!(disk.get(1).await.is_none());
    assert_eq!(disk.tier.streams.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn those_who_follow_get_all_of_an_object_that_finds_no_room() {
    let dir = TempDir::new().expect("a directory");
    let disk = open(dir.path(), 1 << 20);
    let all = body(6_000_000, 1);
    let mut writing = disk
        .begin(1, &head("/1"), b"/1", None)
        .expect("may be written");
    let mut following = writing.follow();
    let read = tokio::spawn(async move {
        let mut out = Vec::new();
        while let Some(bytes) = following.next(out.len() as u64).await.expect("reads") {
            out.extend_from_slice(&bytes);
        }
        out
    });
    for piece in all.chunks(100_000) {
        assert!(writing.write(Bytes::copy_from_slice(piece)).await);
        tokio::task::yield_now().await;
    }
    assert!(!writing.is_written());
    assert!(writing.finish().await.is_none());
    assert!(read.await.expect("ends") == all);
    assert!(disk.get(1).await.is_none() && disk.is_on());
    assert_eq!(disk.tier.metrics.writes(DiskWrite::NoRoom), 1);

    // With nobody who follows there is no use in going on.
    let mut writing = disk
        .begin(1, &head("/1"), b"/1", None)
        .expect("may be written");
    let mut went_on = true;
    for piece in all.chunks(100_000) {
        went_on = writing.write(Bytes::copy_from_slice(piece)).await;
    }
    assert!(!went_on);
}
