//! Why is there a crate under another crate's name? Pingora asks flate2 for `zlib-ng`, whose sys crate builds with
//! cmake; flate2 only uses names that stock zlib has as well, so stock zlib stands in and a C compiler is enough.
pub use libz_sys::*;
