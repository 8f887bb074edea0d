//! How many file descriptors may this process have, and what are they for?
//!
//! Each connection of a client takes one, and mostly another for the endpoint that serves it. A system gives a process
//! few by default and lets it ask for more, so a start asks.

use std::os::fd::{AsFd, AsRawFd};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// As many as are asked for at most. A container may allow a billion, and nobody should plan with those.
const ENOUGH: u64 = 1024 * 1024;

/// What a process has open beside the connections of clients and their requests: checks of endpoints, and logs, name
/// servers, those who look at it, the files of a reload.
const BESIDE: u64 = 256 + 64;

/// The most that [`reserve`] keeps back.
const LARGEST_RESERVE: u64 = 1024;

/// How many there may be now.
pub fn limit() -> u64 {
    getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX)
}

/// How many there may be after [`raise`].
pub fn attainable() -> u64 {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let most = maximum.unwrap_or(u64::MAX).min(ENOUGH);
    current.unwrap_or(u64::MAX).max(most)
}

/// Asks for as many as this process may have, within reason.
pub fn raise() {
    let wanted = Rlimit {
        current: Some(attainable()),
        maximum: getrlimit(Resource::Nofile).maximum,
    };
    if let Err(error) = setrlimit(Resource::Nofile, wanted) {
        log::warn!("the limit of descriptors can't be raised: {error}");
    }
}

/// For how many connections of clients `limit` descriptors are enough, when each may need another one for an endpoint, and
/// `listening` sockets are open.
pub fn connections(limit: u64, listening: u64) -> u32 {
    let beside = (BESIDE + listening).min(limit / 2);
    u32::try_from((limit - beside) / 2)
        .unwrap_or(u32::MAX)
        .max(1)
}

/// How many are kept for those who are connected when `limit` descriptors are all there are: new connections wait while
/// fewer are free.
pub fn reserve(limit: u64) -> u64 {
    (limit / 8).min(LARGEST_RESERVE)
}

/// Whether more of `limit` descriptors are free than what is kept back, by a copy of `any` that is closed again.
pub fn has_room(any: &impl AsFd, limit: u64) -> bool {
    let copy = rustix::io::fcntl_dupfd_cloexec(any, 0);
    copy.is_ok_and(|copy| !is_last(copy.as_raw_fd(), limit))
}

/// Whether a new descriptor of this number leaves no more of `limit` free than what is kept back. A process gets the lowest
/// number that is free, so all numbers below it are in use.
pub fn is_last(descriptor: i32, limit: u64) -> bool {
    u64::try_from(descriptor).is_ok_and(|number| number + 1 >= limit - reserve(limit))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_connection_has_one_descriptor_and_another_for_its_endpoint() {
        assert_eq!(connections(1_024, 4), 350);
        assert_eq!(connections(20_000, 8), 9_836);
        assert_eq!(connections(1_048_576, 64), 524_096);
        // With few, half of them are for everything else.
        assert_eq!(connections(256, 4), 64);
        assert_eq!(connections(0, 4), 1);
        assert_eq!(connections(u64::MAX, 4), u32::MAX);
    }

    #[test]
    fn a_part_is_kept_for_those_who_are_in() {
        assert_eq!(reserve(128), 16);
        assert_eq!(reserve(1_048_576), 1_024);
        assert!(attainable() >= limit());
        assert!(is_last(127, 128) && is_last(111, 128) && !is_last(110, 128));
        assert!(has_room(&std::io::stdin(), limit()) && !has_room(&std::io::stdin(), 2));
    }
}
