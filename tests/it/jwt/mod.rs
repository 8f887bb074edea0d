//! Who gets in where a token is asked for?

mod carried;
mod keys;
mod tokens;

use crate::support::*;

/// A route `api` with this policy, to `/echo` and the other paths of an origin.
fn guarded(origin: &origin::Origin, jwt: &str) -> String {
    let endpoint = origin.address().expect("an origin on TCP");
    format!(
        "listeners: [{{name: http, address: '127.0.0.1:0'}}]\n\
         routes: [{{name: api, pool: origin, jwt: {{{jwt}}}}}]\n\
         pools: [{{name: origin, endpoints: ['{endpoint}']}}]\n"
    )
}

async fn ask(client: &mut Client, bearer: &str) -> Answer {
    let asked = request("GET", "/echo").header("authorization", bearer);
    client.ask(asked.body(full("")).expect("a request")).await
}

async fn status(portcullis: &Portcullis, bearer: &str) -> u16 {
    let mut client = http1(portcullis.listener("http")).await;
    ask(&mut client, bearer).await.status.as_u16()
}
