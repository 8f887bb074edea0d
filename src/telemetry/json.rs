//! How is a value put into a line of JSON so that no value can end it?
//!
//! RFC 8259 §7 asks for `"`, `\` and U+0000 to U+001F to be escaped. Here every other control character is too (U+007F
//! to U+009F), and U+2028 and U+2029: some readers of logs take them for the end of a line, some terminals for a command.

use std::fmt;
use std::time::Duration;

use super::digits;
use super::plain::all_plain;
use crate::config::AccessLogField;

const HEX: &[u8; 16] = b"0123456789abcdef";

/// What a value is called.
pub(super) trait Key {
    /// Appends a comma, the name in quotes and a colon.
    fn open(self, out: &mut Vec<u8>);
}

/// A name that needs no escaping.
impl Key for &str {
    #[inline]
    fn open(self, out: &mut Vec<u8>) {
        out.extend_from_slice(b",\"");
        out.extend_from_slice(self.as_bytes());
        out.extend_from_slice(b"\":");
    }
}

/// One copy instead of three.
impl Key for AccessLogField {
    #[inline]
    fn open(self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.opening().as_bytes());
    }
}

/// One object, written up to `}` and the newline. A field without a value is left out.
pub(super) struct Object<'a> {
    out: &'a mut Vec<u8>,
    /// Where it begins. The comma of its first field becomes its brace in the end.
    start: usize,
}

impl<'a> Object<'a> {
    /// Starts an object at the end of `out`.
    pub(super) fn new(out: &'a mut Vec<u8>) -> Self {
        let start = out.len();
        Self { out, start }
    }

    /// Ends the object.
    pub(super) fn end(self) {
        match self.out.get_mut(self.start) {
            Some(comma) => {
                debug_assert_eq!(*comma, b',');
                *comma = b'{';
            }
            None => self.out.push(b'{'),
        }
        self.out.push(b'}');
    }

    /// Ends the object and its line.
    pub(super) fn end_line(self) {
        let Self { out, start } = self;
        Object {
            out: &mut *out,
            start,
        }
        .end();
        out.push(b'\n');
    }

    /// A string.
    #[inline]
    pub(super) fn text(&mut self, key: impl Key, value: &str) {
        self.quoted(key, |out| escape(out, value));
    }

    /// A string, if there is one.
    #[inline]
    pub(super) fn text_if(&mut self, key: impl Key, value: Option<&str>) {
        if let Some(value) = value {
            self.text(key, value);
        }
    }

    /// A string of our own that needs no escaping.
    #[inline]
    pub(super) fn word(&mut self, key: impl Key, value: &'static str) {
        debug_assert!(all_plain(value.as_bytes()), "{value}");
        self.quoted(key, |out| out.extend_from_slice(value.as_bytes()));
    }

    /// Such a string, if there is one.
    #[inline]
    pub(super) fn word_if(&mut self, key: impl Key, value: Option<&'static str>) {
        if let Some(value) = value {
            self.word(key, value);
        }
    }

    /// A string of any bytes: each sequence that is not UTF-8 becomes one U+FFFD.
    #[inline]
    pub(super) fn bytes_if(&mut self, key: impl Key, value: Option<&[u8]>) {
        if let Some(value) = value {
            self.quoted(key, |out| escape_bytes(out, value));
        }
    }

    /// A string, as `value` displays itself.
    pub(super) fn display(&mut self, key: impl Key, value: impl fmt::Display) {
        self.quoted(key, |out| {
            // Neither this writer nor a vector fails, so only `value` itself could: then its text ends there.
            let _ = fmt::write(&mut Escaping(out), format_args!("{value}"));
        });
    }

    /// A string that `write` appends, already escaped.
    #[inline]
    pub(super) fn quoted(&mut self, key: impl Key, write: impl FnOnce(&mut Vec<u8>)) {
        key.open(self.out);
        self.out.push(b'"');
        write(self.out);
        self.out.push(b'"');
    }

    /// Anything that `write` appends, which must be JSON.
    #[inline]
    pub(super) fn value(&mut self, key: impl Key, write: impl FnOnce(&mut Vec<u8>)) {
        key.open(self.out);
        write(self.out);
    }

    /// A whole number.
    #[inline]
    pub(super) fn number(&mut self, key: impl Key, value: u64) {
        self.value(key, |out| digits::decimal(out, value));
    }

    /// Seconds with six decimals, if there are any.
    #[inline]
    pub(super) fn seconds_if(&mut self, key: impl Key, value: Option<Duration>) {
        if let Some(value) = value {
            self.value(key, |out| digits::seconds(out, value));
        }
    }
}

/// Escapes what is displayed into it.
struct Escaping<'a>(&'a mut Vec<u8>);

impl fmt::Write for Escaping<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        escape(self.0, text);
        Ok(())
    }
}

/// Appends `bytes` as the inside of a JSON string, with U+FFFD for what is not UTF-8.
pub(super) fn escape_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    // Finding the bounds of characters takes longer than the copy that is nearly always enough.
    if all_plain(bytes) {
        out.extend_from_slice(bytes);
        return;
    }
    for chunk in bytes.utf8_chunks() {
        escape(out, chunk.valid());
        if !chunk.invalid().is_empty() {
            out.extend_from_slice("\u{fffd}".as_bytes());
        }
    }
}

/// Appends `text` as the inside of a JSON string.
fn escape(out: &mut Vec<u8>, text: &str) {
    if all_plain(text.as_bytes()) {
        out.extend_from_slice(text.as_bytes());
        return;
    }
    for character in text.chars() {
        match character {
            '"' => out.extend_from_slice(b"\\\""),
            '\\' => out.extend_from_slice(b"\\\\"),
            '\n' => out.extend_from_slice(b"\\n"),
            '\r' => out.extend_from_slice(b"\\r"),
            '\t' => out.extend_from_slice(b"\\t"),
            '\u{2028}' | '\u{2029}' => escape_unit(out, character),
            _ if character.is_control() => escape_unit(out, character),
            _ => out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
}

/// Appends `\u` and four hexadecimal digits. No character that comes here lies above U+FFFF.
fn escape_unit(out: &mut Vec<u8>, character: char) {
    out.extend_from_slice(b"\\u");
    let code = character as usize;
    out.extend([12, 8, 4, 0].map(|shift| HEX[code >> shift & 0xf]));
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn escaped(text: &str) -> String {
        let mut out = Vec::new();
        escape(&mut out, text);
        String::from_utf8(out).expect("escaping keeps UTF-8")
    }

    #[test]
    fn rfc8259_7_escapes_quotes_backslashes_and_controls() {
        assert_eq!(escaped(r#"a"b\c"#), r#"a\"b\\c"#);
        assert_eq!(escaped("\r\n\t\0\u{1b}"), r"\r\n\t\u0000\u001b");
    }

    #[test]
    fn what_some_readers_take_for_the_end_of_a_line_is_escaped() {
        assert_eq!(escaped("\u{7f}\u{85}\u{2028}"), r"\u007f\u0085\u2028");
        assert_eq!(escaped("é\u{1f600}"), "é\u{1f600}");
    }

    proptest! {
        #[test]
        fn any_text_comes_back_from_its_escaped_form(text in any::<String>()) {
            let json = format!("\"{}\"", escaped(&text));
            prop_assert!(!json.chars().any(char::is_control));
            prop_assert_eq!(serde_json::from_str::<String>(&json).expect("JSON"), text);
        }

        #[test]
        fn any_object_is_one_whatever_is_in_it(values in any::<Vec<Option<String>>>()) {
            let mut out = Vec::new();
            let mut object = Object::new(&mut out);
            object.value("inner", |out| {
                let mut inner = Object::new(out);
                values.iter().for_each(|value| inner.text_if("key", value.as_deref()));
                inner.end();
            });
            object.end_line();
            let value: serde_json::Value = serde_json::from_slice(&out).expect("JSON");
            let last = values.iter().flatten().last().map(String::as_str);
            prop_assert_eq!(value["inner"]["key"].as_str(), last);
        }

        #[test]
        fn any_bytes_come_back_as_their_lossy_text(bytes in any::<Vec<u8>>()) {
            let mut out = Vec::new();
            let mut object = Object::new(&mut out);
            object.bytes_if("key", Some(&bytes));
            object.end_line();
            let value: serde_json::Value = serde_json::from_slice(&out).expect("JSON");
            prop_assert_eq!(value["key"].as_str(), Some(&*String::from_utf8_lossy(&bytes)));
        }
    }
}
