//! Is an object of any size read as it was written, whole and in parts?

use super::*;
use crate::cache::Varies;

#[tokio::test]
async fn a_small_object_comes_back_as_it_was() {
    let (_dir, disk) = fresh();
    for (key, length) in [(1, 0), (2, 1), (3, 70_000), (4, 256 * 1024)] {
        let body = body(length, key as u64);
        put(&disk, key, &body);
        let found = got(&disk, key).await.expect("there");
        assert_eq!(&found.key[..], format!("/{key}").as_bytes());
        let Body::Memory(chunks) = &found.body else {
            panic!("{length} bytes are small");
        };
        assert_eq!(whole(chunks), body);
        let wrote = head(&format!("/{key}"));
        let received = found.head.terms.received;
        let terms = Terms {
            received,
            ..wrote.terms
        };
        assert_same_head(&found.head, &Head { terms, ..wrote });
    }
    assert!(got(&disk, 5).await.is_none());
}

#[tokio::test]
async fn a_large_object_is_written_and_read_piece_by_piece() {
    let (_dir, disk) = fresh();
    for (key, length, said) in [
        (1, 3_000_001, None),
        (2, 3_000_001, Some(3_000_001)),
        (3, 1000, Some(1000)),
        (4, 0, None),
        (5, 4 * 65_532, None),
    ] {
        let body = body(length, 9);
        let mut writing = disk
            .begin(key, &head("/x"), b"/x", said)
            .expect("may be written");
        for piece in body.chunks(10_007) {
            assert!(writing.write(Bytes::copy_from_slice(piece)).await);
        }
        let written = writing.finish().await.expect("written");
        assert_eq!(written.len(), length as u64);
        assert!(read_all(&Body::Disk(written)).await.expect("reads") == body);
        let found = got(&disk, key).await.expect("there");
        assert_eq!(
            matches!(found.body, Body::Memory(_)),
            said == Some(1000),
            "{length}"
        );
        assert!(read_all(&found.body).await.expect("reads") == body);
    }
}

#[tokio::test]
async fn what_responses_vary_by_comes_back_as_it_was() {
    let (_dir, disk) = fresh();
    let varies = Varies {
        key: b"/a"[..].into(),
        names: Box::new([HeaderName::from_static("accept")]),
        generation: 77,
        marks: head("/a").marks,
    };
    disk.put(1, Stored::Varies(Arc::new(varies)));
    eventually("it is written", || disk.len() == 1);
    let Some(Found::Varies(varies)) = disk.get(1).await else {
        panic!("not what was put");
    };
    assert_eq!((&varies.key[..], varies.generation), (&b"/a"[..], 77));
    assert_eq!(varies.names[..], ["accept"]);
    assert_eq!(varies.marks, head("/a").marks);
}

#[tokio::test]
async fn any_part_of_a_large_object_can_be_read() {
    let (_dir, disk) = fresh();
    let body = body(700_000, 1);
    let written = stream(&disk, 1, "/1", &body).await.expect("written");
    for (offset, at_most) in [
        (0, 1),
        (65_531, 2),
        (65_532, 65_532),
        (1, 65_532 * 4),
        (699_999, 100),
        (300_000, usize::MAX),
    ] {
        let part = written.read(offset, at_most).await.expect("reads");
        let begin = usize::try_from(offset).expect("small");
        assert!(!part.is_empty() && part.len() <= at_most);
        assert!(
            part == body[begin..begin + part.len()],
            "{offset} {at_most}"
        );
    }
    for offset in [700_000, 700_001, u64::MAX] {
        assert!(written.read(offset, 10).await.expect("reads").is_empty());
    }
}

#[tokio::test]
async fn an_object_that_was_removed_can_be_read_to_its_end() {
    let (_dir, disk) = fresh();
    let body = body(700_000, 1);
    let written = stream(&disk, 1, "/1", &body).await.expect("written");
    disk.remove(1);
    settle(&disk);
    assert!(!file(&disk, 1).exists() && disk.get(1).await.is_none());
    assert!(read_all(&Body::Disk(written)).await.expect("reads") == body);
}
