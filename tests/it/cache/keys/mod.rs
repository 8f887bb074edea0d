//! Can one client choose the answer that others have?
//!
//! The origin tells in its answer whatever it was asked by: what one client brings there, nobody else may read.

mod address;
mod fields;
mod spaces;

use std::net::SocketAddr;

use origin::{Asked, Origin, Scripted};

use crate::support::*;

/// Fields that endpoints are known to go by, and what an attacker writes there.
const BELIEVED: [(&str, &str); 24] = [
    ("X-Forwarded-Host", "evil.test"),
    ("X-Forwarded-Scheme", "evil"),
    ("X-Forwarded-Proto", "evil"),
    ("X-Forwarded-Port", "666"),
    ("X-Forwarded-Server", "evil.test"),
    ("X-Forwarded-Prefix", "/evil"),
    ("X-Forwarded-Path", "/evil"),
    ("X-Forwarded-Uri", "/evil"),
    ("X-Forwarded-Method", "EVIL"),
    ("X-Forwarded-Ssl", "evil"),
    ("X_Forwarded_Host", "evil.test"),
    ("X-Forwarded", "host=evil.test"),
    ("Forwarded", "for=192.0.2.1;host=evil.test;proto=evil"),
    ("X-Host", "evil.test"),
    ("X-Original-Host", "evil.test"),
    ("X-HTTP-Host-Override", "evil.test"),
    ("X-Original-URL", "/evil"),
    ("X-Original-URI", "/evil"),
    ("X-Rewrite-URL", "/evil"),
    ("X-Override-URL", "/evil"),
    ("X-HTTP-Method-Override", "EVIL"),
    ("X-HTTP-Method", "EVIL"),
    ("X-Method-Override", "EVIL"),
    ("X-URL-Scheme", "evil"),
];

/// Says what it was asked by, and that this is fresh for long.
fn told(asked: &Asked) -> Scripted {
    let fields = |names: &[&'static str]| {
        let lines = names.iter().flat_map(|name| {
            let values = asked.fields.get_all(*name).iter();
            values.map(move |value| format!("{name}={value:?}"))
        });
        lines.collect::<Vec<_>>().join(" ")
    };
    let own = fields(&["x-country", "x-user"]);
    let believed = fields(&BELIEVED.map(|(name, _)| name));
    let cookies = asked.field("cookie");
    let body = String::from_utf8_lossy(&asked.body);
    let (method, authority, target) = (&asked.method, &asked.authority, &asked.target);
    Scripted::new(200)
        .field("cache-control", "public, max-age=600")
        .body(format!(
            "{method} {authority}{target} [{own}] [{cookies}] [{body}] [{believed}]"
        ))
}

async fn telling() -> Origin {
    let origin = origin().await;
    origin.script_by("/*", |asked, _| told(asked));
    origin
}

/// How often the origin was asked for this target.
fn fetches(origin: &Origin, target: &str) -> usize {
    let asked = origin.asked("/*");
    asked.iter().filter(|asked| asked.target == target).count()
}

/// A listener `http` with these settings, the pool `origin`, these further sections and these routes.
fn with(origin: &Origin, more: &str, routes: &str) -> String {
    let endpoint = origin.address().expect("an origin on TCP");
    format!(
        "listeners: [{{name: http, address: '127.0.0.1:0'}}]\n\
         pools: [{{name: origin, endpoints: ['{endpoint}']}}]\n{more}routes:\n{routes}"
    )
}

/// One route with this cache.
fn cached(origin: &Origin, cache: &str) -> String {
    with(
        origin,
        "",
        &format!("  - {{name: all, pool: origin, cache: {cache}}}\n"),
    )
}

/// What is answered to a GET with these further lines and this body behind its header.
async fn get(address: SocketAddr, host: &str, target: &str, more: &str) -> RawResponse {
    let (fields, body) = more.split_once("\r\n\r\n").unwrap_or((more, ""));
    let end = if fields.is_empty() || fields.ends_with("\r\n") {
        ""
    } else {
        "\r\n"
    };
    let head = format!("GET {target} HTTP/1.1\r\nHost: {host}\r\n{fields}{end}\r\n");
    let mut client = Raw::sent(address, head + body).await;
    client.response().await
}

/// The answer was stored, or has been.
fn is_hit(answer: &RawResponse) -> bool {
    let status = answer.header("cache-status").unwrap_or_default();
    status.contains("; hit")
}
