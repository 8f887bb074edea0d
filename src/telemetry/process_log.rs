//! How does the process itself speak: what starts, stops, changes and goes wrong?
//!
//! One record is one line on standard error, whatever is in it: messages quote what clients and endpoints send.

use std::fmt;
use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::SystemTime;

use log::{Level, LevelFilter};

use super::json::Object;
use super::{panics, timestamp};

/// The environment variable that wins over the configured level, in the syntax of `env_logger`: `info,portcullis=debug`.
const FILTER_VARIABLE: &str = "RUST_LOG";

/// The crates of the proxy engine that log by themselves.
const ENGINE: [&str; 4] = [
    "pingora_core",
    "pingora_proxy",
    "pingora_pool",
    "pingora_runtime",
];

/// How a record becomes a line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// `2025-01-02T03:04:05.678Z INFO  4711 portcullis: message`, with the number of the process and the level in colour on a terminal.
    ///
    /// Control characters in the message are written as `\n`, `\r`, `\t` or `\u{1b}`.
    #[default]
    Text,
    /// One JSON object a line with the strings `time`, `level`, `pid`, `target` and `message`.
    Json,
}

/// Why the process log can't be set up or changed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The level is none of `off`, `error`, `warn`, `info`, `debug` and `trace`.
    #[error("unknown log level {0:?}: use off, error, warn, info, debug or trace")]
    UnknownLevel(String),
    /// Something else in this process was set up before.
    #[error("the process log is already set up")]
    AlreadySet(#[from] log::SetLoggerError),
}

/// The process log that was set up.
#[derive(Debug)]
pub struct ProcessLog {
    /// The environment decides what is logged, not the configuration.
    from_environment: bool,
    /// Whether lines are JSON.
    json: Arc<AtomicBool>,
}

impl ProcessLog {
    /// Changes format and level from now on. The level not if `RUST_LOG` is set: it wins at a reload as it did at the
    /// start.
    ///
    /// # Errors
    ///
    /// [`Error::UnknownLevel`]; then nothing has changed.
    pub fn change(&self, format: Format, level: &str) -> Result<(), Error> {
        let level = parse_level(level)?;
        if !self.from_environment {
            log::set_max_level(level);
        }
        self.json.store(format == Format::Json, Ordering::Relaxed);
        Ok(())
    }
}

/// Sends what the `log` macros say to standard error, up to `level` or what `RUST_LOG` selects; panics as well.
///
/// # Errors
///
/// [`Error::UnknownLevel`], or [`Error::AlreadySet`] at the second call in a process.
pub fn init(format: Format, level: &str) -> Result<ProcessLog, Error> {
    let level = parse_level(level)?;
    let filters = std::env::var(FILTER_VARIABLE).ok();
    let mut builder = env_logger::Builder::new();
    match &filters {
        Some(filters) => builder.parse_filters(filters),
        // The logger passes everything on and `log` itself holds the level: only the latter can change later.
        None => builder.filter_level(LevelFilter::Trace),
    };
    if filters.is_none() && level <= LevelFilter::Info {
        // Pingora warns of single requests, so a flood of bad ones would be a flood here; each has its reason in the
        // access log. Its news about starting and stopping are ours as well.
        for engine in ENGINE {
            builder.filter_module(engine, LevelFilter::Error);
        }
    }
    let json = Arc::new(AtomicBool::new(format == Format::Json));
    let writes_json = Arc::clone(&json);
    builder.format(move |out, record| {
        let time = SystemTime::now();
        let (level, target, message) = (record.level(), record.target(), record.args());
        match writes_json.load(Ordering::Relaxed) {
            false => {
                let style = out.default_level_style(level);
                let level = format_args!("{style}{level:<5}{style:#}");
                write_text(out, time, level, target, message)
            }
            true => write_json(out, time, level, target, message),
        }
    });
    builder.try_init()?;
    panics::tell_in_log();
    let log = ProcessLog {
        from_environment: filters.is_some(),
        json,
    };
    if !log.from_environment {
        log::set_max_level(level);
    }
    Ok(log)
}

fn parse_level(level: &str) -> Result<LevelFilter, Error> {
    level
        .parse()
        .map_err(|_| Error::UnknownLevel(level.to_owned()))
}

fn write_text(
    out: &mut impl Write,
    time: SystemTime,
    level: fmt::Arguments<'_>,
    target: &str,
    message: &fmt::Arguments<'_>,
) -> io::Result<()> {
    let mut line = Vec::with_capacity(256);
    timestamp::rfc3339(&mut line, time);
    write!(
        line,
        " {level} {} {}: {}",
        std::process::id(),
        Printable(target),
        Printable(message)
    )?;
    line.push(b'\n');
    out.write_all(&line)
}

fn write_json(
    out: &mut impl Write,
    time: SystemTime,
    level: Level,
    target: &str,
    message: &fmt::Arguments<'_>,
) -> io::Result<()> {
    let mut line = Vec::with_capacity(256);
    let mut object = Object::new(&mut line);
    object.quoted("time", |out| timestamp::rfc3339(out, time));
    object.text("level", level.as_str());
    object.display("pid", std::process::id());
    object.text("target", target);
    object.display("message", message);
    object.end_line();
    out.write_all(&line)
}

/// Displays a value with its control characters escaped.
struct Printable<T>(T);

impl<T: fmt::Display> fmt::Display for Printable<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::write(&mut Escaping(f), format_args!("{}", self.0))
    }
}

struct Escaping<'a, 'b>(&'a mut fmt::Formatter<'b>);

impl fmt::Write for Escaping<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let unsafe_in_line = |c: char| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}');
        let mut rest = text;
        while let Some(at) = rest.find(unsafe_in_line) {
            let (before, from) = rest.split_at(at);
            let mut characters = from.chars();
            self.0.write_str(before)?;
            if let Some(control) = characters.next() {
                write!(self.0, "{}", control.escape_default())?;
            }
            rest = characters.as_str();
        }
        self.0.write_str(rest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::time::{Duration, UNIX_EPOCH};

    fn time() -> SystemTime {
        UNIX_EPOCH + Duration::from_millis(1_735_787_045_678)
    }

    fn text(message: &str) -> String {
        let mut out = Vec::new();
        write_text(
            &mut out,
            time(),
            format_args!("{:<5}", Level::Info),
            "portcullis",
            &format_args!("{message}"),
        )
        .expect("a vector takes everything");
        String::from_utf8(out).expect("a line is UTF-8")
    }

    fn json(message: &str) -> String {
        let mut out = Vec::new();
        write_json(
            &mut out,
            time(),
            Level::Warn,
            "portcullis",
            &format_args!("{message}"),
        )
        .expect("a vector takes everything");
        String::from_utf8(out).expect("a line is UTF-8")
    }

    #[test]
    fn text_is_time_level_target_and_message() {
        assert_eq!(
            text("listening on [::]:443"),
            format!(
                "2025-01-02T03:04:05.678Z INFO  {} portcullis: listening on [::]:443\n",
                std::process::id()
            )
        );
    }

    #[test]
    fn json_is_one_object_a_line() {
        let value: serde_json::Value = serde_json::from_str(&json("a \"b\"\n")).expect("JSON");
        let expected = serde_json::json!({
            "time": "2025-01-02T03:04:05.678Z", "level": "WARN", "pid": std::process::id().to_string(), "target": "portcullis", "message": "a \"b\"\n",
        });
        assert_eq!(value, expected);
    }

    #[test]
    fn a_message_cannot_forge_a_second_line() {
        assert!(text("x\r\nERROR \u{1b}[2J").ends_with(": x\\r\\nERROR \\u{1b}[2J\n"));
    }

    #[test]
    fn a_level_is_one_of_six_words() {
        assert_eq!(parse_level("Warn").expect("a level"), LevelFilter::Warn);
        let error = parse_level("loud").expect_err("no level");
        assert_eq!(
            error.to_string(),
            "unknown log level \"loud\": use off, error, warn, info, debug or trace"
        );
    }

    proptest! {
        #[test]
        fn any_message_stays_one_line(message in any::<String>()) {
            for line in [text(&message), json(&message)] {
                prop_assert_eq!(line.find(char::is_control), Some(line.len() - 1));
            }
            let value: serde_json::Value = serde_json::from_str(&json(&message)).expect("JSON");
            prop_assert_eq!(value["message"].as_str(), Some(message.as_str()));
        }
    }
}
