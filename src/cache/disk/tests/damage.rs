//! Is what is not as it was written ever served?

use super::*;

#[tokio::test]
async fn a_file_torn_at_any_length_is_never_served_and_goes() {
    let (_dir, disk) = fresh();
    put(&disk, 1, &body(200, 1));
    let bytes = fs::read(file(&disk, 1)).expect("a file");
    for length in 0..bytes.len() {
        plant(&disk, 1, &bytes[..length]);
        assert!(disk.get(1).await.is_none(), "{length}");
        assert!(!disk.might_have(1) && !file(&disk, 1).exists(), "{length}");
    }
    let damaged = disk.tier.metrics.reads(DiskRead::Damaged);
    assert_eq!(damaged, bytes.len() as u64);
    plant(&disk, 1, &bytes);
    assert!(disk.get(1).await.is_some());
    assert!(disk.is_on(), "that says nothing of the disk");
}

#[tokio::test]
async fn a_large_file_torn_at_any_block_is_never_served() {
    let (_dir, disk) = fresh();
    let body = body(1_000_000, 1);
    stream(&disk, 1, "/1", &body).await.expect("written");
    let bytes = fs::read(file(&disk, 1)).expect("a file");
    for length in (0..bytes.len()).step_by(4096).chain([bytes.len() - 1]) {
        plant(&disk, 1, &bytes[..length]);
        assert!(disk.get(1).await.is_none(), "{length}");
    }
}

#[tokio::test]
async fn a_flipped_bit_in_a_large_object_is_never_served_and_the_object_goes() {
    let (_dir, disk) = fresh();
    let body = body(1_000_000, 1);
    stream(&disk, 1, "/1", &body).await.expect("written");
    let found = got(&disk, 1).await.expect("there");
    let Body::Disk(on_disk) = &found.body else {
        panic!("it is large");
    };
    let path = fs::OpenOptions::new()
        .write(true)
        .read(true)
        .open(file(&disk, 1));
    let on_file = path.expect("a file");
    let at = on_disk.preamble().body() as u64 + 500_000;
    let mut byte = [0];
    on_file.read_exact_at(&mut byte, at).expect("reads");
    on_file.write_all_at(&[byte[0] ^ 16], at).expect("writes");
    let first = on_disk.read(0, 65_532).await.expect("these are whole");
    assert!(first == body[..65_532]);
    let error = on_disk.read(500_000, 10).await.expect_err("they are not");
    assert_eq!(error.kind(), std::io::ErrorKind::InvalidData);
    assert!(!disk.might_have(1) && !file(&disk, 1).exists());
    assert!(got(&disk, 1).await.is_none() && disk.is_on());
    assert_eq!(disk.tier.metrics.reads(DiskRead::Damaged), 1);
}
