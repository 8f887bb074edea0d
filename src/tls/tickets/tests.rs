//! Do tickets open where they should, for as long as they should, and nothing else ever?

use super::key::{MAX_AHEAD, MAX_SEALED, NAME};
use super::*;
use proptest::prelude::*;
use std::sync::Barrier;
use std::time::Duration;

const HOUR: u64 = 60 * 60;

/// When everything here begins.
const START: u64 = 1_800_000_000;

const SESSION: &[u8] = b"session";

fn started() -> Tickets {
    Tickets::started(None, None, START).expect("random bytes")
}

fn imported(keys: TicketKeys, now: u64) -> Tickets {
    Tickets::with_keys(keys, UNIX_EPOCH + Duration::from_secs(now)).expect("random bytes")
}

fn sealed(tickets: &Tickets, now: u64) -> Vec<u8> {
    tickets.seal_at(SESSION, now).expect("a ticket")
}

fn opens(tickets: &Tickets, ticket: &[u8], now: u64) -> bool {
    let opened = tickets.open_at(ticket, now);
    assert!(opened.as_deref().is_none_or(|session| session == SESSION));
    opened.is_some()
}

/// How it travels: written by one process and read by another.
fn handed_over(keys: &TicketKeys) -> TicketKeys {
    let written = serde_json::to_vec(keys).expect("it can be written");
    serde_json::from_slice(&written).expect("it can be read")
}

#[test]
fn a_ticket_opens_to_what_was_sealed() {
    let tickets = Tickets::new().expect("random bytes");
    assert!(tickets.enabled());
    for session in [&b""[..], SESSION, &[7; 4096]] {
        let ticket = tickets.encrypt(session).expect("a ticket");
        assert_eq!(tickets.decrypt(&ticket).as_deref(), Some(session));
    }
    assert_ne!(tickets.encrypt(SESSION), tickets.encrypt(SESSION));
}

#[test]
fn a_ticket_opens_with_the_keys_that_were_handed_over() {
    let old = started();
    let of_previous = sealed(&old, START);
    let of_current = sealed(&old, START + 6 * HOUR);
    let now = START + 7 * HOUR;
    let new = imported(handed_over(&old.export()), now);
    assert!(opens(&new, &of_previous, now));
    assert!(opens(&new, &of_current, now));
    // And the other way round, while both are there.
    assert!(opens(&old, &sealed(&new, now), now));
}

#[test]
fn the_key_changes_after_six_hours_and_the_previous_one_opens_until_twelve() {
    let tickets = started();
    let first = sealed(&tickets, START);
    let last = sealed(&tickets, START + 6 * HOUR - 1);
    assert_eq!(first[..NAME], last[..NAME]);
    let next = sealed(&tickets, START + 6 * HOUR);
    assert_ne!(next[..NAME], last[..NAME]);
    for ticket in [&first, &last, &next] {
        assert!(opens(&tickets, ticket, START + 12 * HOUR - 1));
    }
    for ticket in [&first, &last] {
        assert!(!opens(&tickets, ticket, START + 12 * HOUR));
    }
    assert!(opens(&tickets, &next, START + 18 * HOUR - 1));
    assert!(!opens(&tickets, &next, START + 18 * HOUR));
}

#[test]
fn a_ticket_opens_for_as_long_as_its_client_is_told_and_no_key_is_kept_in_a_silence() {
    let tickets = started();
    let last = sealed(&tickets, START + 6 * HOUR - 1);
    let told = u64::from(tickets.lifetime());
    assert!(opens(&tickets, &last, START + 6 * HOUR - 1 + told));
    let silent = started();
    let ticket = sealed(&silent, START);
    assert!(!opens(&silent, &ticket, START + 12 * HOUR));
    assert!(silent.export().previous.is_none());
}

#[test]
fn a_key_from_the_future_is_not_used_so_a_clock_that_is_set_back_can_not_keep_it_alive() {
    let tickets = started();
    let ticket = sealed(&tickets, START);
    assert!(opens(&tickets, &ticket, START - MAX_AHEAD));
    assert!(!opens(&tickets, &ticket, START - MAX_AHEAD - 1));
    assert_ne!(tickets.export().current.born, START);
}

#[test]
fn of_keys_that_were_handed_over_the_old_the_malformed_and_the_unborn_are_left_out() {
    fn of(current: impl FnOnce(&mut exported::ExportedKey), now: u64) -> bool {
        let old = started();
        let ticket = sealed(&old, START);
        let mut keys = old.export();
        current(&mut keys.current);
        let new = imported(keys, now);
        assert!(opens(&new, &sealed(&new, now), now));
        opens(&new, &ticket, now)
    }
    assert!(of(|_| (), START));
    assert!(of(|_| (), START + 12 * HOUR - 1));
    assert!(!of(|_| (), START + 12 * HOUR));
    assert!(of(|key| key.born = START + MAX_AHEAD, START));
    assert!(!of(|key| key.born = START + MAX_AHEAD + 1, START));
    assert!(!of(|key| key.born = u64::MAX, START));
    assert!(!of(|key| key.name.truncate(NAME - 1), START));
    assert!(!of(|key| key.name.push(0), START));
    for length in [0, 16, 24, 31, 33, 64] {
        assert!(!of(|key| key.secret.resize(length, 0), START), "{length}");
    }
}

#[test]
fn a_previous_key_outlives_a_current_one_that_is_malformed() {
    let old = started();
    let ticket = sealed(&old, START);
    let now = START + 6 * HOUR;
    sealed(&old, now);
    let mut keys = old.export();
    keys.current.secret.clear();
    assert!(opens(&imported(keys, now), &ticket, now));
}

#[test]
fn a_key_gives_way_before_it_has_sealed_too_much_and_what_it_sealed_elsewhere_counts() {
    let mut keys = started().export();
    keys.current.sealed = MAX_SEALED - 2;
    let tickets = imported(handed_over(&keys), START);
    let last = [sealed(&tickets, START), sealed(&tickets, START)];
    assert_eq!(tickets.export().current.sealed, MAX_SEALED);
    let next = sealed(&tickets, START);
    assert_eq!(last[0][..NAME], last[1][..NAME]);
    assert_ne!(last[1][..NAME], next[..NAME]);
    for ticket in [&last[0], &last[1], &next] {
        assert!(opens(&tickets, ticket, START));
    }
}

#[test]
fn a_worn_key_seals_nothing_even_if_it_is_asked() {
    let mut exported = started().export().current;
    exported.sealed = MAX_SEALED - 1;
    let key = TicketKey::import(exported).expect("a key");
    assert!(key.seal(SESSION).is_some());
    assert!(key.seal(SESSION).is_none());
}

#[test]
fn threads_that_change_the_key_at_once_agree_on_one() {
    for _ in 0..50 {
        let tickets = started();
        let now = START + 6 * HOUR;
        let together = Barrier::new(4);
        let made: Vec<Vec<u8>> = std::thread::scope(|scope| {
            let seal = || {
                together.wait();
                sealed(&tickets, now)
            };
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(seal)).collect();
            let joined = threads.into_iter().map(|thread| thread.join());
            joined.collect::<Result<_, _>>().expect("no panic")
        });
        for ticket in &made {
            assert_eq!(ticket[..NAME], made[0][..NAME]);
            assert!(opens(&tickets, ticket, now));
        }
    }
}

#[test]
fn a_ticket_of_unknown_keys_does_not_open() {
    let ticket = sealed(&started(), START);
    assert!(!opens(&started(), &ticket, START));
}

#[test]
fn a_ticket_is_bound_to_the_name_it_bears() {
    let mut keys = started().export();
    let mut renamed = started().export().current;
    renamed.secret = keys.current.secret.clone();
    let name = renamed.name.clone();
    keys.previous = Some(renamed);
    let tickets = imported(keys, START);
    let mut ticket = sealed(&tickets, START);
    assert!(opens(&tickets, &ticket, START));
    ticket[..NAME].copy_from_slice(&name);
    assert!(!opens(&tickets, &ticket, START));
}

#[test]
fn a_torn_or_lengthened_ticket_does_not_open() {
    let tickets = started();
    let mut ticket = sealed(&tickets, START);
    for length in 0..ticket.len() {
        assert!(!opens(&tickets, &ticket[..length], START), "{length}");
    }
    ticket.push(0);
    assert!(!opens(&tickets, &ticket, START));
}

#[test]
fn a_ticket_with_any_bit_changed_does_not_open() {
    let tickets = started();
    let mut ticket = sealed(&tickets, START);
    for bit in 0..ticket.len() * 8 {
        ticket[bit / 8] ^= 1 << (bit % 8);
        assert!(!opens(&tickets, &ticket, START), "{bit}");
        ticket[bit / 8] ^= 1 << (bit % 8);
    }
    assert!(opens(&tickets, &ticket, START));
}

#[test]
fn no_ticket_is_made_that_is_too_large_to_be_opened() {
    let tickets = started();
    let overhead = sealed(&tickets, START).len() - SESSION.len();
    let largest = vec![0; MAX_TICKET - overhead];
    let ticket = tickets.seal_at(&largest, START).expect("a ticket");
    assert_eq!(ticket.len(), MAX_TICKET);
    assert_eq!(tickets.open_at(&ticket, START), Some(largest));
    let larger = vec![0; MAX_TICKET - overhead + 1];
    assert_eq!(tickets.seal_at(&larger, START), None);
    assert_eq!(tickets.open_at(&vec![0; 1 << 20], START), None);
}

#[test]
fn what_is_printed_for_debugging_has_no_secret_in_it() {
    let tickets = started();
    let keys = tickets.export();
    let shown = [format!("{tickets:?}"), format!("{keys:?}")];
    let secret = format!("{:?}", *keys.current.secret);
    for shown in &shown {
        assert!(shown.contains(&START.to_string()), "{shown}");
        assert!(!shown.contains(&secret[1..12]), "{shown}");
        assert!(!shown.contains("secret"), "{shown}");
    }
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_open(bytes in prop::collection::vec(any::<u8>(), 0..512)) {
        let tickets = started();
        prop_assert_eq!(tickets.open_at(&bytes, START), None);
        let mut named = sealed(&tickets, START);
        named.truncate(NAME);
        named.extend_from_slice(&bytes);
        prop_assert_eq!(tickets.open_at(&named, START), None);
    }

    #[test]
    fn arbitrary_keys_are_taken_or_left_out_but_never_in_the_way(
        name in prop::collection::vec(any::<u8>(), 0..40),
        secret in prop::collection::vec(any::<u8>(), 0..80),
        born in any::<u64>(),
        sealed_before in any::<u64>(),
        now in 0..u64::from(u32::MAX),
    ) {
        let exported = || exported::ExportedKey {
            name: name.clone(),
            secret: secret.clone().into(),
            born,
            sealed: sealed_before,
        };
        let tickets = imported(TicketKeys { current: exported(), previous: Some(exported()) }, now);
        let ticket = sealed(&tickets, now);
        prop_assert!(opens(&tickets, &ticket, now));
    }
}
