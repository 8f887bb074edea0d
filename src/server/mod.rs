//! How does the process start, change and stop, with its sockets, workers and connections?
//!
//! Portcullis brings its own listening service (see [`service`]) instead of Pingora's: each worker thread accepts on its
//! own socket of every door, reads PROXY headers and whole request headers under deadlines of its own, parks idle
//! connections without buffers, and hands requests to pingora-proxy's `HttpProxy`.
//!
//! | | |
//! |---|---|
//! | `run`, `logs`, `service`, [`exit`] | how is a process put together, and why did it not start? |
//! | [`door`] | which addresses are open, who may come in, and who may stay? |
//! | `worker` | what does one thread do? |
//! | [`connection`] | how does a client's connection live? |
//! | [`checks`] | who asks the endpoints whether they are well? |
//! | `overload` | how much does the process have to do, and to hold? |
//! | [`reload`] | how does another configuration take over? |
//! | [`upgrade`] | how does another binary? |
//! | [`signals`], `stop` | what do signals do, and how does the process end? |
//! | [`process`], [`directory`], `pid_file`, `supervisor` | what do its parts share, and who is told? |
//! | `watchdog` | does the process work, or does it only exist? |

pub mod checks;
pub mod connection;
pub mod descriptors;
pub mod directory;
pub mod door;
pub mod exit;
mod leave;
mod logs;
mod overload;
mod pid_file;
pub mod process;
pub mod reload;
mod removed;
pub mod run;
mod service;
pub mod signals;
mod stop;
mod supervisor;
#[cfg(test)]
mod tests;
pub mod upgrade;
mod watchdog;
mod worker;
