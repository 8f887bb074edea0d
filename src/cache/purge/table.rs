//! Which purges are remembered?

use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;
use std::time::SystemTime;

use rustc_hash::FxBuildHasher;
use xxhash_rust::xxh3::xxh3_64;

use super::ban::Ban;
use super::{Marks, Mode, Purged, Seq, What, tags};

/// How many URLs, tags and prefixes are remembered as such.
pub(super) const MOST: usize = 100_000;

/// How long a prefix may be, in bytes. What is longer counts as far as that, and so purges more.
pub(super) const LONGEST_PREFIX: usize = 4096;

/// How many bytes all prefixes may have.
const MOST_PREFIX_BYTES: usize = 16 << 20;

/// What was purged by a hash.
type Hashed = HashMap<u64, Ban, FxBuildHasher>;

/// What was purged, and when.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Table {
    pub(super) all: Ban,
    pub(super) urls: Hashed,
    pub(super) tags: Hashed,
    pub(super) prefixes: BTreeMap<Box<[u8]>, Ban>,
    /// All of `tags` in one.
    any_tag: Ban,
    prefix_bytes: usize,
}

impl Table {
    pub(super) fn len(&self) -> usize {
        let all = usize::from(!self.all.is_over());
        all + self.urls.len() + self.tags.len() + self.prefixes.len()
    }

    /// The latest purge of all, 0 without any.
    pub(super) fn latest(&self) -> u64 {
        let hashed = self.urls.values().chain(self.tags.values());
        let bans = hashed.chain(self.prefixes.values()).chain([&self.all]);
        bans.map(Ban::latest).max().unwrap_or(0)
    }

    pub(super) fn add(&mut self, what: &What, mode: Mode, seq: Seq, now: SystemTime) {
        let ban = Ban::new(mode, seq, now);
        match what {
            What::All => {
                // What was purged before is part of this, if this is no softer.
                if mode == Mode::Hard {
                    *self = Self::default();
                }
                self.all.absorb(&ban);
            }
            What::Url(url) => {
                self.add_url(xxh3_64(located(url, true).as_bytes()), &ban);
            }
            What::Tag(name) => self.add_tag(tags::tag(name), &ban),
            What::Prefix(prefix) => {
                let prefix = prefix.strip_suffix('*').unwrap_or(prefix);
                self.add_prefix(located(prefix, false).as_bytes(), &ban);
            }
        }
        self.bound();
    }

    pub(super) fn add_url(&mut self, hash: u64, ban: &Ban) {
        self.urls.entry(hash).or_default().absorb(ban);
    }

    pub(super) fn add_tag(&mut self, hash: u64, ban: &Ban) {
        self.any_tag.absorb(ban);
        self.tags.entry(hash).or_default().absorb(ban);
    }

    pub(super) fn add_prefix(&mut self, prefix: &[u8], ban: &Ban) {
        let prefix = &prefix[..prefix.len().min(LONGEST_PREFIX)];
        if let Some(known) = self.prefixes.get_mut(prefix) {
            known.absorb(ban);
        } else {
            self.prefix_bytes += prefix.len();
            self.prefixes.insert(prefix.into(), ban.clone());
        }
    }

    pub(super) fn of(&self, marks: &Marks) -> Purged {
        let since = marks.since.0;
        let mut purged = self.all.of(since);
        if !self.urls.is_empty()
            && let Some(ban) = self.urls.get(&xxh3_64(marks.url.as_bytes()))
        {
            purged = worse(purged, ban.of(since));
        }
        if !self.tags.is_empty() {
            for tag in &marks.tags {
                let ban = match *tag {
                    tags::ANY => Some(&self.any_tag),
                    tag => self.tags.get(&tag),
                };
                purged = ban.map_or(purged, |ban| worse(purged, ban.of(since)));
            }
        }
        if !self.prefixes.is_empty() {
            for ban in self.of_prefixes(marks.url.as_bytes()) {
                purged = worse(purged, ban.of(since));
            }
        }
        purged
    }

    /// As [`Self::of`], by the hashes alone: whether it is gone; `None` if there are prefixes that could tell otherwise.
    pub(super) fn at_a_glance(&self, since: Seq, url: u64, tags: &[u64]) -> Option<bool> {
        let gone = |ban: &Ban| matches!(ban.of(since.0), Purged::Gone);
        let of_tag = |tag: &u64| match *tag {
            tags::ANY => Some(&self.any_tag),
            tag => self.tags.get(&tag),
        };
        let is_gone = gone(&self.all)
            || self.urls.get(&url).is_some_and(gone)
            || tags.iter().filter_map(of_tag).any(gone);
        (is_gone || self.prefixes.is_empty()).then_some(is_gone)
    }

    /// Those of all prefixes of this, the longest first.
    ///
    /// All that stands between a prefix of `upper` and `upper` begins with that prefix, so what the greatest entry up to
    /// `upper` has in common with it is as far as any other prefix can go.
    fn of_prefixes<'t>(&'t self, url: &'t [u8]) -> impl Iterator<Item = &'t Ban> {
        let mut rest = Some(url);
        std::iter::from_fn(move || {
            loop {
                let upper = rest?;
                let range = (Bound::Unbounded, Bound::Included(upper));
                let Some((prefix, ban)) = self.prefixes.range::<[u8], _>(range).next_back() else {
                    rest = None;
                    return None;
                };
                let same = prefix.iter().zip(upper).take_while(|(a, b)| a == b).count();
                if same == prefix.len() {
                    rest = same.checked_sub(1).map(|shorter| &upper[..shorter]);
                    return Some(ban);
                }
                rest = Some(&upper[..same]);
            }
        })
    }

    pub(super) fn forget_hard(&mut self, up_to: Seq) {
        let lasts = |ban: &mut Ban| {
            ban.forget_hard(up_to.0);
            !ban.is_over()
        };
        lasts(&mut self.all);
        lasts(&mut self.any_tag);
        self.urls.retain(|_, ban| lasts(ban));
        self.tags.retain(|_, ban| lasts(ban));
        self.prefixes.retain(|_, ban| lasts(ban));
        self.prefix_bytes = self.prefixes.keys().map(|prefix| prefix.len()).sum();
        self.urls.shrink_to(self.urls.len() * 2);
        self.tags.shrink_to(self.tags.len() * 2);
    }

    /// Where too many purges are remembered, the older half is taken for purges of everything.
    pub(super) fn bound(&mut self) {
        if self.len() <= MOST && self.prefix_bytes <= MOST_PREFIX_BYTES {
            return;
        }
        let hashed = self.urls.values().chain(self.tags.values());
        let bans = hashed.chain(self.prefixes.values());
        let mut order: Vec<u64> = bans.map(Ban::latest).collect();
        let middle = order.len() / 2;
        let (_, &mut middle, _) = order.select_nth_unstable(middle);
        let all = &mut self.all;
        let mut newer = |ban: &mut Ban| {
            let newer = ban.latest() > middle;
            if !newer {
                all.absorb(ban);
            }
            newer
        };
        self.urls.retain(|_, ban| newer(ban));
        self.tags.retain(|_, ban| newer(ban));
        self.prefixes.retain(|_, ban| newer(ban));
        self.prefix_bytes = self.prefixes.keys().map(|prefix| prefix.len()).sum();
        self.any_tag = Ban::default();
        for ban in self.tags.values() {
            self.any_tag.absorb(ban);
        }
    }
}

/// What both have done.
fn worse(one: Purged, other: Purged) -> Purged {
    match (one, other) {
        (Purged::Gone, _) | (_, Purged::Gone) => Purged::Gone,
        (Purged::Softly(one), Purged::Softly(other)) => Purged::Softly(one.min(other)),
        (Purged::No, other) => other,
        (one, Purged::No) => one,
    }
}

/// What someone wrote as a URL or its beginning, as [`Marks::url`] has it: without its scheme and the scheme's own port,
/// and its host in lower case.
fn located(text: &str, whole: bool) -> String {
    let (text, port) = [("http://", ":80"), ("https://", ":443")]
        .into_iter()
        .find_map(|(scheme, port)| {
            let head = text.get(..scheme.len())?;
            let same = head.eq_ignore_ascii_case(scheme);
            same.then(|| (&text[scheme.len()..], port))
        })
        .unwrap_or((text, ""));
    let end = text.find(['/', '?']).unwrap_or(text.len());
    let (host, rest) = text.split_at(end);
    let host = match host.strip_suffix(port) {
        Some(host) if whole || !rest.is_empty() => host,
        _ => host,
    };
    let slash = match rest.as_bytes().first() {
        Some(b'/') => "",
        None if !whole => "",
        _ => "/",
    };
    format!("{}{slash}{rest}", host.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_may_be_written_as_a_browser_shows_it() {
        for (written, url) in [
            ("https://A.Example/B?C", "a.example/B?C"),
            ("HTTP://a.example:80/", "a.example/"),
            ("https://a.example:443", "a.example/"),
            ("https://a.example:80/x", "a.example:80/x"),
            ("a.example?q", "a.example/?q"),
            ("/only/a/path", "/only/a/path"),
        ] {
            assert_eq!(located(written, true), url);
        }
        assert_eq!(located("https://A.exa", false), "a.exa");
        assert_eq!(located("https://a.example:443/x", false), "a.example/x");
    }

    #[test]
    fn prefixes_are_found_among_many_that_are_none() {
        let mut table = Table::default();
        let ban = Ban::new(Mode::Hard, Seq(1), SystemTime::UNIX_EPOCH);
        for prefix in [
            "",
            "a/",
            "a/b",
            "a/b/c",
            "a/b/cx",
            "a/bb",
            "a/c",
            "b",
            "a/b/c/d/e",
        ] {
            table.add_prefix(prefix.as_bytes(), &ban);
        }
        assert_eq!(table.of_prefixes(b"a/b/c/d").count(), 4);
        assert_eq!(table.of_prefixes(b"a/b/c").count(), 4);
        assert_eq!(table.of_prefixes(b"a").count(), 1);
        assert_eq!(table.of_prefixes(b"").count(), 1);
        assert_eq!(table.of_prefixes(b"zzz").count(), 1);
    }
}
