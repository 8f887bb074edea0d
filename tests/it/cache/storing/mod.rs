//! Is what may be stored stored, and nothing else, and only those fields?

mod allowed;
mod fields;
mod users;

use origin::{Origin, Scripted};

use super::asking::*;
use crate::support::*;

const HOUR: (&str, &str) = ("Cache-Control", "max-age=3600");
const COOKIE: (&str, &str) = ("Set-Cookie", "a=b");

/// 200 with these fields.
fn with(fields: &[(&str, &str)]) -> Scripted {
    let answer = Scripted::new(200).body("made once");
    fields
        .iter()
        .fold(answer, |answer, (name, value)| answer.field(name, value))
}

/// Asked as often as this, the answer comes from the origin each time.
async fn is_never_stored(origin: &Origin, raw: &mut Raw, path: &str, lines: &[&str], what: &str) {
    for count in 1..=3 {
        let answer = ask(raw, &format!("GET {path}"), lines).await;
        let status = cache_status(&answer);
        assert!(
            !status.contains("; hit") && !status.contains("; stored"),
            "{what}: {status}"
        );
        assert_eq!(origin.count(path), count, "{what}: {status}");
    }
}
