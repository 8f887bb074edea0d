//! Does a client come back to the endpoint it was at before?

mod cookie;
mod elsewhere;
mod lasting;
mod visits;

use origin::Origin;

use crate::support::*;

fn address(origin: &Origin) -> String {
    origin.address().expect("TCP").to_string()
}

/// A listener `http` with these settings, and a route to a pool `p` of these origins, which is sticky in this way.
fn yaml_with(listener: &str, origins: &[Origin], sticky: &str) -> String {
    let endpoints: Vec<String> = origins
        .iter()
        .map(|origin| format!("\"{}\"", address(origin)))
        .collect();
    format!(
        "listeners: [{{name: http, address: \"127.0.0.1:0\"{listener}}}]\n\
         routes: [{{name: own, match: {{paths: [{{exact: /own}}]}}, respond: {{}}}}, {{name: all, pool: p}}]\n\
         pools: [{{name: p, endpoints: [{}], sticky: {{{sticky}}}}}]\n",
        endpoints.join(", ")
    )
}

fn yaml(origins: &[Origin], sticky: &str) -> String {
    yaml_with("", origins, sticky)
}

/// A browser, as far as cookies go: what it has of the cookie, and how often that was set.
#[derive(Clone, Default)]
struct Visitor {
    cookie: Option<String>,
    set: usize,
}

impl Visitor {
    /// What its request has in `Cookie`.
    fn cookies(&self) -> String {
        match &self.cookie {
            Some(own) => format!("theme=dark; {own}; a=\"1\""),
            None => "theme=dark; a=\"1\"".to_owned(),
        }
    }

    /// Asks over this connection, and gives the name of the origin that has answered.
    async fn visit(&mut self, client: &mut Client) -> String {
        let asked = request("GET", "/echo").header("cookie", self.cookies());
        let answer = client.ask(asked.body(full("")).expect("a request")).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        // Whatever has become of it on the way, the application sees what is its own.
        assert_eq!(
            answer.seen_header("cookie").as_deref(),
            Some("theme=dark; a=\"1\"")
        );
        self.keep(&answer);
        answer.header("x-origin").expect("a name").to_owned()
    }

    fn keep(&mut self, answer: &Answer) {
        for field in answer.headers.get_all("set-cookie") {
            let pair = field.to_str().expect("ASCII").split(';').next();
            self.cookie = pair.map(str::to_owned);
            self.set += 1;
        }
    }
}

/// A visitor who has been at the origin of this name.
async fn regular(portcullis: &Portcullis, name: &str) -> Visitor {
    for _ in 0..20 {
        let mut visitor = Visitor::default();
        if visitor
            .visit(&mut http1(portcullis.listener("http")).await)
            .await
            == name
        {
            return visitor;
        }
    }
    panic!("nobody gets to {name}");
}

async fn admin(portcullis: &Portcullis, path: &str) {
    let asked = format!("POST {path} HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n");
    let response = Raw::sent(portcullis.admin(), asked).await.response().await;
    assert_eq!(response.status, 200, "{}", response.text());
}
