//! Does a drained endpoint finish what it has and get nothing new, and who is told?

mod lasting;
mod reports;
mod warnings;

use origin::Origin;
use serde_json::Value;

use crate::support::*;

fn address(origin: &Origin) -> String {
    origin.address().expect("TCP").to_string()
}

/// A pool `app/p` with these endpoints, each with this weight.
fn yaml(origins: &[Origin], weight: u16) -> String {
    let endpoint = |origin| format!("{{address: \"{}\", weight: {weight}}}", address(origin));
    let endpoints: Vec<String> = origins.iter().map(endpoint).collect();
    format!(
        "listeners: [{{name: http, address: \"127.0.0.1:0\"}}]\nroutes: [{{name: all, pool: app/p}}]\n\
         pools: [{{name: app/p, endpoints: [{}]}}]\n",
        endpoints.join(", ")
    )
}

fn words<'w>(endpoint: &'w str, more: &[&'w str]) -> Vec<&'w str> {
    [&["drain", "--pool", "app/p", "--endpoint", endpoint], more].concat()
}

/// `/pools` says this of an endpoint: whether it is drained, available, and why not.
async fn told(portcullis: &Portcullis, endpoint: &str) -> (bool, bool, Value) {
    let report = Raw::connect(portcullis.admin())
        .await
        .get("/pools?pool=app%2Fp")
        .await
        .json();
    let endpoints = report["pools"][0]["endpoints"]
        .as_array()
        .expect("endpoints");
    let found = endpoints
        .iter()
        .find(|one| one["address"] == endpoint)
        .expect("the endpoint");
    let truth = |key: &str| found[key].as_bool().expect("a truth value");
    (
        truth("drained"),
        truth("available"),
        found["refusal"].clone(),
    )
}
