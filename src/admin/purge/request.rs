//! What does an operator want to be purged?

use serde::{Deserialize, Deserializer, Serialize};

use crate::cache::KeyRule;
use crate::cache::address::{self, BadAddress, Extent};
use crate::cache::purge::{Mode, What};
use crate::cache::report::PurgeReport;
use crate::route::query_values;
use crate::telemetry::metrics::{CacheMetrics, PurgeKind};

/// The most that can be named at once.
const MOST: usize = 10_000;

/// What is to be purged, as it is asked for: as JSON, or as the pairs of a form in the query or the body.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PurgeRequest {
    /// The objects of these addresses.
    #[serde(
        skip_serializing_if = "Vec::is_empty",
        deserialize_with = "one_or_many"
    )]
    pub url: Vec<String>,
    /// Those whose addresses begin with one of these.
    #[serde(
        skip_serializing_if = "Vec::is_empty",
        deserialize_with = "one_or_many"
    )]
    pub prefix: Vec<String>,
    /// Those with one of these tags.
    #[serde(
        skip_serializing_if = "Vec::is_empty",
        deserialize_with = "one_or_many"
    )]
    pub tag: Vec<String>,
    /// All.
    pub all: bool,
    /// Whether they become stale instead of being removed.
    pub soft: bool,
}

/// A list, or the one thing that is in it.
fn one_or_many<'de, D: Deserializer<'de>>(given: D) -> Result<Vec<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged, expecting = "a string or a list of strings")]
    enum Given {
        One(String),
        Many(Vec<String>),
    }
    Ok(match Given::deserialize(given)? {
        Given::One(one) => vec![one],
        Given::Many(many) => many,
    })
}

impl PurgeRequest {
    /// Reads it from the query and the body, which may both say something.
    ///
    /// # Errors
    ///
    /// What is wrong with them, in words.
    pub fn read(query: Option<&str>, body: &[u8]) -> Result<Self, String> {
        let body = body.trim_ascii();
        let mut request = if body.starts_with(b"{") {
            serde_json::from_slice(body)
                .map_err(|error| format!("the body can't be read: {error}"))?
        } else {
            let form = std::str::from_utf8(body);
            let form = form.map_err(|_| "the body is neither JSON nor a form")?;
            Self::of_form(form)?
        };
        let more = Self::of_form(query.unwrap_or_default())?;
        request.url.extend(more.url);
        request.prefix.extend(more.prefix);
        request.tag.extend(more.tag);
        request.all |= more.all;
        request.soft |= more.soft;
        let named = request.url.len() + request.prefix.len() + request.tag.len();
        if named == 0 && !request.all {
            let hint = "say what: `url`, `prefix` or `tag`, each once or more often, or `all`";
            return Err(hint.to_owned());
        }
        if named > MOST {
            return Err(format!(
                "{named} are too many at once; up to {MOST} can be named"
            ));
        }
        Ok(request)
    }

    /// What is to be purged, where the routes have these rules.
    ///
    /// # Errors
    ///
    /// An address or a tag means nothing.
    pub fn objects(&self, rules: &[KeyRule]) -> Result<Vec<What>, String> {
        // What was stored before a reload went by the usual rule, at least where no route had another.
        let usual = KeyRule::default();
        let rules = || rules.iter().chain(std::iter::once(&usual));
        let mut all = Vec::new();
        for (written, extent) in [
            (&self.url, Extent::Whole),
            (&self.prefix, Extent::Beginning),
        ] {
            for text in written {
                let objects = address::objects(text, extent, rules());
                all.extend(objects.map_err(|error: BadAddress| {
                    let text: String = text.chars().take(200).collect();
                    format!("`{}`: {error}", text.escape_debug())
                })?);
            }
        }
        if self.tag.iter().any(|tag| tag.trim().is_empty()) {
            return Err("a tag is empty".to_owned());
        }
        all.extend(self.tag.iter().map(|tag| What::Tag(tag.trim().to_owned())));
        if self.all {
            all.push(What::All);
        }
        Ok(all)
    }

    /// How it is to be done.
    pub const fn mode(&self) -> Mode {
        if self.soft { Mode::Soft } else { Mode::Hard }
    }

    /// Counts what it names, and what was found.
    pub fn count(&self, report: PurgeReport, metrics: &CacheMetrics) {
        let named = [
            (PurgeKind::Url, self.url.len()),
            (PurgeKind::Prefix, self.prefix.len()),
            (PurgeKind::Tag, self.tag.len()),
            (PurgeKind::All, usize::from(self.all)),
        ];
        for (kind, count) in named {
            metrics.purged(kind, count);
        }
        metrics.removed(report.memory + report.disk);
    }

    /// What is purged, in few words for the log.
    pub fn summary(&self) -> String {
        let lists = [
            ("url", &self.url),
            ("prefix", &self.prefix),
            ("tag", &self.tag),
        ];
        let mut parts = Vec::new();
        for (kind, list) in lists {
            match &list[..] {
                [] => {}
                [one] => {
                    let one: String = one.chars().take(200).collect();
                    parts.push(format!("{kind} {one}"));
                }
                many => parts.push(format!("{} by {kind}", many.len())),
            }
        }
        if self.all {
            parts.push("all".to_owned());
        }
        parts.join(", ")
    }

    fn of_form(form: &str) -> Result<Self, String> {
        const NAMES: [&str; 5] = ["url", "prefix", "tag", "all", "soft"];
        let pairs = form.split('&').filter(|pair| !pair.is_empty());
        for name in pairs.filter_map(|pair| pair.split('=').next()) {
            if !NAMES.contains(&name) {
                let name: String = name.chars().take(40).collect();
                let known = NAMES.join("`, `");
                return Err(format!("there is no `{name}`; there are `{known}`"));
            }
        }
        let list = |name| -> Result<Vec<String>, String> {
            let values =
                query_values(form, name).map(|value| String::from_utf8(value.into_owned()));
            let values: Result<Vec<_>, _> = values.collect();
            values.map_err(|_| format!("`{name}` is not UTF-8"))
        };
        let truth = |name| match list(name)?.last().map(String::as_str) {
            None | Some("false" | "0") => Ok(false),
            Some("" | "true" | "1") => Ok(true),
            Some(_) => Err(format!("`{name}` is `true` or `false`")),
        };
        Ok(Self {
            url: list("url")?,
            prefix: list("prefix")?,
            tag: list("tag")?,
            all: truth("all")?,
            soft: truth("soft")?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(query: &str, body: &str) -> Result<PurgeRequest, String> {
        PurgeRequest::read(Some(query), body.as_bytes())
    }

    #[test]
    fn it_is_asked_for_in_json_with_one_or_many_of_each() {
        let body = r#" {"url": "https://a/1", "tag": ["x", "y z"], "soft": true}"#;
        let request = read("", body).expect("a request");
        assert_eq!(request.url, ["https://a/1"]);
        assert_eq!(request.tag, ["x", "y z"]);
        assert!(request.soft && !request.all && request.prefix.is_empty());
        let again = serde_json::to_vec(&request).expect("JSON");
        assert_eq!(PurgeRequest::read(None, &again), Ok(request));
    }

    #[test]
    fn it_is_asked_for_in_the_query_or_as_a_form() {
        let request = read("url=https://a/1%3Fx%3D1%26y&url=b/&soft", "").expect("a request");
        assert_eq!(request.url, ["https://a/1?x=1&y", "b/"]);
        assert!(request.soft);
        assert!(read("all=true&soft=0", "").expect("a request").all);
        let request = read("soft=1", "tag=a+b&prefix=c%2F\n").expect("a request");
        assert_eq!(
            (&*request.tag, &*request.prefix),
            (&["a b".to_owned()][..], &["c/".to_owned()][..])
        );
        assert!(request.soft);
    }

    #[test]
    fn what_can_not_be_meant_is_refused_with_the_reason() {
        for (query, body, why) in [
            ("", "", "say what"),
            ("soft", "{}", "say what"),
            ("all=false", "", "say what"),
            ("urls=a", "", "there is no `urls`"),
            ("all=maybe", "", "`all` is `true` or `false`"),
            ("tag=%ff", "", "`tag` is not UTF-8"),
            ("", "{\"urls\": []}", "unknown field `urls`"),
            ("", "{\"url\": 5}", "a string or a list of strings"),
            ("", "{\"url\": \"a\"", "can't be read"),
            ("", "[\"a\"]", "there is no `[\"a\"]`"),
        ] {
            let said = read(query, body).expect_err("refused");
            assert!(said.contains(why), "{query} {body}: {said}");
        }
        let many = vec!["tag=a"; MOST + 1].join("&");
        assert!(read(&many, "").expect_err("refused").contains("too many"));
        assert!(PurgeRequest::read(None, b"\xff").is_err());
    }

    #[test]
    fn what_it_is_about_is_named_and_counted() {
        let metrics = crate::telemetry::Metrics::new().expect("metrics");
        let request = read(
            "url=https://A.example/1&url=a.example/2&tag=+x+&prefix=a.example/p&soft",
            "",
        );
        let request = request.expect("a request");
        let objects = request.objects(&[]).expect("objects");
        let expected = [
            What::Url("a.example/1".into()),
            What::Url("a.example/2".into()),
            What::Prefix("a.example/p".into()),
            What::Tag("x".into()),
        ];
        assert_eq!(objects, expected);
        let report = PurgeReport { memory: 3, disk: 4 };
        request.count(report, &metrics.cache);
        assert_eq!(request.mode(), Mode::Soft);
        let mut text = Vec::new();
        metrics.render(&mut text);
        let text = String::from_utf8(text).expect("text");
        for line in [
            "portcullis_cache_purges_total{kind=\"url\"} 2\n",
            "portcullis_cache_purges_total{kind=\"all\"} 0\n",
            "portcullis_cache_purged_objects_total 7\n",
        ] {
            assert!(text.contains(line), "{line}");
        }
        assert_eq!(request.summary(), "2 by url, prefix a.example/p, tag  x ");
        let all = read("all", "").expect("a request");
        assert_eq!(all.objects(&[]), Ok(vec![What::All]));
    }

    #[test]
    fn an_address_that_means_nothing_is_told_with_the_reason() {
        for (query, why) in [
            ("url=/a", "`/a`: it has no host"),
            ("prefix=ftp://a/", "`ftp://a/`: `ftp` is neither"),
            ("url=a%0A/b", "`a\\n/b`: invalid host"),
            ("tag=+", "a tag is empty"),
        ] {
            let said = read(query, "").expect("a request").objects(&[]);
            let said = said.expect_err("refused");
            assert!(said.starts_with(why), "{query}: {said}");
        }
    }
}
