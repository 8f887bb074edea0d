//! Where does a chunked body end (RFC 9112 §7.1)?
//!
//! Followed byte by byte on the way to Pingora's session, for two reasons: what comes after the body is the next request
//! and must not reach the session, and chunks that two parsers could read differently are how requests are smuggled.
//! So line ends are CR LF and nothing else, here too, and a size is at least one hexadecimal digit.

/// Bytes of one chunk's extensions: nobody uses them, so more than this is an attack on whoever has to skip them.
const MOST_EXTENSION: u16 = 1024;
/// Bytes of all trailer fields.
const MOST_TRAILERS: u16 = 8 * 1024;
/// Hexadecimal digits of a size: what fits in 64 bits.
const MOST_DIGITS: u8 = 16;

/// How far a chunked body has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chunks {
    at: At,
    /// Bytes of this chunk's extensions, or of the trailers.
    extra: u16,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    Size {
        digits: u8,
        value: u64,
    },
    /// White space that an extension must follow.
    Space(u64),
    Extension(u64),
    SizeEnd(u64),
    Data(u64),
    DataCr,
    DataLf,
    /// The start of a trailer line, or of the empty line at the end.
    Line,
    Trailer,
    TrailerEnd,
    LastLf,
    Done,
}

/// The body is not chunked as the protocol says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the chunked body is malformed")]
pub struct Malformed;

impl Chunks {
    /// At the start of a body.
    pub const fn new() -> Self {
        Self {
            at: At::Size {
                digits: 0,
                value: 0,
            },
            extra: 0,
        }
    }

    /// Whether the body is over.
    pub fn is_done(&self) -> bool {
        self.at == At::Done
    }

    /// Follows the body through `bytes`; how many of them belong to it.
    ///
    /// # Errors
    ///
    /// [`Malformed`]; nothing that follows can be trusted.
    pub fn follow(&mut self, bytes: &[u8]) -> Result<usize, Malformed> {
        let mut used = 0;
        while let Some(&byte) = bytes.get(used) {
            match self.at {
                At::Done => break,
                At::Data(left) => {
                    let here = usize::try_from(left)
                        .unwrap_or(usize::MAX)
                        .min(bytes.len() - used);
                    used += here;
                    self.at = match left - here as u64 {
                        0 => At::DataCr,
                        left => At::Data(left),
                    };
                }
                _ => {
                    self.at = self.step(byte)?;
                    used += 1;
                }
            }
        }
        Ok(used)
    }

    fn step(&mut self, byte: u8) -> Result<At, Malformed> {
        Ok(match (self.at, byte) {
            (At::Size { digits, value }, _) if byte.is_ascii_hexdigit() => {
                let digit = char::from(byte).to_digit(16).ok_or(Malformed)?;
                if digits == MOST_DIGITS {
                    return Err(Malformed);
                }
                At::Size {
                    digits: digits + 1,
                    value: value << 4 | u64::from(digit),
                }
            }
            (At::Size { digits: 0, .. }, _) => return Err(Malformed),
            (At::Size { value, .. } | At::Space(value), b';') => {
                self.extra = 0;
                At::Extension(value)
            }
            (At::Size { value, .. } | At::Space(value), b' ' | b'\t') => {
                self.count(MOST_EXTENSION)?;
                At::Space(value)
            }
            (At::Size { value, .. } | At::Extension(value), b'\r') => At::SizeEnd(value),
            (At::Extension(value), _) if is_text(byte) => {
                self.count(MOST_EXTENSION)?;
                At::Extension(value)
            }
            (At::SizeEnd(size), b'\n') => {
                self.extra = 0;
                if size == 0 { At::Line } else { At::Data(size) }
            }
            (At::DataCr, b'\r') => At::DataLf,
            (At::DataLf, b'\n') => At::Size {
                digits: 0,
                value: 0,
            },
            (At::Line, b'\r') => At::LastLf,
            (At::Trailer, b'\r') => At::TrailerEnd,
            (At::Line | At::Trailer, _) if is_text(byte) => {
                self.count(MOST_TRAILERS)?;
                At::Trailer
            }
            (At::TrailerEnd, b'\n') => At::Line,
            (At::LastLf, b'\n') => At::Done,
            _ => return Err(Malformed),
        })
    }

    fn count(&mut self, most: u16) -> Result<(), Malformed> {
        self.extra += 1;
        if self.extra > most {
            Err(Malformed)
        } else {
            Ok(())
        }
    }
}

/// Whether a byte may stand in a field's value (RFC 9110 §5.5) or a quoted string.
const fn is_text(byte: u8) -> bool {
    byte == b'\t' || (byte >= b' ' && byte != 0x7f)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many bytes belong to the body, if it is whole.
    fn whole(bytes: &[u8]) -> Result<Option<usize>, Malformed> {
        let mut chunks = Chunks::new();
        let used = chunks.follow(bytes)?;
        Ok(chunks.is_done().then_some(used))
    }

    #[test]
    fn rfc9112_7_1_a_body_ends_after_its_last_chunk_and_trailers() {
        for body in [
            "0\r\n\r\n",
            "3\r\nabc\r\n0\r\n\r\n",
            "00000a\r\n0123456789\r\n0\r\n\r\n",
            "3;a=b;c=\"d e\"\r\n\r\n\r\r\n000\r\n\r\n",
            "1 ;a\r\nb\r\n0;last\r\nT: u\r\nV: \r\n\r\n",
        ] {
            assert_eq!(whole(body.as_bytes()), Ok(Some(body.len())), "{body:?}");
            let followed = format!("{body}GET / HTTP/1.1\r\n");
            assert_eq!(
                whole(followed.as_bytes()),
                Ok(Some(body.len())),
                "{followed:?}"
            );
        }
    }

    #[test]
    fn a_body_in_single_bytes_is_the_same_body() {
        let body = b"3;x\r\nabc\r\n0\r\nT: u\r\n\r\n";
        let mut chunks = Chunks::new();
        for (number, byte) in body.iter().enumerate() {
            assert!(!chunks.is_done(), "{number}");
            assert_eq!(chunks.follow(&[*byte]), Ok(1));
        }
        assert!(chunks.is_done());
        assert_eq!(chunks.follow(b"G"), Ok(0));
    }

    #[test]
    fn what_two_parsers_could_read_differently_is_malformed() {
        for body in [
            "\r\n",
            "g\r\n",
            "-1\r\n",
            "0x1\r\n",
            " 1\r\n",
            "1 \r\na",
            "1\na",
            "1\r\nab",
            "1\r\na\n",
            "1\r\na\r0",
            "1;a\nb\r\n",
            "1;a\rb\r\n",
            "1;\0\r\n",
            "10000000000000000\r\n",
            "0\r\nT: u\n\r\n",
            "0\r\n\n",
            "0\r\nT: \0\r\n",
        ] {
            assert_eq!(whole(body.as_bytes()), Err(Malformed), "{body:?}");
        }
    }

    #[test]
    fn endless_extensions_and_trailers_are_malformed() {
        for (start, most) in [
            ("1;", MOST_EXTENSION),
            ("1", MOST_EXTENSION),
            ("0\r\n", MOST_TRAILERS),
        ] {
            let space = " ".repeat(usize::from(most));
            assert_eq!(whole(format!("{start}{space}").as_bytes()), Ok(None));
            assert_eq!(whole(format!("{start}{space} ").as_bytes()), Err(Malformed));
        }
    }
}
