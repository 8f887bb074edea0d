//! Is a disk that fails left alone, and used again when it can be?

use super::*;

#[test]
fn errors_are_told_apart() {
    let ill = |number| Ill::of(&io::Error::from_raw_os_error(number));
    for number in [
        libc::EIO,
        libc::EROFS,
        libc::EACCES,
        libc::ENOTDIR,
        libc::EPERM,
    ] {
        assert_eq!(ill(number), Ill::Off, "{number}");
    }
    for number in [libc::ENOSPC, libc::EDQUOT, libc::EFBIG] {
        assert_eq!(ill(number), Ill::Full, "{number}");
    }
    for number in [libc::ENOENT, libc::EMFILE, libc::ENFILE, libc::EINTR] {
        assert_eq!(ill(number), Ill::No, "{number}");
    }
}

#[test]
fn it_is_off_until_it_was_tried_with_success() {
    let (health, now) = (Health::default(), Instant::now());
    assert!(health.is_on() && health.takes() && !health.wants_probe(now));
    assert!(health.turn_off(now, "broken".into()));
    assert!(!health.turn_off(now, "still broken".into()), "told once");
    assert!(!health.is_on() && !health.takes());
    assert_eq!(health.error().as_deref(), Some("still broken"));
    assert!(!health.wants_probe(now + OFF_FOR / 2));
    assert!(health.wants_probe(now + OFF_FOR) && !health.is_on());
    health.turn_on();
    assert!(health.is_on() && health.takes() && health.error().is_none());
    assert!(!health.wants_probe(now + OFF_FOR));
}

#[test]
fn a_full_disk_is_read_and_written_again_after_a_while() {
    let (health, now) = (Health::default(), Instant::now());
    assert!(health.fill(now) && !health.fill(now));
    assert!(health.is_on() && !health.takes());
    assert!(!health.wants_probe(now + FULL_FOR / 2) && !health.takes());
    assert!(!health.wants_probe(now + FULL_FOR) && health.takes());
}
