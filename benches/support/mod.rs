//! What do benches of the built binary have in front of it and beside it?

pub mod paced;
pub mod process;
