//! What does a name server say that a test has in its hand?

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard};

use hickory_proto::op::{Message, ResponseCode};
use hickory_proto::rr::rdata::SRV;
use hickory_proto::rr::{Name, RData, Record, RecordType};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::task::JoinSet;

use super::free_port;

/// A name server on UDP and TCP. What it was not told about does not exist.
pub struct Dns {
    /// Where it is.
    pub address: SocketAddr,
    zone: Arc<Mutex<Zone>>,
    _tasks: JoinSet<()>,
}

#[derive(Default)]
struct Zone {
    says: HashMap<String, Says>,
    asked: HashMap<(String, RecordType), usize>,
    over_tcp: usize,
    truncates: bool,
}

/// What it says about a name.
#[derive(Clone)]
pub enum Says {
    /// These addresses, good for so many seconds.
    Addresses(u32, Vec<IpAddr>),
    /// SRV records, good for so many seconds: priority, weight, port, host.
    Instances(u32, Vec<(u16, u16, u16, &'static str)>),
    /// This other name.
    Alias(u32, &'static str),
    /// That it can't say (SERVFAIL).
    Failure,
    /// That there is no such name (NXDOMAIN).
    NoSuchName,
    /// Nothing.
    Silence,
}

impl Says {
    /// Addresses that are good for so many seconds.
    pub fn addresses(ttl: u32, addresses: &[&str]) -> Self {
        let read = |text: &&str| text.parse().expect("an address");
        Self::Addresses(ttl, addresses.iter().map(read).collect())
    }
}

/// What fits into a datagram.
const DATAGRAM: usize = 1_232;

impl Dns {
    /// One that knows no name.
    pub async fn start() -> Self {
        let (udp, tcp) = loop {
            let port = free_port();
            let udp = UdpSocket::bind(("127.0.0.1", port)).await;
            let tcp = TcpListener::bind(("127.0.0.1", port)).await;
            if let (Ok(udp), Ok(tcp)) = (udp, tcp) {
                break (udp, tcp);
            }
        };
        let address = tcp.local_addr().expect("bound");
        let zone = Arc::new(Mutex::new(Zone::default()));
        let mut tasks = JoinSet::new();
        tasks.spawn(datagrams(udp, Arc::clone(&zone)));
        tasks.spawn(streams(tcp, Arc::clone(&zone)));
        Self {
            address,
            zone,
            _tasks: tasks,
        }
    }

    /// The section of a configuration that asks it.
    pub fn resolver(&self) -> String {
        let address = self.address;
        format!("resolver: {{addresses: [\"{address}\"], timeout: 2s, attempts: 1}}\n")
    }

    /// Has it say this about a name from now on.
    pub fn says(&self, name: &str, what: Says) {
        self.zone().says.insert(name.to_owned(), what);
    }

    /// Has it answer over UDP only that there is more to say.
    pub fn truncates(&self) {
        self.zone().truncates = true;
    }

    /// How often it was asked for these records of a name.
    pub fn asked(&self, name: &str, kind: RecordType) -> usize {
        let asked = self.zone().asked.get(&(name.to_owned(), kind)).copied();
        asked.unwrap_or_default()
    }

    /// How often it was asked over TCP.
    pub fn asked_over_tcp(&self) -> usize {
        self.zone().over_tcp
    }

    fn zone(&self) -> MutexGuard<'_, Zone> {
        self.zone.lock().expect("no panic inside")
    }
}

async fn datagrams(socket: UdpSocket, zone: Arc<Mutex<Zone>>) {
    let mut buffer = [0; 4_096];
    loop {
        // The kernel tells here that somebody did not wait for an answer.
        let Ok((length, peer)) = socket.recv_from(&mut buffer).await else {
            continue;
        };
        let answer = zone
            .lock()
            .expect("no panic inside")
            .answer(&buffer[..length], false);
        if let Some(answer) = answer {
            let _ = socket.send_to(&answer, peer).await;
        }
    }
}

async fn streams(listener: TcpListener, zone: Arc<Mutex<Zone>>) {
    let mut streams = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        streams.spawn(stream_of(stream, Arc::clone(&zone)));
    }
}

async fn stream_of(mut stream: TcpStream, zone: Arc<Mutex<Zone>>) {
    while let Ok(length) = stream.read_u16().await {
        let mut question = vec![0; length.into()];
        if stream.read_exact(&mut question).await.is_err() {
            return;
        }
        let answer = zone
            .lock()
            .expect("no panic inside")
            .answer(&question, true);
        if let Some(answer) = answer {
            let length = u16::try_from(answer.len()).expect("a short answer");
            let whole = [&length.to_be_bytes()[..], &answer].concat();
            if stream.write_all(&whole).await.is_err() {
                return;
            }
        }
    }
}

impl Zone {
    fn answer(&mut self, question: &[u8], over_tcp: bool) -> Option<Vec<u8>> {
        let question = Message::from_vec(question).expect("a question");
        let query = question.queries.first().expect("a question").clone();
        let name = query.name().to_ascii().to_ascii_lowercase();
        let name = name.trim_end_matches('.').to_owned();
        *self
            .asked
            .entry((name.clone(), query.query_type()))
            .or_default() += 1;
        self.over_tcp += usize::from(over_tcp);
        let mut answer = Message::response(question.metadata.id, question.metadata.op_code);
        answer.add_query(query.clone());
        let record = |ttl, data| Record::from_rdata(query.name().clone(), ttl, data);
        match self.says.get(&name).cloned().unwrap_or(Says::NoSuchName) {
            Says::Addresses(ttl, addresses) => {
                let data = addresses.into_iter().map(RData::from);
                let asked = data.filter(|data| data.record_type() == query.query_type());
                answer.add_answers(asked.map(|data| record(ttl, data)));
            }
            Says::Instances(ttl, instances) if query.query_type() == RecordType::SRV => {
                answer.add_answers(instances.into_iter().map(|(priority, weight, port, host)| {
                    let srv = SRV::new(priority, weight, port, whole(host));
                    record(ttl, RData::SRV(srv))
                }));
            }
            Says::Instances(..) => {}
            Says::Alias(ttl, other) => {
                let alias = hickory_proto::rr::rdata::CNAME(whole(other));
                answer.add_answer(record(ttl, RData::CNAME(alias)));
            }
            Says::Failure => answer.metadata.response_code = ResponseCode::ServFail,
            Says::NoSuchName => answer.metadata.response_code = ResponseCode::NXDomain,
            Says::Silence => return None,
        }
        let bytes = answer.to_vec().expect("an answer");
        if over_tcp || (bytes.len() <= DATAGRAM && !self.truncates) {
            return Some(bytes);
        }
        Some(answer.truncate().to_vec().expect("an answer"))
    }
}

fn whole(name: &str) -> Name {
    Name::from_ascii(format!("{name}.")).expect("a name")
}
