//! Who has which password? Each line of a `htpasswd` file says it of one.

use std::sync::Arc;

use http::HeaderValue;
use rustc_hash::FxHashMap;

use super::hash::HINT;
use super::{InvalidHash, PasswordHash};

/// The longest name of a user, in bytes.
const LONGEST: usize = 255;

/// A user.
#[derive(Clone, Debug)]
pub struct User {
    /// The name.
    pub name: Arc<str>,
    /// The name as the value of a header field.
    pub field: HeaderValue,
    /// What the password is tried with.
    pub hash: Arc<PasswordHash>,
}

/// Why somebody can't be a user.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidUser {
    /// The name is empty, too long, or has what no name can have.
    #[error("`{0}` is not a name: 1 to {LONGEST} bytes without `:` and control characters")]
    Name(String),
    /// There is no `:` in the line. The line is not repeated: it may be a password.
    #[error("this line has no `:`; a line is `user:hash`")]
    NoColon,
    /// The hash can't be used.
    #[error(transparent)]
    Hash(#[from] InvalidHash),
}

impl InvalidUser {
    /// What to write instead.
    pub const fn hint(&self) -> Option<&'static str> {
        match self {
            InvalidUser::Name(_) => None,
            InvalidUser::NoColon | InvalidUser::Hash(_) => Some(HINT),
        }
    }
}

impl User {
    /// A user of this name, with a password that fits this hash.
    ///
    /// # Errors
    ///
    /// The name or the hash can't be used.
    pub fn new(name: &str, hash: &str) -> Result<Self, InvalidUser> {
        // RFC 7617 §2: a colon would end the name, and control characters can't be sent.
        let is_name = !name.is_empty() && name.len() <= LONGEST && !name.contains(':');
        let field = HeaderValue::from_bytes(name.as_bytes())
            .ok()
            .filter(|_| is_name && !name.contains(char::is_control));
        let Some(field) = field else {
            let shown = name.chars().take(60).collect::<String>();
            return Err(InvalidUser::Name(shown.escape_debug().to_string()));
        };
        Ok(Self {
            name: Arc::from(name),
            field,
            hash: Arc::new(hash.parse()?),
        })
    }
}

impl std::str::FromStr for User {
    type Err = InvalidUser;

    /// Reads a line, `user:hash`.
    fn from_str(line: &str) -> Result<Self, InvalidUser> {
        let (name, hash) = line.split_once(':').ok_or(InvalidUser::NoColon)?;
        User::new(name, hash)
    }
}

/// Users by their names; there is at least one.
#[derive(Clone, Debug)]
pub struct Users {
    by_name: FxHashMap<Arc<str>, usize>,
    users: Box<[User]>,
}

impl Users {
    /// These; `None` if there are none. Of several with one name the last counts.
    pub fn new(users: Vec<User>) -> Option<Self> {
        let by_name = users
            .iter()
            .enumerate()
            .map(|(index, user)| (Arc::clone(&user.name), index))
            .collect();
        (!users.is_empty()).then(|| Self {
            by_name,
            users: users.into(),
        })
    }

    /// The user of this name.
    pub fn get(&self, name: &str) -> Option<&User> {
        self.by_name.get(name).map(|index| &self.users[*index])
    }

    /// One of them, by any number: what somebody's password is tried with who is none of them, so that trying takes as
    /// long as it would if they were.
    pub fn any(&self, number: u64) -> &User {
        // The remainder is below a length.
        &self.users[(number % self.users.len() as u64) as usize]
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HASH: &str = "$2y$04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW";

    #[test]
    fn a_line_is_a_user_with_a_hash() {
        for name in ["anna", "bert@example.com"] {
            let user: User = format!("{name}:{HASH}").parse().expect(name);
            assert_eq!(
                (&*user.name, user.field.as_bytes()),
                (name, name.as_bytes())
            );
        }
    }

    #[test]
    fn a_line_that_is_wrong_is_refused_and_no_secret_repeated() {
        let parse = |line: &str| line.parse::<User>().expect_err(line);
        assert_eq!(parse("hunter2"), InvalidUser::NoColon);
        assert_eq!(parse(&format!(":{HASH}")), InvalidUser::Name(String::new()));
        assert_eq!(
            parse(&format!("a\tb:{HASH}")),
            InvalidUser::Name("a\\tb".into())
        );
        assert_eq!(
            parse("anna:hunter2"),
            InvalidUser::Hash(InvalidHash::Unknown)
        );
        assert!(!parse("anna:hunter2").to_string().contains("hunter2"));
        assert!(User::new(&"x".repeat(256), HASH).is_err());
        assert!(User::new(&"x".repeat(255), HASH).is_ok());
    }

    #[test]
    fn users_are_found_by_name_and_anybody_stands_for_one() {
        assert!(Users::new(Vec::new()).is_none());
        let users = ["anna", "björn"].map(|name| User::new(name, HASH).expect(name));
        let users = Users::new(users.into()).expect("users");
        assert_eq!(users.get("björn").map(|user| &*user.name), Some("björn"));
        assert!(users.get("Anna").is_none());
        assert_eq!(&*users.any(2).name, "anna");
        assert_eq!(&*users.any(u64::MAX).name, "björn");
    }

    proptest! {
        #[test]
        fn any_line_is_read_or_refused(line in "\\PC{0,60}") {
            let _ = line.parse::<User>();
        }
    }
}
