//! What does the query of a request say?

/// The first value that a query (`a=1&b=2`) has for a name, with `%20` and `+` undone; `None` if it has none, or one that
/// is not UTF-8.
pub fn value(query: &str, name: &str) -> Option<String> {
    let mut pairs = query
        .split('&')
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    let (_, value) = pairs.find(|(key, _)| decoded(key).as_deref() == Some(name))?;
    decoded(value)
}

fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let mut digit = || char::from(rest.next()?).to_digit(16);
                let (high, low) = (digit()?, digit()?);
                u8::try_from(high * 16 + low).ok()?
            }
            other => other,
        });
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_found_by_its_name_and_decoded() {
        let query = "pool=my%20app+1&endpoint=%5B%3A%3A1%5D:80&flag&bad=%2&worse=%ff";
        for (name, expected) in [
            ("pool", Some("my app 1")),
            ("endpoint", Some("[::1]:80")),
            ("flag", Some("")),
            ("bad", None),
            ("worse", None),
            ("other", None),
        ] {
            assert_eq!(value(query, name).as_deref(), expected, "{name}");
        }
    }
}
