//! How is a cache filled before anybody asks? Pages are fetched through it, some at a time.

mod fetch;
mod page;
mod said;
mod tally;

use std::cell::RefCell;
use std::fs::File;
use std::io::{self, BufRead, BufReader, IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use clap::ArgGroup;
use futures_util::future::join_all;
use http::header::{CONNECTION, CONTENT_LENGTH, HOST, TRANSFER_ENCODING};
use http::{HeaderName, HeaderValue};
use tokio::sync::{Mutex, mpsc};

use super::{place, say};
use crate::pool::Address;
use crate::tls::{ConnectAlpn, ConnectSettings, Roots, Verification, client_config};
use fetch::{Fetcher, Ways};
use page::Page;
use tally::Tally;

/// How many failures are told one by one.
const TOLD: u64 = 20;
/// How many pages at once.
const AT_ONCE: u16 = 8;
/// How often a terminal shows how far it has come, and how often a log does.
const REDRAWN: Duration = Duration::from_millis(200);
const LOGGED: Duration = Duration::from_secs(1);

/// Fetch pages through the cache of a running process, so that it has them. Bodies are read to their end and not kept.
///
/// Connections go to the host of each page, or all to `--via`. Where answers vary by a field of the request, what is sent
/// with `--header` decides which one is fetched. Redirects are not followed. A page that is fetched counts as a hit or a
/// miss by its `Cache-Status`.
///
/// Exit codes: 0 all was fetched, 1 something was not or had a status of 400 or more, 64 a command line that can't be read.
#[derive(clap::Args)]
#[group(skip)]
#[command(group(ArgGroup::new("pages").required(true).multiple(true).args(["urls", "from"])))]
pub struct Warm {
    /// The pages, as `https://example.com/a`.
    #[arg(value_name = "URL", value_parser = page)]
    urls: Vec<String>,
    /// A file with more of them, one a line; `-` for standard input. Empty lines and those that begin with `#` count for
    /// nothing.
    #[arg(long, value_name = "FILE|-")]
    from: Option<PathBuf>,
    /// How many are fetched at once.
    #[arg(long, value_name = "N", default_value_t = AT_ONCE, value_parser = clap::value_parser!(u16).range(1..=1_000))]
    concurrency: u16,
    /// The listener that is connected to, instead of the host of each page: `127.0.0.1:443`, `unix:/run/edge.sock`.
    #[arg(long, value_name = "IP:PORT|unix:/PATH", value_parser = place)]
    via: Option<Address>,
    /// A field to send, as `Accept-Encoding: br`; may be given again.
    #[arg(long = "header", value_name = "NAME: VALUE", value_parser = field)]
    headers: Vec<(HeaderName, HeaderValue)>,
    /// Take any certificate. Without it, authorities of the system's store vouch for the host, or those in SSL_CERT_FILE.
    #[arg(long)]
    insecure: bool,
}

fn page(written: &str) -> Result<String, String> {
    let read = Page::read(written).map_err(|error| error.to_string());
    read.map(|_| written.to_owned())
}

fn field(written: &str) -> Result<(HeaderName, HeaderValue), String> {
    let (name, value) = written.split_once(':').ok_or("write `Name: value`")?;
    let name = HeaderName::try_from(name.trim()).map_err(|error| error.to_string())?;
    if [HOST, CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING].contains(&name) {
        return Err("that is not for you to say".to_owned());
    }
    let value = HeaderValue::try_from(value.trim()).map_err(|error| error.to_string())?;
    Ok((name, value))
}

/// Where pages come from: the command line, then a file.
struct Pages {
    urls: Vec<String>,
    file: Option<Box<dyn BufRead + Send>>,
    /// How many there are, once that is known.
    total: Arc<OnceLock<u64>>,
}

impl Warm {
    /// Does it.
    pub fn run(self) -> ExitCode {
        match self.fetch_all() {
            Ok(code) => code,
            Err(error) => {
                eprintln!("{error}");
                ExitCode::FAILURE
            }
        }
    }

    fn fetch_all(self) -> Result<ExitCode, String> {
        let settings = ConnectSettings {
            verification: match self.insecure {
                true => Verification::Off,
                false => Verification::SystemRoots,
            },
            client_certificate: None,
            alpn: ConnectAlpn::Http1,
        };
        let file: Option<Box<dyn BufRead + Send>> = match &self.from {
            None => None,
            Some(path) if path.as_os_str() == "-" => Some(Box::new(BufReader::new(io::stdin()))),
            Some(path) => {
                let file =
                    File::open(path).map_err(|error| format!("{}: {error}", path.display()))?;
                Some(Box::new(BufReader::new(file)))
            }
        };
        // Only pages that want it fail where it can't be spoken.
        let tls = client_config(&settings, &Roots::system()).map_err(|error| error.to_string());
        let ways = Ways {
            via: self.via,
            fields: Ways::fields(&self.headers),
            tls,
        };
        let total = Arc::default();
        let pages = Pages {
            urls: self.urls,
            file,
            total: Arc::clone(&total),
        };
        let (lines, taken) = mpsc::channel(usize::from(self.concurrency));
        // Reading standard input blocks. Nobody waits for the thread: it may never get another line.
        std::thread::spawn(move || pages.feed(&lines));
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| error.to_string())?;
        let start = Instant::now();
        let tally = runtime.block_on(warm(&ways, self.concurrency, taken, &total, start));
        let code = match tally.is_clean() {
            true => ExitCode::SUCCESS,
            false => ExitCode::FAILURE,
        };
        Ok(say(&tally.summary(start.elapsed()), code))
    }
}

impl Pages {
    /// Gives one after the other, until there is none left or nobody takes them.
    fn feed(self, lines: &mpsc::Sender<Result<String, String>>) {
        let mut count = 0;
        for url in self.urls {
            count += 1;
            if lines.blocking_send(Ok(url)).is_err() {
                return;
            }
        }
        let mut file = self.file;
        let mut line = Vec::new();
        while let Some(file) = &mut file {
            line.clear();
            let given = match file.read_until(b'\n', &mut line) {
                Ok(0) => break,
                Ok(_) => {
                    let text = String::from_utf8_lossy(&line);
                    let text = text.trim();
                    if text.is_empty() || text.starts_with('#') {
                        continue;
                    }
                    Ok(text.to_owned())
                }
                Err(error) => Err(format!("the list can't be read: {error}")),
            };
            count += 1;
            let is_end = given.is_err();
            if lines.blocking_send(given).is_err() {
                return;
            }
            if is_end {
                break;
            }
        }
        // Nobody else sets it.
        let _ = self.total.set(count);
    }
}

/// Fetches all, so many at once, and tells how far it has come.
async fn warm(
    ways: &Ways,
    at_once: u16,
    pages: mpsc::Receiver<Result<String, String>>,
    total: &OnceLock<u64>,
    start: Instant,
) -> Tally {
    let tally = RefCell::new(Tally::default());
    let progress = RefCell::new(Progress::default());
    let pages = Mutex::new(pages);
    let one = async || {
        let mut fetcher = Fetcher::new(ways);
        loop {
            let next = pages.lock().await.recv().await;
            let (written, why) = match next {
                None => return,
                Some(Err(why)) => (String::new(), Err(why)),
                Some(Ok(written)) => {
                    let read = Page::read(&written).map_err(|error| error.to_string());
                    let fetched = match read {
                        Ok(page) => fetcher.fetch(&page).await,
                        Err(error) => Err(error),
                    };
                    (written, fetched)
                }
            };
            let mut tally = tally.borrow_mut();
            let done = match why {
                Ok(fetched) => tally.fetched(fetched),
                Err(why) => {
                    tally.failed();
                    Err(why)
                }
            };
            if let Err(why) = done {
                progress.borrow_mut().failed(&written, &why);
            }
        }
    };
    let telling = async {
        let mut ticks = tokio::time::interval(progress.borrow().every());
        // The first comes at once.
        ticks.tick().await;
        loop {
            ticks.tick().await;
            let line = tally.borrow().line(total.get().copied(), start.elapsed());
            progress.borrow_mut().tell(&line);
        }
    };
    tokio::select! {
        _ = join_all((0..at_once).map(|_| one())) => {}
        () = telling => {}
    }
    progress.borrow_mut().end();
    tally.into_inner()
}

/// What standard error shows.
struct Progress {
    terminal: bool,
    shown: bool,
    failures: u64,
}

impl Default for Progress {
    fn default() -> Self {
        Self {
            terminal: io::stderr().is_terminal(),
            shown: false,
            failures: 0,
        }
    }
}

impl Progress {
    const fn every(&self) -> Duration {
        if self.terminal { REDRAWN } else { LOGGED }
    }

    fn tell(&mut self, line: &str) {
        if self.terminal {
            // Over the line before; nobody is there to read it if that fails.
            let _ = write!(io::stderr(), "\r\x1b[K{line}");
            self.shown = true;
        } else {
            let _ = writeln!(io::stderr(), "{line}");
        }
    }

    fn failed(&mut self, page: &str, why: &str) {
        self.failures += 1;
        if self.failures > TOLD {
            return;
        }
        self.end();
        // What a server says may be anything; a terminal is not to obey it.
        let text: String = format!("{page}: {why}").chars().map(shown).collect();
        let _ = writeln!(io::stderr(), "{}", text.trim_start_matches(": "));
        if self.failures == TOLD {
            let _ = writeln!(io::stderr(), "further failures are only counted");
        }
    }

    /// Leaves the line that a terminal shows.
    fn end(&mut self) {
        if std::mem::take(&mut self.shown) {
            let _ = writeln!(io::stderr());
        }
    }
}

fn shown(letter: char) -> char {
    if letter.is_control() {
        '\u{fffd}'
    } else {
        letter
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_is_read_and_may_not_undo_the_request() {
        let (name, value) = field("Accept-Encoding:  br ").expect("a field");
        assert_eq!(
            (name.as_str(), value.as_bytes()),
            ("accept-encoding", &b"br"[..])
        );
        for wrong in ["no colon", ": x", "a b: c", "Host: other", "x: a\nb: c"] {
            assert!(field(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_list_has_empty_lines_and_remarks() {
        let total = Arc::default();
        let list = "# the shop\n\nhttp://a/1\r\n  http://a/2  \n# end\nhttp://a/3";
        let pages = Pages {
            urls: vec!["http://a/0".to_owned()],
            file: Some(Box::new(list.as_bytes())),
            total: Arc::clone(&total),
        };
        let (lines, mut taken) = mpsc::channel(10);
        pages.feed(&lines);
        let mut all = Vec::new();
        while let Ok(line) = taken.try_recv() {
            all.push(line.expect("a line"));
        }
        assert_eq!(
            all,
            ["http://a/0", "http://a/1", "http://a/2", "http://a/3"]
        );
        assert_eq!(total.get(), Some(&4));
    }
}
