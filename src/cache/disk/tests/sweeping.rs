//! Does a purge reach what is on the disk, on its way there, and what was saved of it?

use super::*;

#[tokio::test]
async fn a_sweep_removes_what_is_gone_at_a_glance_or_by_what_stands_in_its_file() {
    let (dir, disk) = fresh();
    for key in 1..=300 {
        put(&disk, key, &body(10, 1));
    }
    stream(&disk, 301, "/30000", &body(400_000, 2))
        .await
        .expect("written");
    eventually("it was read", || disk.is_complete());
    let glances = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let counted = glances.clone();
    let removed = disk.sweep(
        move |trace| {
            counted.fetch_add(1, Ordering::Relaxed);
            Some(trace.url == url_hash("/7") || trace.tags().contains(&99))
        },
        |_| panic!("it is known"),
    );
    assert_eq!(swept(removed).await, Some(1));
    assert_eq!(glances.load(Ordering::Relaxed), 301);
    assert!(!disk.might_have(7) && !file(&disk, 7).exists());
    let removed = disk.sweep(|_| None, |marks| marks.url.starts_with("/30"));
    assert_eq!(swept(removed).await, Some(3), "30, 300 and 30000");
    // After a restart nothing is known: each file is asked, once.
    disk.tier.hand_over();
    assert!(
        swept(disk.sweep(|_| None, |_| true)).await.is_none(),
        "another one may"
    );
    disk.tier.orders.end_rest();
    eventually("it has it again", || disk.is_holding());
    let removed = disk.sweep(
        |trace| Some(trace.url == url_hash("/8")),
        |marks| &*marks.url == "/8",
    );
    assert_eq!(swept(removed).await, Some(1));
    let removed = disk.sweep(
        |trace| Some(trace.url == url_hash("/9")),
        |_| panic!("it is known"),
    );
    assert_eq!(swept(removed).await, Some(1));
    settle(&disk);
    assert_books_are_right(&disk);
    assert_eq!(files(dir.path()).len(), 295);
}

#[tokio::test]
async fn a_sweep_does_not_wait_for_the_files_of_the_one_before_it() {
    let (_dir, disk) = fresh();
    for key in 1..=199 {
        put(&disk, key, &body(10, 1));
    }
    settle(&disk);
    eventually("it was read", || disk.is_complete());
    // Nobody can remove a file meanwhile.
    let holding = disk.tier.holding();
    let first = disk.sweep(|trace| Some(trace.url != url_hash("/7")), |_| false);
    eventually("they are forgotten", || disk.len() == 1);
    let paths: Vec<_> = (100..=199).map(|key| file(&disk, key)).collect();
    let left = Arc::new(AtomicUsize::new(0));
    let counted = left.clone();
    let second = disk.sweep(
        move |_| {
            let there = paths.iter().filter(|path| path.exists()).count();
            counted.store(there, Ordering::Relaxed);
            Some(true)
        },
        |_| false,
    );
    drop(holding);
    assert_eq!(second.found.await, Ok(1));
    let left = left.load(Ordering::Relaxed);
    assert!(left >= 98, "{left} of 100 were there");
    // The files go in the order of the sweeps.
    assert_eq!(second.removed.await, Ok(()));
    assert_eq!(swept(first).await, Some(198));
    assert_books_are_right(&disk);
    assert_eq!(disk.len(), 0);
}

/// Waits until all that is gone is removed; how many objects that were.
async fn swept(sweeping: Sweeping) -> Option<u64> {
    let found = sweeping.found.await.ok()?;
    sweeping.removed.await.ok()?;
    Some(found)
}

#[tokio::test]
async fn what_is_gone_before_it_was_written_is_not_written() {
    let (_dir, disk) = fresh();
    eventually("it was read", || disk.is_complete());
    let busy = busy(&disk.tier.writers, WRITERS);
    disk.put(1, Stored::Object(object("/gone", &body(10, 1))));
    disk.put(2, Stored::Object(object("/stays", &body(10, 1))));
    let mut writing = disk
        .begin(3, &head("/gone"), b"/3", None)
        .expect("may be written");
    let sweeping = disk.sweep(|_| None, |marks| &*marks.url == "/gone");
    assert_eq!(swept(sweeping).await, Some(0), "nothing was there");
    disk.put(1, Stored::Object(object("/later", &body(10, 1))));
    drop(busy);
    writing.write(body(10, 3)).await;
    assert!(writing.finish().await.is_none());
    settle(&disk);
    assert_eq!(&got(&disk, 1).await.expect("there").key[..], b"/later");
    assert!(got(&disk, 2).await.is_some() && disk.get(3).await.is_none());
    assert_books_are_right(&disk);
}

#[tokio::test]
async fn what_was_purged_is_saved_whole_or_not_at_all() {
    let (dir, disk) = fresh();
    assert_eq!(disk.purges(), None);
    for bytes in [b"one".to_vec(), vec![7; 100_000], Vec::new()] {
        assert!(disk.save_purges(bytes.clone()).await);
        assert_eq!(disk.purges(), Some(bytes));
    }
    assert!(disk.save_purges(b"all of this".to_vec()).await);
    let path = dir.path().join("purges");
    let whole = fs::read(&path).expect("a file");
    for length in 0..whole.len() {
        fs::write(&path, &whole[..length]).expect("writes");
        assert_eq!(disk.purges(), Some(Vec::new()), "{length}");
    }
    disk.tier.hand_over();
    assert!(!disk.save_purges(b"two".to_vec()).await, "another one does");
}
