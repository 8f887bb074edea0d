//! Is what was stored there for the next process, and written by one process only?

use super::*;

#[tokio::test]
async fn a_restart_keeps_what_there_was_and_asks_for_nothing_else() {
    let (dir, disk) = fresh();
    for key in 1..=20 {
        put(&disk, key << 100 | key, &body(1000, 1));
    }
    stream(&disk, 21, "/21", &body(500_000, 5))
        .await
        .expect("written");
    drop(disk);
    let left = dir.path().join("new").join("left");
    fs::write(&left, "half").expect("writes");
    let disk = open(dir.path(), SIZE);
    assert!(disk.might_have(1 << 100 | 1), "at once");
    assert!(got(&disk, 1 << 100 | 1).await.is_some(), "at once");
    eventually("the one before has let go", || disk.is_holding());
    assert!(!left.exists(), "what was not ready is gone");
    eventually("it was read", || disk.is_complete());
    assert_eq!(disk.len(), 21);
    assert!(!disk.might_have(99));
    assert_books_are_right(&disk);
    for key in 1..=20 {
        assert!(got(&disk, key << 100 | key).await.is_some());
    }
}

#[tokio::test]
async fn of_two_processes_one_writes_and_the_other_reads_until_it_is_handed_over() {
    let (dir, one) = fresh();
    eventually("it was read", || one.is_complete());
    put(&one, 1, &body(1000, 1));
    let other = open(dir.path(), SIZE);
    assert!(one.is_holding() && !other.is_holding());
    assert!(other.might_have(1) && got(&other, 1).await.is_some());
    other.put(2, Stored::Object(object("/2", &body(10, 2))));
    settle(&other);
    assert!(!file(&other, 2).exists(), "it may not write");
    put(&one, 3, &body(10, 3));
    assert!(got(&other, 3).await.is_some(), "what came since as well");
    let mut writing = one
        .begin(4, &head("/4"), b"/4", None)
        .expect("may be written");
    let mut following = writing.follow();
    assert!(writing.write(body(300_000, 4)).await);

    one.hand_over();
    eventually("the other has it", || {
        other.is_holding() && other.is_complete()
    });
    assert_eq!(other.len(), 2);
    assert!(!one.is_holding());
    put(&other, 5, &body(10, 5));
    assert!(got(&one, 5).await.is_some(), "it reads");
    one.put(6, Stored::Object(object("/6", &body(10, 6))));
    settle(&one);
    assert!(!file(&one, 6).exists(), "and does not write");

    // What it was writing then goes on for those who follow.
    let (mut read, more) = (0, body(300_000, 5));
    assert!(writing.write(more.clone()).await);
    assert!(writing.finish().await.is_none());
    while let Some(bytes) = following.next(read).await.expect("reads") {
        read += bytes.len() as u64;
    }
    assert_eq!(read, 600_000);
    assert!(!file(&one, 4).exists());

    // And whoever ends lets go of it.
    drop((one, other));
    let third = open(dir.path(), SIZE);
    eventually("it has it", || third.is_holding() && third.is_complete());
    assert_books_are_right(&third);
}

#[tokio::test]
async fn a_successor_that_does_not_come_leaves_the_directory_to_the_one_before() {
    let (_dir, disk) = fresh();
    eventually("it was read", || disk.is_complete());
    put(&disk, 1, &body(1000, 1));
    disk.tier.hand_over();
    assert!(!disk.is_holding() && disk.might_have(2), "nothing is known");
    disk.tier.orders.end_rest();
    eventually("it has it again", || {
        disk.is_holding() && disk.is_complete()
    });
    assert!(got(&disk, 1).await.is_some() && !disk.might_have(2));
}
