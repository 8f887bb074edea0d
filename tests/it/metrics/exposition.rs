//! Is this the text format of Prometheus, version 0.0.4, as its own reader and its conventions want it?

use std::collections::{BTreeMap, BTreeSet};

/// All that one scrape has told.
#[derive(Debug, Default)]
pub struct Exposition {
    /// By name.
    pub families: BTreeMap<String, Family>,
}

/// What stands under one name.
#[derive(Debug, Default)]
pub struct Family {
    pub help: String,
    pub kind: String,
    pub samples: Vec<Sample>,
}

/// One line.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// With `_bucket`, `_sum` or `_count`, if the family is a histogram.
    pub name: String,
    pub labels: BTreeMap<String, String>,
    pub value: f64,
}

impl Exposition {
    /// Reads it; panics with what is wrong.
    pub fn parse(text: &str) -> Self {
        let mut read = Self::default();
        let mut current = String::new();
        assert!(text.ends_with('\n'), "the last line does not end");
        for line in text.lines() {
            if let Some(help) = line.strip_prefix("# HELP ") {
                let (name, help) = help.split_once(' ').expect("a name and its help");
                let family = Family {
                    help: help.to_owned(),
                    ..Family::default()
                };
                let before = read.families.insert(name.to_owned(), family);
                assert!(before.is_none(), "{name} is there twice");
                current = name.to_owned();
            } else if let Some(kind) = line.strip_prefix("# TYPE ") {
                let (name, kind) = kind.split_once(' ').expect("a name and its type");
                assert_eq!(name, current, "{line}");
                let family = read.families.get_mut(name).expect("HELP comes first");
                kind.clone_into(&mut family.kind);
            } else {
                let sample = sample(line);
                let family = read.families.get_mut(&current);
                let family = family.unwrap_or_else(|| panic!("{line} is of no family"));
                let rest = sample.name.strip_prefix(&current);
                let belongs = match family.kind.as_str() {
                    "histogram" => matches!(rest, Some("_bucket" | "_sum" | "_count")),
                    _ => rest == Some(""),
                };
                assert!(belongs, "{line} is under {current}");
                family.samples.push(sample);
            }
        }
        read.check();
        read
    }

    fn check(&self) {
        for (name, family) in &self.families {
            let Family {
                help,
                kind,
                samples,
            } = family;
            assert!(help.ends_with('.'), "{name}: {help}");
            assert!(!samples.is_empty(), "{name} has no series");
            let is_word = |character: char| character.is_ascii_lowercase() || character == '_';
            let is_plain = |text: &str| text.replace("http2", "").chars().all(is_word);
            assert!(is_plain(name), "{name}");
            assert_eq!(name.ends_with("_total"), kind == "counter", "{name}");
            for (word, unit) in [("duration", "_seconds"), ("timestamp", "_seconds")] {
                assert!(!name.contains(word) || name.ends_with(unit), "{name}");
            }
            let mut series = BTreeSet::new();
            for sample in samples {
                assert!(
                    series.insert((&sample.name, &sample.labels)),
                    "{sample:?} is there twice"
                );
                assert!(sample.labels.keys().all(|label| is_plain(label)), "{name}");
                assert!(sample.value.is_finite(), "{sample:?}");
                assert!(kind == "gauge" || sample.value >= 0.0, "{sample:?}");
            }
            match kind.as_str() {
                "counter" | "gauge" => {}
                "histogram" => family.check_buckets(name),
                _ => panic!("{name} is a {kind}"),
            }
        }
    }

    /// Every value of every label, but for the bounds of buckets.
    pub fn label_values(&self) -> BTreeSet<&str> {
        let samples = self.families.values().flat_map(|family| &family.samples);
        let labels = samples.flat_map(|sample| &sample.labels);
        let values = labels.filter(|(name, _)| *name != "le");
        values.map(|(_, value)| value.as_str()).collect()
    }
}

impl Family {
    /// The bounds rise, and so do the counts, up to that of all.
    fn check_buckets(&self, name: &str) {
        let named = |ending: &str| -> Vec<&Sample> {
            let name = format!("{name}{ending}");
            let samples = self.samples.iter();
            samples.filter(|sample| sample.name == name).collect()
        };
        let counts = named("_count");
        assert_eq!(counts.len(), named("_sum").len(), "{name}");
        let mut buckets = 0;
        for count in counts {
            let mut last = (f64::NEG_INFINITY, 0.0);
            for bucket in named("_bucket") {
                let mut labels = bucket.labels.clone();
                let bound = labels.remove("le").expect("a bound");
                if labels != count.labels {
                    continue;
                }
                buckets += 1;
                let bound: f64 = bound.parse().expect("a number");
                assert!(bound > last.0 && bucket.value >= last.1, "{bucket:?}");
                last = (bound, bucket.value);
            }
            assert_eq!(last, (f64::INFINITY, count.value), "{count:?}");
        }
        assert_eq!(buckets, named("_bucket").len(), "{name}");
    }
}

fn sample(line: &str) -> Sample {
    let end = line.find(['{', ' ']).expect("more than a name");
    let (name, mut rest) = line.split_at(end);
    let mut labels = BTreeMap::new();
    if let Some(mut inside) = rest.strip_prefix('{') {
        while !inside.starts_with('}') {
            let (label, after) = inside.split_once("=\"").expect("a label and its value");
            let (value, after) = quoted(after);
            let before = labels.insert(label.to_owned(), value);
            assert!(before.is_none(), "{line} has {label} twice");
            inside = after.strip_prefix(',').unwrap_or(after);
        }
        rest = &inside[1..];
    }
    let value = rest.strip_prefix(' ').expect("a space before the value");
    Sample {
        name: name.to_owned(),
        labels,
        value: value.parse().unwrap_or_else(|_| panic!("{line}")),
    }
}

/// What stands before the closing quotation mark, and what behind it.
fn quoted(text: &str) -> (String, &str) {
    let mut value = String::new();
    let mut characters = text.char_indices();
    while let Some((place, character)) = characters.next() {
        match character {
            '"' => return (value, &text[place + 1..]),
            '\\' => match characters.next().expect("an escaped character").1 {
                'n' => value.push('\n'),
                escaped => value.push(escaped),
            },
            other => value.push(other),
        }
    }
    panic!("{text} does not end");
}
