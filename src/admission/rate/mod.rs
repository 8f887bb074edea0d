//! May this key have one more request now?
//!
//! A [`Limit`] is a token bucket told as a time (GCRA, the generic cell rate algorithm of ITU-T I.371): each request that
//! is let through puts the key one interval into debt, time pays the debt off, and a request that would lead deeper than
//! the burst is refused. So over any time `t` no key gets more than `rate × t + burst`, to the request.
//!
//! [`Buckets`] remember the debts of many keys in memory whose size is fixed when they are made. What a request's bucket
//! is says a [`RateKey`].

mod block;
mod buckets;
mod exempt;
mod key;
mod limit;
mod place;

pub use buckets::Buckets;
pub use exempt::ExemptKeys;
pub use key::RateKey;
pub use limit::{Limit, Taken, TooMuch};
pub use place::{Place, Scope};
