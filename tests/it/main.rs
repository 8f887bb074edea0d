//! Does the built binary do what its users need? Real clients, real origins, ports from the kernel.
//!
//! One binary for all integration tests: it links once, and every file here is one question.

mod support;
