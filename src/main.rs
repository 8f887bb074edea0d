//! The binary: command line → library → exit code.

use std::process::ExitCode;

/// Many small blocks come and go with every request; the system's allocator is the slower one at that.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    // Before anything else is opened: they are known by their numbers only.
    let passed = portcullis::server::door::passed::Passed::from_environment();
    portcullis::tls::install_provider();
    if let Err(error) = portcullis::server::signals::take_early() {
        eprintln!("signals: {error}");
        return ExitCode::FAILURE;
    }
    portcullis::cli::main(passed)
}
