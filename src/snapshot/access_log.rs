//! How do the written settings of the access log become what a log is opened with?

use std::collections::BTreeSet;
use std::path::Path;

use http::HeaderName;
use http::header::{AUTHORIZATION, COOKIE};

use crate::config::access::jwt::BEARER;
use crate::config::{
    AccessLog as Written, AccessLogField, AccessLogFormat, Config, Diagnostic, Diagnostics,
    Position, Route, Spanned,
};
use crate::telemetry::access_log::{
    Chosen, Destination, Format, Layout, Mask, Pattern, Sample, Settings,
};

/// Compiles the section; what is wrong with it is reported. `None` if there is to be no log.
pub(super) fn compile(config: &Config, diagnostics: &mut Diagnostics) -> Option<Settings> {
    let written = &config.access_log;
    let mut section = Section { diagnostics };
    let layout = section.layout(written, &config.routes);
    let mask = section.names("mask.query", &written.mask.query);
    let sample = section.sample(written);
    let format = match written.format {
        AccessLogFormat::Off => return None,
        AccessLogFormat::Json => Format::Json(layout),
        AccessLogFormat::Combined => {
            section.refuse_json(written);
            Format::Combined
        }
    };
    Some(Settings {
        destination: section.destination(&written.path),
        format,
        sample,
        mask: Mask::new(mask),
        queue_bytes: written.queue.as_usize(),
    })
}

/// The section `access_log`, and where its faults are told.
struct Section<'d> {
    diagnostics: &'d mut Diagnostics,
}

impl Section<'_> {
    fn error(&mut self, key: &str, at: &Option<Position>, message: String, hint: Option<&str>) {
        let told = Diagnostic::error(format!("access_log.{key}"), message);
        let told = told.at(at.clone()).hint(hint.map(str::to_owned));
        self.diagnostics.push(told);
    }

    fn warning(&mut self, key: &str, at: &Option<Position>, message: &str, hint: &str) {
        let told = Diagnostic::warning(format!("access_log.{key}"), message);
        let told = told.at(at.clone()).hint(hint.to_owned());
        self.diagnostics.push(told);
    }

    /// The file is made when it is opened, but not the directory it goes to.
    fn destination(&mut self, written: &Spanned<String>) -> Destination {
        let path = match written.value.as_str() {
            "stdout" => return Destination::Stdout,
            "stderr" => return Destination::Stderr,
            path => Path::new(path),
        };
        let parent = path.parent();
        let problem = match parent.filter(|parent| !parent.as_os_str().is_empty()) {
            Some(parent) if !parent.is_dir() => {
                Some(format!("the directory {} does not exist", parent.display()))
            }
            _ if path.is_dir() => Some(format!("{} is a directory", path.display())),
            _ => None,
        };
        if let Some(problem) = problem {
            self.error("path", &written.position, problem, None);
        }
        Destination::File(path.to_owned())
    }

    fn layout(&mut self, written: &Written, routes: &[Route]) -> Layout {
        let mut fields: Vec<AccessLogField> = Vec::new();
        for (index, field) in written.fields.iter().enumerate() {
            if fields.contains(&field.value) {
                let twice = format!("`{}` stands here twice", field.value.as_str());
                let key = format!("fields[{index}]");
                self.error(&key, &field.position, twice, Some("remove one of them"));
            }
            fields.push(field.value);
        }
        let masked = self.names("mask.headers", &written.mask.headers);
        let masked: BTreeSet<&str> = masked.chain(credentials(routes)).collect();
        let masked: Vec<Pattern> = masked.into_iter().map(Pattern::new).collect();
        let usual = Layout::default().fields;
        Layout {
            fields: if fields.is_empty() {
                usual
            } else {
                fields.into()
            },
            request_headers: self.chosen("headers.request", &written.headers.request, &masked),
            response_headers: self.chosen("headers.response", &written.headers.response, &masked),
        }
    }

    fn chosen(
        &mut self,
        key: &str,
        written: &[Spanned<String>],
        masked: &[Pattern],
    ) -> Box<[Chosen]> {
        let mut chosen: Vec<Chosen> = Vec::new();
        for (index, field) in written.iter().enumerate() {
            let (key, at) = (format!("{key}[{index}]"), &field.position);
            let shown = field.value.escape_debug();
            let Ok(name) = HeaderName::try_from(field.value.as_str()) else {
                let message = format!("`{shown}` is not the name of a header field");
                self.error(&key, at, message, None);
                continue;
            };
            if chosen.iter().any(|one| one.name == name) {
                let twice = format!("`{shown}` stands here twice");
                self.error(&key, at, twice, Some("remove one of them"));
            }
            chosen.push(Chosen::new(name, masked));
        }
        chosen.into()
    }

    /// Names in which `*` may stand.
    fn names<'w>(
        &mut self,
        key: &str,
        written: &'w [Spanned<String>],
    ) -> impl Iterator<Item = &'w str> + use<'w> {
        for (index, name) in written.iter().enumerate() {
            if name.value.is_empty() {
                let key = format!("{key}[{index}]");
                let hint = "write `*` to mask every value";
                let message = "an empty name masks nothing".to_owned();
                self.error(&key, &name.position, message, Some(hint));
            }
        }
        written.iter().map(|name| name.value.as_str())
    }

    fn sample(&mut self, written: &Written) -> Sample {
        let sample = Sample {
            of_a_million: written.sample.value.of_a_million(),
            slow: written.slow.as_ref().map(|slow| slow.value.as_duration()),
        };
        if let (Some(slow), false) = (&written.slow, sample.is_partial()) {
            let message = "changes nothing, for every request is logged";
            let hint = "write `sample` as well, for instance `sample: 10%`";
            self.warning("slow", &slow.position, message, hint);
        }
        sample
    }

    /// What lines of the other format can't show.
    fn refuse_json(&mut self, written: &Written) {
        let (asked, answered) = (&written.headers.request, &written.headers.response);
        for (key, at) in [
            ("fields", written.fields.first().map(|one| &one.position)),
            ("headers.request", asked.first().map(|one| &one.position)),
            (
                "headers.response",
                answered.first().map(|one| &one.position),
            ),
        ] {
            if let Some(at) = at {
                let message =
                    "changes nothing, for lines in the combined format have no such fields";
                self.warning(key, at, message, "write `format: json`");
            }
        }
    }
}

/// The fields in which routes look for what lets a client in.
fn credentials(routes: &[Route]) -> impl Iterator<Item = &str> {
    let places = routes.iter().flat_map(|route| {
        let key = route.api_key.as_ref().map(|key| &*key.value.from.value);
        let token = route.jwt.as_ref().map(|jwt| &*jwt.value.from.value);
        let password = route.basic_auth.as_ref().map(|_| BEARER);
        [key, token, password]
    });
    places
        .flatten()
        .filter_map(|place| match place.split_once('.') {
            Some(("header", name)) => Some(name),
            Some(("cookie", _)) => Some(COOKIE.as_str()),
            None => Some(AUTHORIZATION.as_str()),
            Some(_) => None,
        })
}
