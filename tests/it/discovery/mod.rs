//! Do requests follow what name servers and files say, without a reload and without a gap?

mod files;
mod ipv6;
mod names;
mod services;

use std::net::{IpAddr, SocketAddr};

use hickory_proto::rr::RecordType;
use origin::Origin;

use crate::support::*;

/// Origins called by their addresses, all on the same port.
async fn origins(addresses: &[&str]) -> (Vec<Origin>, u16) {
    let port = free_port();
    let mut origins = Vec::new();
    for address in addresses {
        let address: IpAddr = address.parse().expect("an address");
        let listen = SocketAddr::new(address, port).to_string();
        let origin = Origin::builder()
            .name(address.to_string())
            .listen(listen)
            .start()
            .await;
        origins.push(origin.expect("an origin"));
    }
    (origins, port)
}

/// One pool `app` of these endpoints, looked up at this name server.
fn site_of(dns: &Dns, endpoints: &str, more: &str) -> String {
    format!(
        "{}listeners: [{{name: http, address: \"127.0.0.1:0\"}}]\n\
         routes: [{{name: all, pool: app}}]\n\
         pools: [{{name: app, endpoints: [{endpoints}]{more}}}]\n",
        dns.resolver()
    )
}

/// Who answers a request: an origin's name, or a status other than 200.
async fn answers(address: SocketAddr) -> String {
    let answer = Raw::connect(address).await.get("/").await;
    match answer.header("x-origin") {
        Some(name) if answer.status == 200 => name.to_owned(),
        _ => answer.status.to_string(),
    }
}

/// Waits until this many requests in a row are answered by these in any order, each as often as it is named.
async fn become_answered_by(portcullis: &Portcullis, wanted: &[&str]) {
    let address = portcullis.listener("http");
    let mut wanted: Vec<&str> = wanted.to_vec();
    wanted.sort_unstable();
    eventually(&format!("answered by {wanted:?}"), async || {
        let mut by = Vec::new();
        for _ in &wanted {
            by.push(answers(address).await);
        }
        by.sort_unstable();
        by == wanted
    })
    .await;
}
