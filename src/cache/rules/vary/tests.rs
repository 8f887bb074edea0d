//! Do requests share a variant just when the fields it varies by mean the same? RFC 9111 §4.1.

use proptest::prelude::*;

use super::*;
use crate::cache::rules::tests::fields;

fn names(of: &[&'static str]) -> Vec<HeaderName> {
    of.iter()
        .map(|name| HeaderName::from_static(name))
        .collect()
}

/// What is written for these lines of one field.
fn written(name: &'static str, lines: &[&str]) -> Vec<u8> {
    let lines: Vec<_> = lines.iter().map(|line| (name, *line)).collect();
    let mut out = Vec::new();
    variant(&names(&[name]), &fields(&lines), &mut out);
    out
}

/// Whether each of these ways to write a field is told from all of another group, and none from its own.
fn are_told_apart(name: &'static str, groups: &[&[&[&str]]]) {
    for (at, group) in groups.iter().enumerate() {
        for lines in *group {
            for (other, others) in groups.iter().enumerate() {
                for other_lines in *others {
                    assert_eq!(
                        written(name, lines) == written(name, other_lines),
                        at == other,
                        "{lines:?} {other_lines:?}"
                    );
                }
            }
        }
    }
}

#[test]
fn rfc9110_12_5_5_names_are_those_of_all_lines_in_one_order_and_once() {
    let of = |lines: &[_]| Vary::of(&fields(lines));
    assert_eq!(of(&[]), Vary::None);
    assert_eq!(of(&[("vary", "")]), Vary::None);
    assert_eq!(of(&[("vary", " , ")]), Vary::None);
    let both = Vary::On(names(&["accept", "cookie"]).into());
    assert_eq!(of(&[("vary", "Cookie, ACCEPT,accept")]), both);
    assert_eq!(of(&[("vary", "accept"), ("vary", "cookie ,")]), both);
}

#[test]
fn rfc9111_4_1_an_asterisk_among_the_names_matches_nothing() {
    let of = |lines: &[_]| Vary::of(&fields(lines));
    assert_eq!(of(&[("vary", "*")]), Vary::Any);
    assert_eq!(of(&[("vary", "accept, *")]), Vary::Any);
    assert_eq!(of(&[("vary", "accept"), ("vary", " * ")]), Vary::Any);
    // What can't be read could mean anything.
    assert_eq!(of(&[("vary", "accept cookie")]), Vary::Any);
    assert_eq!(of(&[("vary", "accept;q=1")]), Vary::Any);
    // A name that only contains one is a name.
    assert_eq!(of(&[("vary", "x*")]), Vary::On(names(&["x*"]).into()));
}

#[test]
fn rfc9110_12_5_3_codings_are_a_set_of_what_is_acceptable() {
    are_told_apart(
        "accept-encoding",
        &[
            &[&[]],
            &[
                &[""],
                &["identity"],
                &["gzip;q=0"],
                &["gzip;q=0.000, br;q=0.0"],
                &[" ,, "],
            ],
            &[
                &["gzip"],
                &["GZIP"],
                &["x-gzip"],
                &["gzip;q=1.0"],
                &["gzip ; q=0.001"],
                &["gzip, gzip"],
                &["gzip", "br;q=0"],
                &["identity, gzip"],
                &["gzip;Q=0.5"],
            ],
            &[
                &["gzip, br"],
                &["br,gzip"],
                &["br;q=0.1, gzip;q=1"],
                &["br", "x-gzip"],
            ],
            &[&["gzip, deflate"], &["deflate, gzip"]],
            &[&["deflate"], &["deflate, deflate;q=0.3"]],
            &[&["compress"], &["X-Compress"]],
            &[&["zstd"]],
            &[&["gzip, identity;q=0"], &["gzip, *;q=0"]],
            &[
                &["*"],
                &["gzip, br, *;q=0.1"],
                &["identity, *"],
                &["deflate, *"],
            ],
            &[&["*, gzip;q=0"]],
            &[&["*, deflate;q=0"], &["deflate;q=0, gzip, *"]],
            &[&["*;q=0"], &["identity;q=0"]],
        ],
    );
}

#[test]
fn rfc9110_12_5_3_what_is_no_list_of_codings_stays_as_it_is() {
    are_told_apart(
        "accept-encoding",
        &[
            &[&["gzip"]],
            &[&["gzip;q=2"]],
            &[&["gzip;q=0.0000"]],
            &[&["gzip;q="]],
            &[&["gzip;level=1"]],
            &[&["gzip, gzip;q=0"], &["gzip", "gzip;q=0"]],
            &[&["gzip br"]],
            &[&["deflate, deflate;q=0"]],
            &[&["gzip;q=\u{e4}"]],
        ],
    );
}

#[test]
fn rfc9110_12_5_4_languages_are_the_same_in_either_case_but_not_in_any_order() {
    are_told_apart(
        "accept-language",
        &[
            &[
                &["de-DE, en;q=0.5"],
                &["de-de,en;q=0.5"],
                &["de-DE , en ; q=0.5"],
                &["de-DE", "en;q=0.5"],
            ],
            &[&["en;q=0.5, de-DE"]],
            &[&["de-DE, en;q=0.6"]],
            &[&["dede"]],
            &[&["de de"]],
            &[&[""]],
            &[&[]],
        ],
    );
}

#[test]
fn rfc9111_4_1_other_fields_differ_by_all_but_white_space_around_commas_and_how_many_lines_they_are()
 {
    are_told_apart(
        "x-any",
        &[
            &[
                &["a, b"],
                &["a,b"],
                &["a\t ,  b"],
                &["a", "b"],
                &["  a,b  "],
            ],
            &[&["A, b"]],
            &[&["b, a"]],
            &[&["a b"]],
            &[&["a  b"]],
            &[&["\"a, b\""]],
            &[&["\"a,b\""]],
            &[&["\"\\\"a, b\""]],
            &[&["\"\\\"a,b\""]],
            &[&["a,b,"]],
            &[&["a,,b"]],
            &[&[""]],
            &[&[]],
            &[&["a;b"]],
            &[&["a; b"]],
        ],
    );
}

#[test]
fn rfc9113_8_2_3_cookies_in_many_lines_are_those_in_one() {
    are_told_apart(
        "cookie",
        &[
            &[&["a=1; b=2"], &["a=1", "b=2"]],
            &[&["a=1, b=2"]],
            &[&["a=1,b=2"]],
            &[&["b=2; a=1"]],
        ],
    );
}

#[test]
fn no_field_can_pass_for_another() {
    let of = |lines: &[_]| {
        let mut out = Vec::new();
        variant(&names(&["x-a", "x-b"]), &fields(lines), &mut out);
        out
    };
    let all = [
        of(&[]),
        of(&[("x-a", "1")]),
        of(&[("x-b", "1")]),
        of(&[("x-a", "1"), ("x-b", "1")]),
        of(&[("x-a", "11")]),
        of(&[("x-a", ""), ("x-b", "1")]),
        of(&[("x-a", "1"), ("x-b", "")]),
        of(&[("x-a", "1,1")]),
        of(&[("x-a", ""), ("x-b", "")]),
    ];
    for (at, one) in all.iter().enumerate() {
        for another in &all[at + 1..] {
            assert_ne!(one, another);
        }
    }
    assert_eq!(of(&[("x-c", "1")]), of(&[]));
}

/// A value without anything that a normal form would change.
fn plain() -> impl Strategy<Value = Option<String>> {
    prop::option::of("[!#-+\\--~\u{80}-\u{10f}]{0,12}")
}

fn lines(values: &[Option<String>]) -> HeaderMap {
    let all = ["x-a", "x-b", "x-c"].into_iter().zip(values);
    let lines: Vec<_> = all
        .filter_map(|(name, value)| Some((name, value.as_deref()?)))
        .collect();
    fields(&lines)
}

proptest! {
    #[test]
    fn framing_is_injective(
        one in prop::collection::vec(plain(), 3),
        another in prop::collection::vec(plain(), 3),
    ) {
        let names = names(&["x-a", "x-b", "x-c"]);
        let of = |values: &[_]| {
            let mut out = Vec::new();
            variant(&names, &lines(values), &mut out);
            out
        };
        prop_assert_eq!(of(&one) == of(&another), one == another);
    }

    #[test]
    fn what_is_written_can_be_read_back_field_by_field(
        values in prop::collection::vec(prop::option::of("[ -~\t]{0,20}"), 5),
    ) {
        let order = ["accept-encoding", "accept-language", "cookie", "x-a", "x-b"];
        let all: Vec<_> = order
            .into_iter()
            .zip(&values)
            .filter_map(|(name, value)| Some((name, value.as_deref()?)))
            .collect();
        let asked = fields(&all);
        let mut out = Vec::new();
        variant(&names(&order), &asked, &mut out);
        let mut rest = &out[..];
        for value in &values {
            let (form, after) = rest.split_first().expect("a form");
            rest = after;
            prop_assert_eq!(*form == ABSENT, value.is_none());
            if *form != ABSENT {
                let (length, after) = rest.split_first_chunk::<4>().expect("a length");
                rest = &after[u32::from_le_bytes(*length) as usize..];
            }
        }
        prop_assert!(rest.is_empty());
    }

    #[test]
    fn the_order_and_weights_of_codings_do_not_matter(
        (codings, shuffled) in prop::sample::subsequence(
            vec!["gzip", "br", "zstd", "deflate", "compress", "dcb", "*"], 0..=7,
        ).prop_flat_map(|codings| (Just(codings.clone()), Just(codings).prop_shuffle())),
        weight in 1..1000_u32,
    ) {
        let weighed: Vec<_> = shuffled.iter().map(|coding| format!("{coding};q=0.{weight:03}")).collect();
        prop_assert_eq!(
            written("accept-encoding", &[&codings.join(",")]),
            written("accept-encoding", &[&weighed.join(" , ")])
        );
    }
}
