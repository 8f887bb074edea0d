//! How do written keys become those that are known?

use std::collections::HashMap;

use aws_lc_rs::digest::{SHA256, digest};

use super::basic_auth::user_header;
use super::names::Names;
use super::place::Credential;
use crate::admission::api_keys::{self, ApiKeys, InvalidKey, KeyHash, Owner};
use crate::config::access::ApiKey as Written;
use crate::config::{Position, Spanned};
use crate::policy::access::ApiKey;
use crate::snapshot::entries::{Mistake, Text};
use crate::snapshot::files::Sources;
use crate::snapshot::reporter::Reporter;

/// What is looked for.
pub(super) const CREDENTIAL: Credential = Credential {
    key: "api_key.from",
    name: "a key",
    cookie: false,
    bearer: false,
    hint: "write `header.X-Api-Key`, or `query.` and the name of a parameter",
    in_query: (
        "a key in a query is seen by others: it stands in histories, in `Referer` and in the logs on its way",
        "let it come in a field of its own, as `header.X-Api-Key`",
    ),
};

/// Compiles it; what is wrong is reported.
pub(super) fn compile(
    written: &Spanned<Written>,
    sources: &Sources<'_>,
    reporter: &mut Reporter<'_>,
) -> Option<ApiKey> {
    let from = CREDENTIAL.place(&written.from, reporter);
    let user_header = user_header("api_key", written.user_header.as_ref(), reporter);
    let keys = keys(written, sources, reporter)?;
    Some(ApiKey {
        keys,
        from: from?,
        forward: written.forward,
        user_header,
    })
}

/// Keys as they are read, with what must not be there twice.
#[derive(Default)]
struct Read {
    keys: HashMap<KeyHash, Owner>,
    names: Names,
}

impl Read {
    fn add(
        &mut self,
        key: &str,
        (hash, owner): (KeyHash, Owner),
        at: Option<Position>,
        reporter: &mut Reporter<'_>,
    ) {
        self.names.add(key, &owner.name, at.clone(), reporter);
        let shown = owner.name.escape_debug().to_string();
        if hash == digest(&SHA256, b"").as_ref() {
            let message = format!("the key of `{shown}` is empty: this is the hash of nothing");
            let hint = InvalidKey::Hash.hint();
            reporter.error_at(key, at, message, hint);
        } else if let Some(other) = self.keys.insert(hash, owner) {
            let other = other.name.escape_debug();
            let message = format!("`{shown}` has the same key as `{other}`");
            let hint = "give each its own, so that one can be taken away alone";
            reporter.error_at(key, at, message, Some(hint));
        }
    }
}

impl From<InvalidKey> for Mistake {
    fn from(error: InvalidKey) -> Self {
        Self {
            message: error.to_string(),
            hint: error.hint().map(str::to_owned),
        }
    }
}

fn keys(
    written: &Spanned<Written>,
    sources: &Sources<'_>,
    reporter: &mut Reporter<'_>,
) -> Option<ApiKeys> {
    if written.file.is_none() && written.keys.is_empty() {
        reporter.error(
            "api_key",
            written,
            "there are no keys, so nobody could come in",
            Some("give `keys: [{ name: billing, sha256: … }]`, or a `file` of lines `name:sha256`"),
        );
        return None;
    }
    let mut read = Read::default();
    for (index, written) in written.keys.iter().enumerate() {
        let key = format!("api_key.keys[{index}]");
        let mut told = |what: &str, at: &Spanned<String>, error: InvalidKey| {
            reporter.error(
                &format!("{key}.{what}"),
                at,
                error.to_string(),
                error.hint(),
            );
        };
        let owner = Owner::new(&written.name);
        let owner = owner.map_err(|error| told("name", &written.name, error));
        let hash = api_keys::hash(&written.sha256);
        let hash = hash.map_err(|error| told("sha256", &written.sha256, error));
        if let (Ok(hash), Ok(owner)) = (hash, owner) {
            read.add(&key, (hash, owner), written.position.clone(), reporter);
        }
    }
    if let Some(file) = &written.file {
        let key = "api_key.file";
        let text = Text::read(key, file, sources, reporter)?;
        let entries = text.each(key, reporter, |line, at, reporter| {
            let found = api_keys::line(line)?;
            read.add(key, found, Some(at.clone()), reporter);
            Ok(())
        });
        if entries == 0 && read.keys.is_empty() {
            let message = "the file has no keys, so nobody could come in";
            let hint = InvalidKey::NoColon.hint();
            reporter.error(key, file, message, hint);
        }
    }
    Some(ApiKeys::new(read.keys))
}
