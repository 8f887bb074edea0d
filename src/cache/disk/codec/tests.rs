//! Is a head read as it was written, and nothing else taken for one?

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

fn any_duration() -> impl Strategy<Value = Duration> {
    (any::<u64>(), 0..1_000_000_000_u32).prop_map(|(seconds, nanos)| Duration::new(seconds, nanos))
}

fn any_time() -> impl Strategy<Value = SystemTime> {
    (0..1_u64 << 40, 0..1_000_000_000_u32, any::<bool>()).prop_map(|(seconds, nanos, before)| {
        let distance = Duration::new(seconds, nanos);
        if before {
            UNIX_EPOCH - distance
        } else {
            UNIX_EPOCH + distance
        }
    })
}

fn any_marks() -> impl Strategy<Value = Marks> {
    (any::<u64>(), ".{0,40}", vec(any::<u64>(), 0..8)).prop_map(|(since, url, tags)| Marks {
        since: Seq(since),
        url: url.into(),
        tags: tags.into(),
    })
}

fn any_fields() -> impl Strategy<Value = HeaderMap> {
    let value = vec(prop_oneof![0x20..0x7f_u8, 0x80..=0xff_u8], 0..30);
    vec(("[a-z][a-z0-9-]{0,20}", value), 0..20).prop_map(|fields| {
        let mut map = HeaderMap::new();
        for (name, value) in fields {
            map.append(
                HeaderName::from_bytes(name.as_bytes()).expect("a name"),
                HeaderValue::from_bytes(&value).expect("a value"),
            );
        }
        map
    })
}

fn any_head() -> impl Strategy<Value = Head> {
    let terms = (
        any_time(),
        [
            any_duration(),
            any_duration(),
            any_duration(),
            any_duration(),
        ],
        any::<[bool; 3]>(),
    );
    (100..1000_u16, any_fields(), terms, any_marks()).prop_map(
        |(status, fields, (received, durations, flags), marks)| Head {
            status: StatusCode::from_u16(status).expect("a status"),
            validators: Validators::of(&fields),
            fields,
            terms: Terms {
                received,
                initial_age: durations[0],
                lifetime: durations[1],
                while_revalidate: durations[2],
                if_error: durations[3],
                strict: flags[0],
                validate: flags[1],
                immutable: flags[2],
            },
            marks,
        },
    )
}

fn written(key: &[u8], head: &Head) -> Bytes {
    let mut out = Vec::new();
    write_head(key, head, &mut out);
    out.into()
}

proptest! {
    #[test]
    fn a_head_is_read_as_it_was_written(key in vec(any::<u8>(), 0..60), head in any_head()) {
        let bytes = written(&key, &head);
        let (read_key, read) = read_head(bytes.clone()).expect("readable");
        prop_assert_eq!(&read_key[..], &key[..]);
        prop_assert_eq!(read.status, head.status);
        prop_assert_eq!(read.fields, head.fields);
        prop_assert_eq!(read.terms, head.terms);
        prop_assert_eq!(read.validators, head.validators);
        prop_assert_eq!(&read.marks, &head.marks);
        prop_assert_eq!(read_marks(bytes), Some(head.marks));
    }

    #[test]
    fn a_head_that_is_cut_or_goes_on_is_none(head in any_head(), cut in any::<prop::sample::Index>()) {
        let bytes = written(b"key", &head);
        prop_assert!(read_head(bytes.slice(..cut.index(bytes.len()))).is_none());
        let mut longer = bytes.to_vec();
        longer.push(0);
        prop_assert!(read_head(longer.into()).is_none());
    }

    #[test]
    fn garbage_never_panics(bytes in vec(any::<u8>(), 0..400)) {
        let bytes = Bytes::from(bytes);
        let _ = (read_head(bytes.clone()), read_varies(bytes.clone()), read_marks(bytes));
    }

    #[test]
    fn a_head_with_any_byte_changed_never_panics(
        head in any_head(), at in any::<prop::sample::Index>(), byte in any::<u8>(),
    ) {
        let mut bytes = written(b"key", &head).to_vec();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        let bytes = Bytes::from(bytes);
        let _ = (read_head(bytes.clone()), read_varies(bytes));
    }

    #[test]
    fn what_responses_vary_by_is_read_as_it_was_written(
        key in vec(any::<u8>(), 0..60),
        names in vec("[a-z][a-z0-9-]{0,20}", 0..8),
        generation: u64,
        marks in any_marks(),
    ) {
        let names = names.iter().map(|name| HeaderName::from_bytes(name.as_bytes()).expect("a name"));
        let varies = Varies { key: key.into(), names: names.collect(), generation, marks };
        let mut out = Vec::new();
        write_varies(&varies, &mut out);
        let read = read_varies(out.clone().into()).expect("readable");
        prop_assert_eq!(read.key, varies.key);
        prop_assert_eq!(read.names, varies.names);
        prop_assert_eq!(read.generation, generation);
        prop_assert_eq!(&read.marks, &varies.marks);
        prop_assert_eq!(read_marks(out.into()), Some(varies.marks));
    }
}

#[test]
fn a_count_that_is_a_lie_takes_no_memory() {
    let mut bytes = Vec::new();
    super::bytes(b"key", &mut bytes);
    bytes.extend(7_u64.to_le_bytes());
    super::bytes(b"url", &mut bytes);
    bytes.extend(u32::MAX.to_le_bytes());
    assert!(read_marks(bytes.into()).is_none());
}
