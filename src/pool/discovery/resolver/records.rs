//! What is in a name server's answer?

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Duration;

use hickory_resolver::proto::op::{DnsResponse, ResponseCode};
use hickory_resolver::proto::rr::{Name, RData, Record, RecordType};

use super::{Answer, bounded};

/// How many times one name may stand for another, over all answers of a look-up.
const MOST_ALIASES: usize = 16;

/// What is looked for.
pub(super) struct Sought {
    /// The name that is asked about, at the end of the aliases so far.
    pub(super) name: Name,
    /// The shortest TTL of the aliases.
    ttl: u32,
    /// How many there were.
    aliases: usize,
}

impl From<Name> for Sought {
    fn from(name: Name) -> Self {
        Self {
            name,
            ttl: u32::MAX,
            aliases: 0,
        }
    }
}

/// Records of one type.
pub(super) struct Records {
    /// What they say.
    pub(super) found: Vec<RData>,
    /// How long all of them, and the aliases on the way, are good.
    pub(super) ttl: Duration,
    /// The addresses that were told beside them, with their TTL, by host. There may be thousands, and as many hosts ask.
    beside: HashMap<String, Vec<(IpAddr, u32)>>,
}

/// What an answer says about a name.
pub(super) enum Chased {
    /// There are records of the wanted type.
    Records(Records),
    /// There are none.
    Nothing,
    /// It is another name, about which the answer says no more.
    Alias(Sought),
    /// It is an alias of an alias of … without an end in sight.
    TooManyAliases,
}

/// Looks for records of a type, along the aliases in the answer. Each alias is a walk through the whole answer, which
/// may have thousands: their number is limited, and so aliases in a circle end as well.
pub(super) fn chase(response: &DnsResponse, sought: Sought, kind: RecordType) -> Chased {
    let Sought {
        mut name,
        mut ttl,
        mut aliases,
    } = sought;
    let before = aliases;
    loop {
        let mut found = Vec::new();
        for record in &response.answers {
            if record.name == name && record.record_type() == kind {
                found.push(record.data.clone());
                ttl = ttl.min(record.ttl);
            }
        }
        if !found.is_empty() {
            return Chased::Records(Records {
                found,
                ttl: seconds(ttl),
                beside: match kind {
                    RecordType::SRV => by_host(&response.additionals),
                    // Nobody asks.
                    _ => HashMap::new(),
                },
            });
        }
        let alias = response
            .answers
            .iter()
            .find_map(|record| match &record.data {
                RData::CNAME(other) if record.name == name => Some((other, record.ttl)),
                _ => None,
            });
        let Some((other, its_ttl)) = alias else { break };
        if aliases == MOST_ALIASES {
            return Chased::TooManyAliases;
        }
        aliases += 1;
        ttl = ttl.min(its_ttl);
        name = other.0.clone();
    }
    // Who says so with an SOA record (RFC 2308) has looked to the end of the chain.
    let is_final = response.response_code == ResponseCode::NXDomain
        || response
            .authorities
            .iter()
            .any(|record| record.record_type() == RecordType::SOA);
    if aliases > before && !is_final {
        Chased::Alias(Sought { name, ttl, aliases })
    } else {
        Chased::Nothing
    }
}

impl Records {
    /// Records with nothing beside them.
    #[cfg(test)]
    pub(super) fn new(found: Vec<RData>, ttl: Duration) -> Self {
        Self {
            found,
            ttl,
            beside: HashMap::new(),
        }
    }

    /// The addresses of a host that were told beside the records.
    pub(super) fn beside(&self, host: &str) -> Answer<Vec<IpAddr>> {
        let told = self.beside.get(host).map_or(&[][..], Vec::as_slice);
        let ttl = told.iter().map(|(_, ttl)| *ttl).min();
        let addresses = told.iter().map(|(address, _)| *address).collect();
        bounded(addresses, seconds(ttl.unwrap_or(u32::MAX)), None)
    }
}

fn by_host(records: &[Record]) -> HashMap<String, Vec<(IpAddr, u32)>> {
    let mut hosts: HashMap<String, Vec<(IpAddr, u32)>> = HashMap::new();
    for record in records {
        if let Some(address) = usable_address(&record.data) {
            let told = hosts.entry(text(&record.name)).or_default();
            told.push((address, record.ttl));
        }
    }
    hosts
}

/// The address in an A or AAAA record, unless nothing can be there: a name server that blocks a name answers `0.0.0.0`,
/// where this machine would be found.
pub(super) fn usable_address(data: &RData) -> Option<IpAddr> {
    let address = data.ip_addr()?.to_canonical();
    (!address.is_unspecified() && !address.is_multicast()).then_some(address)
}

/// A name in lower case and without the dot at its end.
pub(super) fn text(name: &Name) -> String {
    let text = name.to_ascii().to_ascii_lowercase();
    text.strip_suffix('.').unwrap_or(&text).to_owned()
}

fn seconds(ttl: u32) -> Duration {
    Duration::from_secs(ttl.into())
}

#[cfg(test)]
mod tests {
    use hickory_resolver::proto::op::{Message, OpCode};
    use hickory_resolver::proto::rr::rdata::{CNAME, SRV};

    use super::*;

    fn name(text: &str) -> Name {
        Name::from_ascii(text).expect("a name")
    }

    fn record(owner: &str, ttl: u32, data: RData) -> Record {
        Record::from_rdata(name(owner), ttl, data)
    }

    fn alias(owner: &str, ttl: u32, other: &str) -> Record {
        record(owner, ttl, RData::CNAME(CNAME(name(other))))
    }

    fn address(owner: &str, ttl: u32, address: &str) -> Record {
        record(
            owner,
            ttl,
            RData::from(address.parse::<IpAddr>().expect("an address")),
        )
    }

    fn response(answers: Vec<Record>, additionals: Vec<Record>) -> DnsResponse {
        let mut message = Message::response(0, OpCode::Query);
        message.add_answers(answers);
        message.add_additionals(additionals);
        DnsResponse::from_message(message).expect("a response")
    }

    fn asked(response: &DnsResponse, kind: RecordType) -> Chased {
        chase(response, name("app.test.").into(), kind)
    }

    #[test]
    fn aliases_are_followed_in_any_order_and_their_time_counts() {
        let response = response(
            vec![
                address("c.test.", 30, "10.0.0.2"),
                address("other.test.", 1, "10.0.0.9"),
                alias("b.test.", 7, "C.test."),
                alias("app.test.", 20, "b.test."),
            ],
            Vec::new(),
        );
        let Chased::Records(records) = asked(&response, RecordType::A) else {
            panic!("no records");
        };
        assert_eq!(records.found, [RData::from(IpAddr::from([10, 0, 0, 2]))]);
        assert_eq!(records.ttl, Duration::from_secs(7));
    }

    #[test]
    fn an_alias_that_leads_out_of_the_answer_is_to_be_asked_for() {
        let response = response(vec![alias("app.test.", 20, "b.test.")], Vec::new());
        let Chased::Alias(other) = asked(&response, RecordType::A) else {
            panic!("no alias");
        };
        assert_eq!(
            (other.name, other.ttl, other.aliases),
            (name("b.test."), 20, 1)
        );
    }

    /// `1.test.`, `2.test.` and so on.
    fn numbered(number: usize) -> String {
        format!("{number}.test.")
    }

    /// What is said about `0.test.` in answers with so many aliases each, by a name server that never ends a chain. The
    /// number of answers that were asked for.
    fn endless(aliases_in_each: usize) -> (Chased, usize) {
        let mut sought = Sought::from(name("0.test."));
        for answer in 0.. {
            let numbers = answer * aliases_in_each..(answer + 1) * aliases_in_each;
            let aliases = numbers.map(|number| alias(&numbered(number), 20, &numbered(number + 1)));
            match chase(
                &response(aliases.collect(), Vec::new()),
                sought,
                RecordType::A,
            ) {
                Chased::Alias(next) => sought = next,
                chased => return (chased, answer + 1),
            }
        }
        unreachable!("it has no end")
    }

    #[test]
    fn aliases_are_counted_over_all_answers() {
        for (aliases_in_each, answers) in [(1, 17), (5, 4), (16, 2), (17, 1), (2_000, 1)] {
            let (chased, asked) = endless(aliases_in_each);
            assert!(matches!(chased, Chased::TooManyAliases));
            assert_eq!(asked, answers, "with {aliases_in_each} in each");
        }
    }

    #[test]
    fn as_many_aliases_as_are_allowed_lead_to_the_address() {
        let mut answers: Vec<Record> = (0..MOST_ALIASES)
            .map(|number| alias(&numbered(number), 20, &numbered(number + 1)))
            .collect();
        answers.push(address(&numbered(MOST_ALIASES), 30, "10.0.0.2"));
        let response = response(answers, Vec::new());
        let chased = chase(&response, name("0.test.").into(), RecordType::A);
        assert!(matches!(chased, Chased::Records(records) if records.found.len() == 1));
    }

    #[test]
    fn aliases_in_a_circle_end() {
        let circle = vec![
            alias("app.test.", 20, "b.test."),
            alias("b.test.", 20, "app.test."),
        ];
        let chased = asked(&response(circle, Vec::new()), RecordType::A);
        assert!(matches!(chased, Chased::TooManyAliases));
    }

    #[test]
    fn what_was_told_beside_srv_records_is_used() {
        let srv = SRV::new(0, 1, 80, name("One.test."));
        let beside = vec![
            address("one.test.", 30, "10.0.0.3"),
            address("one.test.", 9, "10.0.0.2"),
            address("two.test.", 1, "10.0.0.9"),
        ];
        let answers = vec![
            alias("app.test.", 60, "_http._tcp.test."),
            record("_http._tcp.test.", 50, RData::SRV(srv)),
        ];
        let Chased::Records(records) = asked(&response(answers, beside), RecordType::SRV) else {
            panic!("no records");
        };
        assert_eq!(records.ttl, Duration::from_secs(50));
        let answer = records.beside("one.test");
        assert_eq!(
            answer.found,
            [IpAddr::from([10, 0, 0, 2]), IpAddr::from([10, 0, 0, 3])]
        );
        assert_eq!(answer.ttl, Duration::from_secs(9));
        assert!(records.beside("three.test").found.is_empty());
    }

    #[test]
    fn in_a_large_answer_each_host_has_its_own_addresses() {
        let hosts = 2_000_u32;
        let srv = (0..hosts).map(|host| {
            let data = SRV::new(0, 1, 80, name(&format!("H{host}.test.")));
            record("app.test.", 60, RData::SRV(data))
        });
        let ip =
            |host: u32, family: u32| IpAddr::from((host << 1 | family | 10 << 24).to_be_bytes());
        // All first ones, and then all others, as nobody would write them.
        let beside = (0..2).flat_map(|family| {
            (0..hosts).map(move |host| {
                let address = ip(host, family).to_string();
                self::address(&format!("h{host}.TEST."), host + family, &address)
            })
        });
        let response = response(srv.collect(), beside.collect());
        let Chased::Records(records) = asked(&response, RecordType::SRV) else {
            panic!("no records");
        };
        assert_eq!(records.found.len(), hosts as usize);
        for host in 0..hosts {
            let answer = records.beside(&format!("h{host}.test"));
            assert_eq!(answer.found, [ip(host, 0), ip(host, 1)]);
            assert_eq!(answer.ttl, seconds(host));
        }
    }
}
