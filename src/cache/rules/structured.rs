//! What stands in a dictionary of structured fields?

use std::borrow::Cow;

use super::directives::is_token;

/// One member of a dictionary, without its parameters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Member<'v> {
    pub key: &'v [u8],
    pub value: Value<'v>,
}

/// What a member is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Value<'v> {
    /// True, which a key alone means too.
    True,
    /// An integer, as it is written.
    Integer(&'v [u8]),
    /// A string, without its quotes and backslashes.
    String(Cow<'v, [u8]>),
    /// Something else that there is.
    Other,
}

/// The members of a dictionary (RFC 9651 §4.2.2); `None` if it is none. Of two of one key the last counts.
pub(super) fn dictionary(text: &[u8]) -> Option<Vec<Member<'_>>> {
    let mut rest = Text(text);
    let mut members: Vec<Member> = Vec::new();
    rest.skip(b" ");
    while !rest.0.is_empty() {
        let key = rest.key()?;
        let value = match rest.eat(b'=') {
            true if rest.0.first() == Some(&b'(') => rest.inner_list()?,
            true => rest.item()?,
            false => Value::True,
        };
        rest.parameters()?;
        match members.iter_mut().find(|member| member.key == key) {
            Some(member) => member.value = value,
            None => members.push(Member { key, value }),
        }
        rest.skip(b" \t");
        if rest.0.is_empty() {
            break;
        }
        let another = rest.eat(b',');
        rest.skip(b" \t");
        if !another || rest.0.is_empty() {
            return None;
        }
    }
    Some(members)
}

/// What is yet to be read.
struct Text<'v>(&'v [u8]);

impl<'v> Text<'v> {
    fn skip(&mut self, bytes: &[u8]) {
        self.take(|byte| bytes.contains(&byte));
    }

    fn eat(&mut self, byte: u8) -> bool {
        match self.0.strip_prefix(&[byte]) {
            Some(rest) => {
                self.0 = rest;
                true
            }
            None => false,
        }
    }

    /// The bytes up to the first that is not so.
    fn take(&mut self, so: impl Fn(u8) -> bool) -> &'v [u8] {
        let end = self.0.iter().position(|&byte| !so(byte));
        let (taken, rest) = self.0.split_at(end.unwrap_or(self.0.len()));
        self.0 = rest;
        taken
    }

    fn key(&mut self) -> Option<&'v [u8]> {
        let key = self.take(|byte| {
            byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_-.*".contains(&byte)
        });
        let first = key.first()?;
        (first.is_ascii_lowercase() || *first == b'*').then_some(key)
    }

    fn parameters(&mut self) -> Option<()> {
        while self.eat(b';') {
            self.skip(b" ");
            self.key()?;
            if self.eat(b'=') {
                self.item()?;
            }
        }
        Some(())
    }

    fn inner_list(&mut self) -> Option<Value<'v>> {
        self.eat(b'(');
        loop {
            self.skip(b" ");
            if self.eat(b')') {
                return Some(Value::Other);
            }
            self.item()?;
            self.parameters()?;
            if !matches!(self.0.first()?, b' ' | b')') {
                return None;
            }
        }
    }

    /// A bare item (RFC 9651 §4.2.3.1).
    fn item(&mut self) -> Option<Value<'v>> {
        match *self.0.first()? {
            b'0'..=b'9' | b'-' => self.number(),
            b'"' => self.string().map(Value::String),
            b'a'..=b'z' | b'A'..=b'Z' | b'*' => {
                self.take(|byte| is_token(byte) || byte == b':' || byte == b'/');
                Some(Value::Other)
            }
            b'?' => {
                self.eat(b'?');
                match self.eat(b'1') {
                    true => Some(Value::True),
                    false => self.eat(b'0').then_some(Value::Other),
                }
            }
            b':' => {
                self.eat(b':');
                self.take(|byte| byte.is_ascii_alphanumeric() || b"+/=".contains(&byte));
                self.eat(b':').then_some(Value::Other)
            }
            b'@' => {
                self.eat(b'@');
                let is_integer = matches!(self.number()?, Value::Integer(_));
                is_integer.then_some(Value::Other)
            }
            b'%' => {
                self.eat(b'%');
                self.display_string()
            }
            _ => None,
        }
    }

    fn number(&mut self) -> Option<Value<'v>> {
        let all = self.0;
        let sign = usize::from(self.eat(b'-'));
        let whole = self.take(|byte| byte.is_ascii_digit());
        if !self.eat(b'.') {
            let integer = &all[..sign + whole.len()];
            return (1..=15)
                .contains(&whole.len())
                .then_some(Value::Integer(integer));
        }
        let fraction = self.take(|byte| byte.is_ascii_digit());
        let is_decimal = (1..=12).contains(&whole.len()) && (1..=3).contains(&fraction.len());
        is_decimal.then_some(Value::Other)
    }

    fn string(&mut self) -> Option<Cow<'v, [u8]>> {
        self.eat(b'"');
        let plain = self.take(|byte| matches!(byte, b' '..=b'~') && byte != b'"' && byte != b'\\');
        let mut string = Cow::Borrowed(plain);
        while !self.eat(b'"') {
            let (&byte, rest) = self.0.split_first()?;
            let (&byte, rest) = match byte {
                b'\\' => rest
                    .split_first()
                    .filter(|(byte, _)| b"\"\\".contains(byte))?,
                b' '..=b'~' => (&byte, rest),
                _ => return None,
            };
            string.to_mut().push(byte);
            self.0 = rest;
        }
        Some(string)
    }

    fn display_string(&mut self) -> Option<Value<'v>> {
        if !self.eat(b'"') {
            return None;
        }
        let mut content = Vec::new();
        loop {
            let (&byte, rest) = self.0.split_first()?;
            self.0 = rest;
            match byte {
                b'"' => break,
                b'%' => {
                    let (digits, rest) = self.0.split_at_checked(2)?;
                    let digit = |byte: u8| match byte {
                        b'0'..=b'9' => Some(byte - b'0'),
                        b'a'..=b'f' => Some(byte - b'a' + 10),
                        _ => None,
                    };
                    content.push(digit(digits[0])? << 4 | digit(digits[1])?);
                    self.0 = rest;
                }
                b' '..=b'~' => content.push(byte),
                _ => return None,
            }
        }
        std::str::from_utf8(&content).ok().map(|_| Value::Other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_written_is_read(
            written in proptest::collection::btree_map(
                "[a-z*][a-z0-9_.*-]{0,6}",
                prop_oneof![
                    Just(None),
                    (-999_999_999_999_999_i64..=999_999_999_999_999).prop_map(|number| Some(Ok(number))),
                    "[ -~]{0,12}".prop_map(|text| Some(Err(text))),
                ],
                0..6,
            ),
        ) {
            let members: Vec<_> = written
                .iter()
                .map(|(key, value)| match value {
                    None => key.clone(),
                    Some(Ok(number)) => format!("{key}={number};p=1"),
                    Some(Err(text)) => {
                        format!("{key}=\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
                    }
                })
                .collect();
            let line = members.join(" ,\t");
            let read = dictionary(line.as_bytes()).expect("a dictionary");
            prop_assert_eq!(read.len(), written.len());
            for (member, (key, value)) in read.iter().zip(&written) {
                prop_assert_eq!(member.key, key.as_bytes());
                match value {
                    None => prop_assert_eq!(&member.value, &Value::True),
                    Some(Ok(number)) => {
                        let digits = number.to_string();
                        prop_assert_eq!(&member.value, &Value::Integer(digits.as_bytes()));
                    }
                    Some(Err(text)) => {
                        prop_assert_eq!(&member.value, &Value::String(text.as_bytes().into()));
                    }
                }
            }
        }

        #[test]
        fn nothing_panics(line in proptest::collection::vec(any::<u8>(), 0..60)) {
            let _ = dictionary(&line);
        }

        #[test]
        fn nothing_like_a_dictionary_panics(line in "([a-c]=?[\"?:@%(0-9.)a; \\\\-]{0,6},? ?){0,6}") {
            let _ = dictionary(line.as_bytes());
        }
    }
}
