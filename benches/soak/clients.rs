//! Who asks, beside those that the integration tests have as well, and what must they get?

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::StatusCode;
use origin::expected_bytes;
use rustls::RootCertStore;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::site::{LIMIT, NAME, Site};
use crate::support::{Answer, Client, full, http1, http2, https1, https2, in_time, request};

/// Requests on one connection before the client opens another.
const REQUESTS_PER_CONNECTION: u64 = 300;

/// How many failures of one client are told.
const TOLD: usize = 10;

/// What became of the requests of one client.
#[derive(Default)]
struct Tally {
    name: &'static str,
    answered: u64,
    /// Of those, how many had the answer that belongs to a fault made on purpose, or to a limit.
    planted: u64,
    failures: Vec<String>,
}

/// Clients at work.
pub struct Clients {
    stopping: watch::Sender<bool>,
    running: JoinSet<Tally>,
}

/// What one client needs.
#[derive(Clone)]
struct Task {
    http: SocketAddr,
    https: SocketAddr,
    roots: Arc<RootCertStore>,
    stopping: watch::Receiver<bool>,
}

/// How a client connects.
#[derive(Clone, Copy)]
enum Over {
    Http1,
    Http2,
    Https1,
    Https2,
}

impl Clients {
    pub fn start(site: &Site) -> Self {
        let stopping = watch::Sender::new(false);
        let task = Task {
            http: site.http(),
            https: site.https(),
            roots: site.roots(),
            stopping: stopping.subscribe(),
        };
        let mut running = JoinSet::new();
        for over in [Over::Http1, Over::Http2, Over::Https1, Over::Https2] {
            running.spawn(task.clone().ask_the_frail(over));
            running.spawn(task.clone().ask_for_what_is_cached(over));
        }
        running.spawn(task.clone().send_to_the_frail());
        running.spawn(task.clone().ask_more_than_the_limit());
        for seed in 0..2 {
            running.spawn(task.clone().be_rude(seed));
        }
        Self { stopping, running }
    }

    /// Lets each finish what it is doing; what went wrong.
    pub async fn stop(mut self) -> Vec<String> {
        self.stopping.send_replace(true);
        let mut wrong = Vec::new();
        while let Some(ended) = self.running.join_next().await {
            let tally = ended.expect("no panic in a client");
            println!(
                "{}: {} answered, of them {} by a planted fault or a limit, {} failures",
                tally.name,
                tally.answered,
                tally.planted,
                tally.failures.len()
            );
            let told = tally.failures.iter().take(TOLD);
            wrong.extend(told.map(|failure| format!("{}: {failure}", tally.name)));
            if tally.answered == 0 {
                wrong.push(format!("{}: nothing was answered", tally.name));
            }
        }
        wrong
    }
}

impl Task {
    /// Waits; whether to go on.
    async fn goes_on(&mut self, pause: Duration) -> bool {
        let stopped = self.stopping.wait_for(|stopping| *stopping);
        tokio::time::timeout(pause, stopped).await.is_err()
    }

    /// Downloads from endpoints that are killed every few seconds. A GET that loses its endpoint is retried by Portcullis: none
    /// of them may fail.
    async fn ask_the_frail(mut self, over: Over) -> Tally {
        let mut tally = Tally::of("GET from endpoints that are killed");
        let mut caller = Caller::new(&self, over, "frail.test").await;
        let mut number = 0;
        while self.goes_on(Duration::from_millis(4)).await {
            number += 1;
            let size = 100 + number * 7 % 2000;
            match caller.ask_for(size).await {
                Ok(answer) if is_right(&answer, size) => tally.answered += 1,
                Ok(answer) => tally.failed(told(&answer)),
                Err(error) => tally.failed(error),
            }
        }
        tally
    }

    /// Sends bodies to the same endpoints. A POST that may have been received is not retried: 502 is the fault's own.
    async fn send_to_the_frail(mut self) -> Tally {
        let mut tally = Tally::of("POST to endpoints that are killed");
        let mut number = 0;
        while self.goes_on(Duration::from_millis(5)).await {
            number += 1;
            let mut client = http1(self.http).await;
            let size = 1_000 + number * 37 % 20_000;
            let asked = request("POST", "/upload")
                .header("host", "frail.test")
                .body(full(vec![b'x'; size]));
            let sent = client.send(asked.expect("a request")).await;
            let answer = match sent {
                Ok(response) => Answer::read(response).await,
                Err(error) => Err(error),
            };
            match answer {
                Ok(answer) if answer.status == 200 && answer.json()["bytes"] == size => {
                    tally.answered += 1;
                }
                Ok(answer) if answer.status == 502 => {
                    tally.answered += 1;
                    tally.planted += 1;
                }
                Ok(answer) => tally.failed(told(&answer)),
                Err(error) => tally.failed(format!("no answer: {error}")),
            }
        }
        tally
    }

    /// Asks for three hundred objects, each fresh for a second, the first ones more often.
    async fn ask_for_what_is_cached(mut self, over: Over) -> Tally {
        let mut tally = Tally::of("GET of what is cached");
        let mut caller = Caller::new(&self, over, "cached.test").await;
        let mut number: u64 = 0;
        while self.goes_on(Duration::from_millis(4)).await {
            number += 1;
            let size = 200 + (number * number) % 300 * 97;
            match caller.ask_for(size).await {
                Ok(answer) if is_right(&answer, size) => tally.answered += 1,
                Ok(answer) => tally.failed(told(&answer)),
                Err(error) => tally.failed(error),
            }
        }
        tally
    }

    /// Asks more often than the limit lets it: both answers come, and not more good ones than the limit gives.
    async fn ask_more_than_the_limit(mut self) -> Tally {
        let mut tally = Tally::of("GET beyond a limit");
        let mut caller = Caller::new(&self, Over::Http1, "limited.test").await;
        let started = Instant::now();
        let mut good = 0;
        while self.goes_on(Duration::from_millis(8)).await {
            match caller.ask_for(100).await {
                Ok(answer) if is_right(&answer, 100) => {
                    good += 1;
                    tally.answered += 1;
                }
                Ok(answer) if answer.status == 429 && answer.header("retry-after").is_some() => {
                    tally.answered += 1;
                    tally.planted += 1;
                }
                Ok(answer) => tally.failed(told(&answer)),
                Err(error) => tally.failed(error),
            }
        }
        let most = (started.elapsed().as_secs() + 1) * LIMIT + LIMIT;
        if good > most || tally.planted == 0 {
            let refused = tally.planted;
            tally.failed(format!(
                "{good} let through and {refused} refused; the limit lets {most}"
            ));
        }
        tally
    }

    /// Leaves in the middle of everything there is. Nothing is asked of the answers; of what is left behind, all.
    async fn be_rude(mut self, seed: u64) -> Tally {
        let mut tally = Tally::of("clients that leave in the middle");
        let mut number = seed;
        while self.goes_on(Duration::from_millis(40)).await {
            number += 1;
            let host = "Host: a.test\r\n";
            let said = match number % 6 {
                0 => "GET / HTT".to_owned(),
                1 => format!("GET /hang HTTP/1.1\r\n{host}\r\n"),
                2 => format!("POST /upload HTTP/1.1\r\n{host}Content-Length: 100000\r\n\r\nhalf"),
                3 => format!("GET /bytes/10m HTTP/1.1\r\n{host}\r\n"),
                4 => "\u{16}\u{3}\u{1}\u{2}no TLS\r\n\r\n".to_owned(),
                _ => "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0".to_owned(),
            };
            let address = if number.is_multiple_of(5) {
                self.https
            } else {
                self.http
            };
            let Ok(mut stream) = TcpStream::connect(address).await else {
                tally.failed("no connection".to_owned());
                continue;
            };
            let written = stream.write_all(said.as_bytes()).await;
            tokio::time::sleep(Duration::from_millis(20 + number % 7 * 10)).await;
            if written.is_ok() {
                tally.answered += 1;
                tally.planted += 1;
            }
        }
        tally
    }
}

impl Tally {
    fn of(name: &'static str) -> Self {
        Self {
            name,
            ..Self::default()
        }
    }

    fn failed(&mut self, how: String) {
        self.failures.push(how);
    }
}

/// A client that opens another connection now and then, and after a failure.
struct Caller {
    task: Task,
    over: Over,
    host: &'static str,
    client: Client,
    asked: u64,
}

impl Caller {
    async fn new(task: &Task, over: Over, host: &'static str) -> Self {
        Self {
            client: connect(task, over).await,
            task: task.clone(),
            over,
            host,
            asked: 0,
        }
    }

    /// The whole answer to GET of so many bytes, or why there is none.
    async fn ask_for(&mut self, size: u64) -> Result<Answer, String> {
        self.asked += 1;
        if self.asked.is_multiple_of(REQUESTS_PER_CONNECTION) {
            self.client = connect(&self.task, self.over).await;
        }
        let path = format!("/bytes/{size}");
        let asked = request("GET", &path)
            .header("host", self.host)
            .body(full(""));
        let asked = asked.expect("a request");
        let whole = async { Answer::read(self.client.send(asked).await?).await }.await;
        match whole {
            Ok(answer) => Ok(answer),
            Err(error) => {
                self.client = connect(&self.task, self.over).await;
                Err(format!("no answer to {path}: {}", causes(&error)))
            }
        }
    }
}

async fn connect(task: &Task, over: Over) -> Client {
    let connecting = async {
        match over {
            Over::Http1 => http1(task.http).await,
            Over::Http2 => http2(task.http).await,
            Over::Https1 => https1(task.https, NAME, &task.roots).await,
            Over::Https2 => https2(task.https, NAME, &task.roots).await,
        }
    };
    in_time("a connection", connecting).await
}

fn causes(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    let causes: Vec<String> = causes.map(ToString::to_string).collect();
    causes.join(": ")
}

fn is_right(answer: &Answer, size: u64) -> bool {
    answer.status == StatusCode::OK && answer.body == expected_bytes(size as usize)
}

fn told(answer: &Answer) -> String {
    let why = answer.header("proxy-status").unwrap_or("no reason given");
    format!("{} ({why})", answer.status)
}
