//! How is a cookie set (RFC 6265)?

use http::HeaderValue;

use crate::config::pool::Secure;

/// How a cookie is set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetCookie {
    /// Its name.
    pub name: String,
    /// What follows its value, but for `Secure`: `; Path=/` and so on.
    pub attributes: String,
    /// Whether it goes over TLS only.
    pub secure: Secure,
}

impl SetCookie {
    /// The field `Set-Cookie` with this value, for a client that speaks TLS or not.
    pub fn value(&self, value: &str, tls: bool) -> Option<HeaderValue> {
        let secure = match self.secure {
            Secure::Auto => tls,
            Secure::True => true,
            Secure::False => false,
        };
        let secure = if secure { "; Secure" } else { "" };
        let field = [&*self.name, "=", value, &self.attributes, secure].concat();
        HeaderValue::try_from(field).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_field_has_secure_as_the_configuration_says() {
        let set = |secure| SetCookie {
            name: "p".to_owned(),
            attributes: "; Path=/; HttpOnly".to_owned(),
            secure,
        };
        for (secure, tls, expected) in [
            (Secure::Auto, true, true),
            (Secure::Auto, false, false),
            (Secure::True, false, true),
            (Secure::False, true, false),
        ] {
            let field = set(secure).value("v", tls).expect("a field");
            let field = field.to_str().expect("ASCII");
            assert!(field.starts_with("p=v; Path=/; HttpOnly"), "{field}");
            assert_eq!(field.ends_with("; Secure"), expected, "{field}");
        }
    }
}
