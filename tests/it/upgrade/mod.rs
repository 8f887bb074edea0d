//! Is the binary replaced without a client noticing, and does a mistake leave everything as it was?

mod connecting;
mod conversation;
mod differences;
mod directory;
mod failures;
mod load;
mod memory;
mod systemd;
