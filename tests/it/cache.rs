//! Does the response cache do what its rules and its operators say, as clients and endpoints see it?

mod asking;
mod collapse;
<<<<<<< HEAD
mod disk;
mod fetching;
=======
mod compression;
>>>>>>> 5137df6 (Test that an object is compressed once, tell how compression was measured, and let nobody wait for who is gone)
mod freshness;
mod invalidation;
mod keys;
mod memory;
mod purging;
mod ranges;
mod stale;
mod storing;
mod validation;
mod vary;
mod warming;
