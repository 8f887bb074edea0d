//! Does a stored object get its new head without its body, and no other object under its key?

use super::*;

#[tokio::test]
async fn a_large_object_is_freshened_without_its_body() {
    let (_dir, disk) = fresh();
    let all = body(1_000_000, 1);
    stream(&disk, 1, "/1", &all).await.expect("written");
    let freshened = |object: Object, value: &str| {
        let Object {
            key,
            mut head,
            body,
        } = object;
        let value = HeaderValue::from_str(value).expect("a value");
        head.fields.insert("x-new", value);
        head.marks.tags = Box::new([9]);
        Arc::new(Object { key, head, body })
    };
    for value in ["one", "another", "a third"] {
        let found = got(&disk, 1).await.expect("there");
        disk.freshened(1, &freshened(found, value));
        settle(&disk);
        let found = got(&disk, 1).await.expect("there");
        assert_eq!(found.head.fields["x-new"], value);
        assert_eq!(found.head.marks.tags[..], [9]);
        assert!(read_all(&found.body).await.expect("reads") == all);
    }
    // Of another object under the same key, nothing is touched.
    let before = got(&disk, 1).await.expect("there");
    stream(&disk, 1, "/other", &body(400_000, 2))
        .await
        .expect("written");
    disk.freshened(1, &freshened(before, "late"));
    settle(&disk);
    let found = got(&disk, 1).await.expect("there");
    assert_eq!(
        (&found.key[..], found.body.len()),
        (&b"/other"[..], 400_000)
    );
    assert!(!found.head.fields.contains_key("x-new"));
    // A head that has outgrown its place is the end of the object.
    disk.freshened(1, &freshened(found, &"x".repeat(9_000)));
    settle(&disk);
    assert!(got(&disk, 1).await.is_none() && !file(&disk, 1).exists());
}
