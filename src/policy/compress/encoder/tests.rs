//! Does what comes out of an encoder say what went in, however it was cut?

use std::io::Read;

use proptest::prelude::*;

use super::*;

/// What a client makes of a body.
fn decoded(coding: Coding, body: &[u8]) -> io::Result<Vec<u8>> {
    let mut out = Vec::new();
    match coding {
        Coding::Gzip => flate2::read::GzDecoder::new(body).read_to_end(&mut out)?,
        Coding::Br => brotli::Decompressor::new(body, 4096).read_to_end(&mut out)?,
        Coding::Zstd => zstd::stream::read::Decoder::new(body)?.read_to_end(&mut out)?,
    };
    Ok(out)
}

/// As much as can be read of a body that may be cut.
fn readable(coding: Coding, body: &[u8]) -> Vec<u8> {
    let mut reader: Box<dyn Read + '_> = match coding {
        Coding::Gzip => Box::new(flate2::read::GzDecoder::new(body)),
        Coding::Br => Box::new(brotli::Decompressor::new(body, 4096)),
        Coding::Zstd => Box::new(zstd::stream::read::Decoder::new(body).expect("a decoder")),
    };
    let mut out = Vec::new();
    let mut byte = [0];
    while let Ok(1) = reader.read(&mut byte) {
        out.push(byte[0]);
    }
    out
}

fn levels() -> impl Strategy<Value = (Coding, u8)> {
    prop::sample::select(Coding::ALL.to_vec()).prop_flat_map(|coding| {
        let levels = coding.levels();
        (Just(coding), levels)
    })
}

/// Text that repeats itself, with noise in it.
fn text() -> impl Strategy<Value = Vec<u8>> {
    const WORDS: [&[u8]; 4] = [b"{\"name\":", b"\"value\",", b"<div class=", b"\0"];
    let word = prop::sample::select(WORDS.to_vec());
    let words = prop::collection::vec((word, any::<u16>()), 0..2_000);
    words.prop_map(|words| {
        let mut text = Vec::new();
        for (word, noise) in words {
            text.extend_from_slice(word);
            text.extend_from_slice(&noise.to_be_bytes());
        }
        text
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn however_a_body_is_cut_and_flushed_it_reads_back(
        (coding, level) in levels(),
        body in text(),
        cuts in prop::collection::vec((0_usize..5_000, any::<bool>()), 0..20),
        known in any::<bool>(),
    ) {
        let length = known.then_some(body.len() as u64);
        let mut encoder = Encoder::new(coding, level, length)?;
        let mut coded = Vec::new();
        let mut rest = body.as_slice();
        for (cut, flush) in cuts {
            let (piece, left) = rest.split_at(cut.min(rest.len()));
            rest = left;
            coded.extend_from_slice(&encoder.push(piece)?);
            if flush {
                coded.extend_from_slice(&encoder.flush()?);
                prop_assert!(!encoder.is_pending());
            }
        }
        coded.extend_from_slice(&encoder.push(rest)?);
        coded.extend_from_slice(&encoder.finish()?);
        prop_assert_eq!(decoded(coding, &coded)?, body);
    }

    #[test]
    fn what_was_flushed_can_be_read_at_once(
        (coding, level) in levels(),
        pieces in prop::collection::vec(text(), 1..4),
    ) {
        let mut encoder = Encoder::new(coding, level, None)?;
        let mut coded = Vec::new();
        let mut sent = Vec::new();
        for piece in pieces {
            sent.extend_from_slice(&piece);
            coded.extend_from_slice(&encoder.push(&piece)?);
            coded.extend_from_slice(&encoder.flush()?);
            prop_assert_eq!(&readable(coding, &coded), &sent);
        }
    }
}

#[test]
fn noise_larger_than_every_buffer_reads_back() {
    let mut random = fastrand::Rng::with_seed(7);
    let body: Vec<u8> = (0..1_000_000).map(|_| random.u8(..)).collect();
    for coding in Coding::ALL {
        let mut encoder = Encoder::new(coding, 1, None).expect("an encoder");
        let mut coded = Vec::new();
        for piece in body.chunks(LARGEST_PIECE) {
            coded.extend_from_slice(&encoder.push(piece).expect("a piece"));
        }
        coded.extend_from_slice(&encoder.finish().expect("an end"));
        assert!(
            decoded(coding, &coded).expect("whole") == body,
            "{coding:?}"
        );
        assert!(coded.len() < body.len() + body.len() / 100);
    }
}

#[test]
fn an_empty_body_is_a_whole_one() {
    for coding in Coding::ALL {
        let mut encoder = Encoder::new(coding, 1, None).expect("an encoder");
        assert!(encoder.flush().expect("nothing").is_empty());
        let coded = encoder.finish().expect("an end");
        assert!(!coded.is_empty());
        assert_eq!(decoded(coding, &coded).expect("whole"), b"");
    }
}

#[test]
fn a_body_without_its_end_is_seen_not_to_be_whole() {
    let body = b"a body that is cut ".repeat(100);
    for coding in Coding::ALL {
        let mut encoder = Encoder::new(coding, 3, None).expect("an encoder");
        let mut coded = encoder.push(&body).expect("a piece").to_vec();
        coded.extend_from_slice(&encoder.flush().expect("a flush"));
        assert_eq!(readable(coding, &coded), body);
        assert!(decoded(coding, &coded).is_err(), "{coding:?}");
    }
}

#[test]
fn a_short_body_needs_no_large_window() {
    for (length, gzip, zstd) in [
        (Some(0), 9, 10),
        (Some(512), 9, 10),
        (Some(513), 10, 10),
        (Some(4_097), 13, 13),
        (Some(100_000), 15, 16),
        (Some(u64::MAX), 15, 16),
        (None, 15, 16),
    ] {
        assert_eq!(window(Coding::Gzip, 5, length), gzip, "{length:?}");
        assert_eq!(window(Coding::Zstd, 3, length), zstd, "{length:?}");
    }
}
