//! Is what two parsers could read in two ways refused, before the origin hears of it?

mod bodies;
mod heads;
mod http2;

/// Behind each bad request comes one that must not be served: the connection can't be trusted any more.
const SMUGGLED: &str = "GET /smuggled HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n";
