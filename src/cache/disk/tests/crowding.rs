//! Are the books right and the bounds kept, however much comes at once and in whatever order?

use proptest::prelude::*;

use super::*;

#[tokio::test]
async fn a_full_line_is_a_miss_and_nothing_is_written() {
    let (_dir, disk) = fresh();
    eventually("it was read", || disk.is_complete());
    put(&disk, 1, &body(10, 1));
    put(&disk, 2, &body(10, 1));
    let (readers, writers) = (&disk.tier.readers, &disk.tier.writers);
    let busy = (busy(readers, READERS), busy(writers, WRITERS));
    let mut waiting = Vec::new();
    for _ in 0..MOST_READS {
        let mut get = Box::pin(disk.get(1));
        assert!(futures_util::poll!(&mut get).is_pending());
        waiting.push(get);
    }
    assert!(disk.get(1).await.is_none(), "at once");
    assert_eq!(disk.tier.metrics.reads(DiskRead::Full), 1);

    let large = object("/large", &body(1 << 20, 1));
    let fit = (MOST_WRITE_BYTES >> 20) - 1;
    for key in 0..fit as u128 + 5 {
        disk.put(10 + key, Stored::Object(large.clone()));
    }
    disk.put(2, Stored::Object(large.clone()));
    assert!(!disk.might_have(2), "what was there is older");
    let full = disk.tier.metrics.writes(DiskWrite::Full);
    assert!((4..=6).contains(&full), "{full}");
    drop(busy);
    for get in waiting {
        assert!(get.await.is_some());
    }
    eventually("they are written", || {
        disk.len() as u64 == 1 + fit as u64 + 6 - full
    });
    settle(&disk);
    assert_books_are_right(&disk);
}

#[tokio::test]
async fn what_was_removed_while_it_was_written_is_not_there_afterwards() {
    let (_dir, disk) = fresh();
    let busy = busy(&disk.tier.writers, WRITERS);
    disk.put(1, Stored::Object(object("/1", &body(10, 1))));
    disk.remove(1);
    disk.put(2, Stored::Object(object("/old", &body(10, 1))));
    disk.put(2, Stored::Object(object("/new", &body(10, 1))));
    let mut writing = disk
        .begin(3, &head("/3"), b"/3", None)
        .expect("may be written");
    disk.remove(3);
    drop(busy);
    writing.write(body(10, 3)).await;
    assert!(writing.finish().await.is_none());
    settle(&disk);
    assert!(disk.get(1).await.is_none() && disk.get(3).await.is_none());
    let found = got(&disk, 2).await.expect("there");
    assert_eq!(&found.key[..], b"/new");
    assert_eq!(disk.tier.metrics.writes(DiskWrite::Left), 3);
    assert_eq!(files(disk.path()).len(), 1);
    assert!(disk.tier.books().has_no_writes());
}

#[tokio::test]
async fn a_directory_is_read_while_objects_come_and_go() {
    let (dir, disk) = fresh();
    for key in 0..600 {
        put(&disk, key << 110 | key, &body(100, 1));
    }
    for _ in 0..3 {
        // As another process would find it: the index is forgotten, and the directory is read again meanwhile.
        disk.tier.hand_over();
        disk.tier.orders.end_rest();
        eventually("it has it again", || disk.is_holding());
        for key in 0..600 {
            match key % 4 {
                0 => disk.put(
                    key << 110 | key,
                    Stored::Object(object("/new", &body(9000, 1))),
                ),
                1 => disk.remove(key << 110 | key),
                2 => disk.put(
                    10_000 + key,
                    Stored::Object(object("/other", &body(100, 1))),
                ),
                _ => {
                    disk.get(key << 110 | key).await;
                }
            }
        }
        eventually("it was read", || disk.is_complete());
        settle(&disk);
        eventually("all is written", || disk.tier.books().has_no_writes());
        assert_books_are_right(&disk);
    }
    assert!(files(dir.path()).len() >= 450);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]
    #[test]
    fn never_more_is_taken_than_may_be(
        sizes in prop::collection::vec(prop_oneof![3 => 0..20_000_usize, 1 => 0..300_000_usize], 1..60),
        limit in 200_000..1_000_000_u64,
        less in 100_000..200_000_u64,
    ) {
        let dir = TempDir::new().expect("a directory");
        let disk = open(dir.path(), limit);
        eventually("it was read", || disk.is_complete());
        let taken = || files(dir.path()).values().sum::<u64>();
        for (key, size) in (0..).zip(&sizes) {
            disk.put(key, Stored::Object(object("/", &body(*size, 1))));
            if key % 8 == 0 {
                settle(&disk);
                prop_assert!(disk.used() <= limit && taken() <= limit);
            }
        }
        settle(&disk);
        eventually("all is written", || disk.tier.books().has_no_writes());
        prop_assert!(disk.used() <= limit && taken() <= limit);
        assert_books_are_right(&disk);
        disk.resize(less);
        settle(&disk);
        prop_assert!(taken() <= less);
        assert_books_are_right(&disk);
    }
}
