//! How do written users become those who may come in?

use http::HeaderValue;

use super::names::Names;
use crate::admission::passwords::{InvalidUser, User, Users};
use crate::config::Spanned;
use crate::config::access::BasicAuth as Written;
use crate::policy::access::BasicAuth;
use crate::policy::access::basic_auth::Rules;
use crate::policy::headers::field_name;
use crate::snapshot::entries::{Mistake, Text};
use crate::snapshot::files::Sources;
use crate::snapshot::reporter::Reporter;

/// Compiles it; what is wrong is reported.
pub(super) fn compile(
    written: &Spanned<Written>,
    sources: &Sources<'_>,
    reporter: &mut Reporter<'_>,
) -> Option<BasicAuth> {
    let challenge = challenge(&written.realm, reporter);
    let user_header = user_header("basic_auth", written.user_header.as_ref(), reporter);
    let users = users(written, sources, reporter)?;
    let rules = Rules {
        challenge: challenge?,
        forward: written.forward,
        user_header,
    };
    match sources.state.passwords.verifier() {
        Ok(verifier) => Some(BasicAuth::new(users, verifier, rules)),
        Err(_) => {
            let message = "the system gives no random numbers";
            reporter.error("basic_auth", written, message, None);
            None
        }
    }
}

fn users(
    written: &Spanned<Written>,
    sources: &Sources<'_>,
    reporter: &mut Reporter<'_>,
) -> Option<Users> {
    if written.file.is_none() && written.users.is_empty() {
        reporter.error(
            "basic_auth",
            written,
            "there are no users, so nobody could come in",
            Some("give a `file` of lines as `htpasswd -nB -C 12 USER` makes them, or `users`"),
        );
        return None;
    }
    let (mut users, mut names) = (Vec::new(), Names::default());
    for (name, hash) in &written.users {
        let key = format!("basic_auth.users.{}", name.escape_debug());
        match User::new(name, &hash.value) {
            Ok(user) => {
                names.add(&key, &user.name, hash.position.clone(), reporter);
                users.push(user);
            }
            Err(error) => reporter.error(&key, hash, error.to_string(), error.hint()),
        }
    }
    if let Some(file) = &written.file {
        let key = "basic_auth.file";
        let text = Text::read(key, file, sources, reporter)?;
        let entries = text.each(key, reporter, |line, at, reporter| {
            let user: User = line.parse()?;
            names.add(key, &user.name, Some(at.clone()), reporter);
            users.push(user);
            Ok(())
        });
        if entries == 0 && users.is_empty() {
            let message = "the file has no users, so nobody could come in";
            let hint = "add a line with `htpasswd -B -C 12 FILE USER`";
            reporter.error(key, file, message, Some(hint));
        }
    }
    Users::new(users)
}

impl From<InvalidUser> for Mistake {
    fn from(error: InvalidUser) -> Self {
        Self {
            message: error.to_string(),
            hint: error.hint().map(str::to_owned),
        }
    }
}

/// RFC 7617 §2; passwords are read as UTF-8 (§2.1).
fn challenge(realm: &Spanned<String>, reporter: &mut Reporter<'_>) -> Option<HeaderValue> {
    let is_text = |byte: u8| byte == b' ' || byte.is_ascii_graphic();
    let escaped = realm.replace('\\', "\\\\").replace('"', "\\\"");
    let challenge = HeaderValue::try_from(format!("Basic realm=\"{escaped}\", charset=\"UTF-8\""));
    match challenge {
        Ok(challenge) if realm.bytes().all(is_text) => Some(challenge),
        _ => {
            let message = format!("`{}` can't be shown by every browser", realm.escape_debug());
            let hint = "write it in ASCII, without line breaks";
            reporter.error("basic_auth.realm", realm, message, Some(hint));
            None
        }
    }
}

/// The field in which the endpoint gets the user's name.
pub(super) fn user_header(
    policy: &str,
    written: Option<&Spanned<String>>,
    reporter: &mut Reporter<'_>,
) -> Option<http::HeaderName> {
    let written = written?;
    let name = field_name(written).and_then(|name| match name {
        http::header::AUTHORIZATION => Err("`Authorization` is for passwords".to_owned()),
        name => Ok(name),
    });
    name.map_err(|message| {
        let key = format!("{policy}.user_header");
        reporter.error(
            &key,
            written,
            message,
            Some("write `X-Remote-User`, for instance"),
        );
    })
    .ok()
}
