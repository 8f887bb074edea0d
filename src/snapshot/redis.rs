//! How does the written Redis become one that can be asked?

use std::cell::Cell;
use std::sync::Arc;
use std::time::Duration;

use crate::admission::shared::{RedisAddress, Settings, Shared};
use crate::config::redis::Redis as Written;
use crate::config::{Diagnostic, Diagnostics, Position, Spanned};
use crate::pool::address::{self, AddressError, WrittenAddress};
use crate::state::State;

/// How long an answer may take at most: nobody wants to wait longer for a limit.
const LONGEST_TIMEOUT: Duration = Duration::from_secs(1);
/// The shortest time that is measured.
const SHORTEST_TIMEOUT: Duration = Duration::from_millis(1);
/// How long a secret is at least, in characters.
const SHORTEST_SECRET: usize = 32;
/// How long a prefix may be: it is a part of every key.
const LONGEST_PREFIX: usize = 128;
/// Redis numbers its databases with 31 bits.
const LAST_DATABASE: u32 = i32::MAX as u32;

/// Why there is no `srv:name`.
const NO_SERVICE: &str = "SRV records are not looked up for it";

/// What is wrong with an address, and what to write instead if that can be told: what the error itself proposes is for
/// endpoints, with their ports.
fn told(error: &AddressError) -> (String, Option<String>) {
    let write = |address: String| Some(format!("write it as `{address}`"));
    match error {
        AddressError::NoPort(host) => (
            "the port is missing".to_owned(),
            write(format!("{host}:6379")),
        ),
        AddressError::OnlyPort(port) => (
            format!("`{port}` is only a port"),
            write(format!("127.0.0.1:{port}")),
        ),
        AddressError::Unbracketed => (
            "an IPv6 address goes in brackets".to_owned(),
            write("[::1]:6379".to_owned()),
        ),
        AddressError::PortOfService(_) | AddressError::BadService(_) => {
            (NO_SERVICE.to_owned(), None)
        }
        AddressError::Url(scheme) => (format!("an address begins without `{scheme}://`"), None),
        error => (error.to_string(), None),
    }
}

/// The Redis of a configuration.
pub(super) struct Redis {
    /// It; also `None` where it is written and something is wrong with it.
    pub(super) shared: Option<Arc<Shared>>,
    written: bool,
    used: Cell<bool>,
}

impl Redis {
    /// Compiles the section; what is wrong with it is reported.
    pub(super) fn compile(written: &Written, state: &State, diagnostics: &mut Diagnostics) -> Self {
        let settings = Section(diagnostics).settings(written);
        let shared = settings.map(|settings| {
            let make = || Shared::new(settings.clone(), &state.metrics);
            state.shared_limits.get_or_create(settings.clone(), make)
        });
        Self {
            shared,
            written: *written != Written::default(),
            used: Cell::new(false),
        }
    }

    /// Takes note that a limit wants it, and says whether there is one.
    pub(super) fn is_there(&self) -> bool {
        self.used.set(true);
        self.written
    }

    /// Warns if nobody has wanted it.
    pub(super) fn check_used(&self, written: &Written, diagnostics: &mut Diagnostics) {
        if let (false, Some(address)) = (self.used.get(), &written.address) {
            diagnostics.push(
                Diagnostic::warning("redis", "no rate limit is shared through it")
                    .at(address.position.clone())
                    .hint("give a limit `store: redis`, or remove the section".to_owned()),
            );
        }
    }
}

/// The section that is compiled.
struct Section<'d>(&'d mut Diagnostics);

impl Section<'_> {
    fn error(&mut self, key: &str, at: &Option<Position>, message: String, hint: &str) {
        let problem = Diagnostic::error(format!("redis.{key}"), message);
        self.0.push(problem.at(at.clone()).hint(hint.to_owned()));
    }

    fn settings(&mut self, written: &Written) -> Option<Settings> {
        if *written == Written::default() {
            return None;
        }
        let address = self.address(written);
        let numbers = self.numbers(written);
        let names = self.names(written);
        (numbers && names).then_some(())?;
        let text = |text: &Option<Spanned<String>>| text.as_ref().map(|text| text.value.clone());
        Some(Settings {
            address: address?,
            username: text(&written.username),
            password: text(&written.password),
            database: written.database.value,
            timeout: written.timeout.as_duration(),
            prefix: written.prefix.value.clone(),
            secret: text(&written.secret),
        })
    }

    fn address(&mut self, written: &Written) -> Option<RedisAddress> {
        const HINT: &str =
            "write it as `127.0.0.1:6379`, `redis.internal:6379` or `unix:/run/redis/redis.sock`";
        let Some(text) = &written.address else {
            // Something else of the section is written, and has a place.
            let some = [&written.username, &written.password, &written.secret];
            let some = some.into_iter().flatten().map(|text| &text.position);
            let place = some
                .chain([
                    &written.database.position,
                    &written.timeout.position,
                    &written.prefix.position,
                ])
                .find(|place| place.is_some());
            let place = place.cloned().flatten();
            self.error("address", &place, "there is none".to_owned(), HINT);
            return None;
        };
        match address::parse(&text.value) {
            Ok(WrittenAddress::Known(address)) => Some(RedisAddress::Known(address)),
            Ok(WrittenAddress::Named { host, port }) => Some(RedisAddress::Named(host, port)),
            Ok(WrittenAddress::Service { .. }) => {
                self.error("address", &text.position, NO_SERVICE.to_owned(), HINT);
                None
            }
            Err(error) => {
                let (message, hint) = told(&error);
                let hint = hint.as_deref().unwrap_or(HINT);
                self.error("address", &text.position, message, hint);
                None
            }
        }
    }

    fn numbers(&mut self, written: &Written) -> bool {
        let timeout = &written.timeout;
        let in_time = (SHORTEST_TIMEOUT..=LONGEST_TIMEOUT).contains(&timeout.as_duration());
        if !in_time {
            self.error(
                "timeout",
                &timeout.position,
                format!("`{}` is not a time from 1ms to 1s", timeout.value),
                "every request of a shared limit may wait that long: some milliseconds are enough on one network",
            );
        }
        let database = &written.database;
        let known = database.value <= LAST_DATABASE;
        if !known {
            let message = format!("`{}` is not the number of a database", database.value);
            self.error(
                "database",
                &database.position,
                message,
                "write 0 for the first",
            );
        }
        in_time && known
    }

    fn names(&mut self, written: &Written) -> bool {
        let prefix = &written.prefix;
        let is_prefix = (1..=LONGEST_PREFIX).contains(&prefix.len())
            && prefix.bytes().all(|byte| byte.is_ascii_graphic());
        if !is_prefix {
            self.error(
                "prefix",
                &prefix.position,
                format!("`{}` is not a prefix", prefix.escape_debug()),
                "write 1 to 128 letters, digits and punctuation marks, such as `portcullis:`",
            );
        }
        let mut long_enough = true;
        if let Some(secret) = &written.secret {
            let length = secret.chars().count();
            long_enough = length >= SHORTEST_SECRET;
            if !long_enough {
                self.error(
                    "secret",
                    &secret.position,
                    format!("a secret has at least {SHORTEST_SECRET} characters, and this one has {length}"),
                    "make one with `openssl rand -hex 32`, and give it as `secret: ${REDIS_SECRET}` on every machine",
                );
            }
        }
        let mut complete = true;
        if let (Some(username), None) = (&written.username, &written.password) {
            complete = false;
            self.error(
                "username",
                &username.position,
                "a user needs a password".to_owned(),
                "give it as `password: ${REDIS_PASSWORD}`",
            );
        }
        is_prefix && long_enough && complete
    }
}
