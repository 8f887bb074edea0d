//! Does the response cache do what its rules and its operators say, as clients and endpoints see it?

mod asking;
mod collapse;
mod compression;
mod disk;
mod fetching;
mod freshness;
mod invalidation;
mod keys;
mod leaks;
mod memory;
mod parts;
mod purging;
mod ranges;
mod stale;
mod storing;
mod validation;
mod vary;
mod warming;
