//! Is a file told from one that was cut, changed or made by something else?

use super::*;

const KEY: u128 = 0x0123_4567_89ab_cdef_0011_2233_4455_6677;

fn file(head: &[u8], length: usize, is_large: bool) -> (Vec<u8>, Vec<u8>) {
    let body: Vec<u8> = (0..length).map(|byte| (byte % 251) as u8).collect();
    let said = (!is_large).then_some(length as u64);
    let mut preamble = Preamble::new(Kind::Object, KEY, head.len(), said).expect("fits");
    preamble.length = length as u64;
    let mut out = preamble.top(head).expect("fits");
    preamble.blocks(0, body.chunks(999), &mut out);
    (out, body)
}

fn read(file: &[u8]) -> Option<(Bytes, Vec<u8>)> {
    let file = Bytes::copy_from_slice(file);
    let preamble = Preamble::read(&file, KEY)?;
    let (head, ..) = preamble.head(&file)?;
    Some((head, preamble.whole_body(&file)?.concat()))
}

#[test]
fn a_file_is_as_long_as_it_says_and_is_read_as_it_was_written() {
    for length in [0, 1, DATA - 1, DATA, DATA + 1, 3 * DATA, 200_000] {
        for is_large in [false, true] {
            let (file, body) = file(b"a head", length, is_large);
            let preamble = Preamble::read(&file, KEY).expect("one");
            assert_eq!(preamble.file(), file.len() as u64, "{length}");
            assert_eq!(preamble.is_large, is_large);
            let (head, read) = read(&file).expect("whole");
            assert_eq!(&head[..], b"a head");
            assert_eq!(read, body);
        }
    }
}

#[test]
fn blocks_of_large_files_are_pages() {
    for head in [0, 1, 900, 1100, 3000, MAX_HEAD] {
        let preamble = Preamble::new(Kind::Object, KEY, head, None).expect("fits");
        assert_eq!(preamble.body() % PAGE, 0, "{head}");
        assert!(preamble.slot as usize >= SLOT_HEAD + head + ROOM, "{head}");
    }
    assert_eq!(BLOCK % PAGE, 0);
    assert!(Preamble::new(Kind::Object, KEY, MAX_HEAD + 1, None).is_none());
}

#[test]
fn a_file_cut_anywhere_is_none() {
    let (file, _) = file(b"a head", 3000, false);
    for length in 0..file.len() {
        assert!(read(&file[..length]).is_none(), "{length}");
    }
}

#[test]
fn a_file_with_any_bit_flipped_is_none() {
    let (file, _) = file(b"a head", 700, false);
    for at in 0..file.len() {
        for bit in 0..8 {
            let mut flipped = file.clone();
            flipped[at] ^= 1 << bit;
            assert!(read(&flipped).is_none(), "{at} {bit}");
        }
    }
}

#[test]
fn a_block_of_another_file_or_another_place_is_none() {
    let (one, _) = file(b"a head", 2 * DATA, false);
    let (other, _) = file(b"a head", 2 * DATA, false);
    let body = one.len() - 2 * BLOCK;
    let mut mixed = one.clone();
    mixed[body..body + BLOCK].copy_from_slice(&other[body..body + BLOCK]);
    assert!(read(&mixed).is_none(), "the same bytes, another file");
    let mut moved = one.clone();
    moved.copy_within(body..body + BLOCK, body + BLOCK);
    assert!(read(&moved).is_none(), "another place");
    assert!(read(&one).is_some());
}

#[test]
fn a_file_under_another_key_is_none() {
    let (file, _) = file(b"a head", 10, false);
    assert!(Preamble::read(&file, KEY + 1).is_none());
}

#[test]
fn of_two_slots_the_newer_one_counts_as_long_as_it_is_whole() {
    let (mut file, _) = file(b"first", 10, true);
    let preamble = Preamble::read(&file, KEY).expect("one");
    let head = |file: &[u8]| {
        let (head, slot, number) = preamble.head(&Bytes::copy_from_slice(file))?;
        Some((head, slot, number))
    };
    let first = (Bytes::from_static(b"first"), 0, 1);
    assert_eq!(head(&file), Some(first.clone()));
    let slot = preamble.filled(2, b"second").expect("fits");
    let at = preamble.slot_at(1);
    for torn in 0..slot.len() {
        let mut half = file.clone();
        half[at..at + torn].copy_from_slice(&slot[..torn]);
        assert_eq!(head(&half), Some(first.clone()), "{torn}");
    }
    file[at..at + slot.len()].copy_from_slice(&slot);
    assert_eq!(head(&file), Some((Bytes::from_static(b"second"), 1, 2)));
    assert!(
        preamble
            .filled(3, &vec![0; preamble.slot as usize])
            .is_none()
    );
}

#[test]
fn blocks_are_the_same_however_they_are_given() {
    let (whole, body) = file(b"a head", 3 * DATA + 5, true);
    let preamble = Preamble::read(&whole, KEY).expect("one");
    let mut out = whole[..preamble.body()].to_vec();
    preamble.blocks(0, [&body[..DATA]], &mut out);
    preamble.blocks(1, body[DATA..].chunks(7), &mut out);
    assert!(out == whole);
}
