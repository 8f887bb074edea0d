//! What can an origin be asked to do?
//!
//! A small application origin whose behaviour is chosen by the path of each request, so that a
//! proxy in front of it can be shown, tested and measured. One port speaks HTTP/1.1 (keep-alive,
//! upgrades) and HTTP/2 (prior knowledge, or ALPN under TLS). Everything that reached it is
//! counted in a [`Journal`]. What no correct HTTP implementation would send comes from a
//! [`RawOrigin`] instead.
//!
//! Every response carries `x-origin: <name>`, and `date` unless [`Builder::date`] turned it off.
//! The whole request body is read before the answer starts, except where the table says
//! otherwise.
//!
//! | Path | Answer |
//! |---|---|
//! | `/echo` | JSON: `origin`, `method`, `uri`, `version`, `peer`, `tls`, `headers` (list of `[name, value]`), `body_bytes`, `body` (UTF-8, lossy, first 64 KiB), `trailers` |
//! | `/upload` | JSON: `bytes` and `fnv1a64` (16 hexadecimal digits) of the discarded body |
//! | `/expect` | as `/upload`; reading the body is what sends `100 Continue` |
//! | `/reject-expect` | 417 without reading the body |
//! | `/bytes/N` | N bytes of [`expected_bytes`], with `content-length` |
//! | `/chunked/N` | the same without `content-length` |
//! | `/status/CODE` | that status (200-599) and no body |
//! | `/flaky/RATIO` | 503 for that share (0-1) of the requests, evenly spread, else 200 |
//! | `/delay/MS` | 200 after MS milliseconds |
//! | `/held` | 200 once [`Origin::release`] was called, which only a test can do |
//! | `/held/NAME` | the same, or [`Origin::release_one`] with this name |
//! | `/held-body` | header and a first chunk at once, the rest once [`Origin::release`] was called |
//! | `/delay-body/MS` | header at once, body after MS milliseconds |
//! | `/drip/N/MS` | N one-byte chunks, MS milliseconds between them |
//! | `/hang` | nothing, ever |
//! | `/hang-body` | header and a first chunk, then nothing, ever |
//! | `/close` | closes the connection instead of answering |
//! | `/close-mid/N` | promises 2N bytes, sends N, closes the connection |
//! | `/close-mid-chunked/N` | N bytes in chunks, then closes without the last chunk |
//! | `/garbage` | bytes that are not HTTP, then closes the connection |
//! | `/headers?name=value&…` | these response fields, percent-decoded, repeats kept |
//! | `/trailers` | a body and the trailer field `x-trailer: end` (HTTP/2) |
//! | `/sse?n=N&ms=MS` | N server-sent events (0 or absent: endless), MS apart (default 100) |
//! | `/ws` | WebSocket echo over the HTTP/1.1 upgrade |
//! | `POST /origin.Echo/Unary` | gRPC: the one message back, `grpc-status: 0` |
//! | `POST /origin.Echo/Bidi` | gRPC: each message back as it arrives, `grpc-status: 0` |
//! | `POST /origin.Echo/Fail` | gRPC: trailers only, `grpc-status: 13` |
//! | anything else | 200 and `hello from <name>: <METHOD> <path>` |
//!
//! N takes a binary suffix: `64k`, `10m`, `1g`. A path of the table with an argument that cannot
//! be read is answered with 400 and the reason. Over HTTP/2, where one stream must not end the
//! others, `/close…` and `/garbage` reset their stream.
//!
//! A test may set up answers of its own for a path, and see what was asked there: [`Origin::script`].
//!
//! ```no_run
//! # async fn example() -> std::io::Result<()> {
//! let origin = origin::Origin::builder().name("a").listen("127.0.0.1:0").start().await?;
//! println!("{:?} {}", origin.address(), origin.journal().requests());
//! origin.stop().await;
//! # Ok(())
//! # }
//! ```

mod accepting;
mod answer;
mod journal;
mod listening;
mod paths;
mod raw;
mod running;
mod script;
mod tls;
mod wire;

pub use journal::Journal;
pub use paths::expected_bytes;
pub use raw::{RawAnswer, RawOrigin};
pub use running::{Builder, Origin};
pub use script::{Asked, Scripted};
pub use tls::TlsSettings;
