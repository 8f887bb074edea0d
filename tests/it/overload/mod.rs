//! Does the process stay well when it is asked for more than it can do?

mod memory;
mod requests;

use origin::Origin;

/// One pool, whose requests say their priority, and a fixed answer; `overload` in YAML's flow style.
fn limited(origin: &Origin, overload: &str) -> String {
    let endpoint = origin.address().expect("an origin on TCP");
    format!(
        "overload: {overload}\n\
         listeners: [{{name: http, address: \"127.0.0.1:0\"}}]\n\
         routes:\n\
         - {{name: all, pool: app, priority: {{header: X-Priority}}}}\n\
         - {{name: fixed, match: {{paths: [{{exact: /fixed}}]}}, respond: {{body: hello}}}}\n\
         pools: [{{name: app, endpoints: [\"{endpoint}\"]}}]\n"
    )
}
