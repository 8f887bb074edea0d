//! How does a test have an endpoint that is as well as it wants?

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use origin::{RawAnswer, RawOrigin};

/// It answers requests with its name, and those whose path begins with `/health` as it is told to.
pub struct Patient {
    origin: RawOrigin,
    shared: Arc<Mutex<Shared>>,
}

struct Shared {
    /// The answer to a check; none to let it wait.
    answer: Option<String>,
    checks: Vec<String>,
    served: u64,
}

impl Patient {
    /// A healthy one.
    pub async fn start(name: &str) -> Self {
        let shared = Arc::new(Mutex::new(Shared {
            answer: Some(response(200, "")),
            checks: Vec::new(),
            served: 0,
        }));
        let (state, name) = (Arc::clone(&shared), name.to_owned());
        let answer = move |head: &[u8]| {
            let head = String::from_utf8_lossy(head).into_owned();
            let mut state = state.lock().expect("no panic inside");
            if head.contains(" /health") {
                state.checks.push(head);
                return match &state.answer {
                    Some(answer) => RawAnswer::new().send(answer.clone()),
                    None => RawAnswer::new(),
                };
            }
            state.served += 1;
            RawAnswer::new().send(response(200, &name))
        };
        let origin = RawOrigin::start(answer).await.expect("an origin");
        Self { origin, shared }
    }

    /// Where it is.
    pub fn address(&self) -> SocketAddr {
        self.origin.address()
    }

    /// What it answers to checks from now on.
    pub fn says(&self, status: u16, body: &str) {
        self.lock().answer = Some(response(status, body));
    }

    /// Answers no check any more.
    pub fn hangs(&self) {
        self.lock().answer = None;
    }

    /// The header of each check so far.
    pub fn checks(&self) -> Vec<String> {
        self.lock().checks.clone()
    }

    /// Requests that were no checks.
    pub fn served(&self) -> u64 {
        self.lock().served
    }

    /// Connections so far.
    pub fn connections(&self) -> u64 {
        self.origin.connections()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Shared> {
        self.shared.lock().expect("no panic inside")
    }
}

fn response(status: u16, body: &str) -> String {
    format!(
        "HTTP/1.1 {status} Said\r\nlocation: /health/else\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
}
