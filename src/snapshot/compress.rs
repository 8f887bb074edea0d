//! How does what is written about compression become what answers are compressed by?

use std::sync::Arc;

use super::End;
use super::files::Sources;
use super::reporter::Reporter;
use crate::config::route::Route as Written;
use crate::config::route::compress::{Coding, Compress as Settings};
use crate::config::{Config, Spanned};
use crate::policy::Compress;

/// Types whose formats are compressed already.
const COMPRESSED: [&str; 13] = [
    "*/*",
    "application/gzip",
    "application/vnd.rar",
    "application/x-7z-compressed",
    "application/zip",
    "application/zstd",
    "audio/*",
    "font/woff2",
    "image/*",
    "image/avif",
    "image/jpeg",
    "image/png",
    "image/webp",
];

/// The compression of a route, if it has one. What is wrong with it is reported.
pub(super) fn compile(
    written: &Written,
    end: Option<&End>,
    config: &Config,
    sources: &Sources<'_>,
    reporter: &mut Reporter<'_>,
) -> Option<Compress> {
    let compress = written.compress.as_ref()?;
    codings(compress, reporter);
    levels(&compress.value, reporter);
    let types = &compress.value.types;
    if types.is_empty() {
        let hint = "name some, as `[text/*, application/json]`, or leave `compress` out";
        let message = "no type is compressed";
        reporter.error("compress.types", compress, message, Some(hint));
    }
    for (index, media) in types.iter().enumerate() {
        if COMPRESSED.contains(&media.value.to_ascii_lowercase().as_str()) {
            reporter.warning(
                &format!("compress.types[{index}]"),
                media,
                format!(
                    "`{}` is, or has in it, what is compressed already",
                    media.value
                ),
                Some("to compress that again costs time and gains nothing"),
            );
        }
    }
    let metrics = sources.state.metrics.compression(&written.name.value);
    let room = Arc::clone(&sources.state.encoders);
    let most = Some(config.overload.compression.as_u64()).filter(|most| *most > 0);
    let most = most.unwrap_or(u64::MAX);
    let compiled = Compress::compile(&compress.value, room, most, metrics, |index, problem| {
        let Some(media) = types.get(index) else {
            return;
        };
        reporter.error(
            &format!("compress.types[{index}]"),
            media,
            format!("`{}` {problem}", media.value.escape_debug()),
            Some("write `application/json`, `text/*` or `application/*+json`"),
        );
    });
    let useless = match end {
        Some(End::Redirect(_)) => Some("a redirect has no body"),
        Some(End::Respond(respond)) => {
            let is_eligible = compiled.is_eligible(
                respond.status,
                &respond.fields(),
                Some(respond.body.len() as u64),
            );
            (!is_eligible).then_some(
                "the answer is shorter than `min_size`, of a type that is not in `types`, or has no body",
            )
        }
        Some(End::Pool(..)) | None => None,
    };
    if let Some(why) = useless {
        let message = format!("nothing on this route is ever compressed: {why}");
        reporter.error("compress", compress, message, None);
    }
    Some(compiled)
}

fn codings(compress: &Spanned<Settings>, reporter: &mut Reporter<'_>) {
    let codings = &compress.value.codings;
    if codings.is_empty() {
        let hint = "name some, as `[zstd, br, gzip]`, or leave `compress` out";
        let message = "no coding is offered";
        reporter.error("compress.codings", compress, message, Some(hint));
    }
    for (index, coding) in codings.iter().enumerate() {
        if codings[..index]
            .iter()
            .any(|before| before.value == coding.value)
        {
            let message = format!("`{}` is named twice", coding.value.as_str());
            let key = format!("compress.codings[{index}]");
            reporter.error(&key, coding, message, None);
        }
    }
}

fn levels(settings: &Settings, reporter: &mut Reporter<'_>) {
    for coding in Coding::ALL {
        let level = settings.level.of(coding);
        let levels = coding.levels();
        if !levels.contains(&level.value) {
            let name = coding.as_str();
            let (least, most) = (levels.start(), levels.end());
            reporter.error(
                &format!("compress.level.{name}"),
                level,
                format!("{name} has no level {} here", level.value),
                Some(&format!(
                    "write {least} to {most}; above, each step takes much more time and memory"
                )),
            );
        }
    }
}
