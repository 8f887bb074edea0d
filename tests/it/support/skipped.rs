//! What becomes of a test that can't be run on this machine?

/// Says why. Where CI runs, nobody would read it: there the test fails, for what it takes is installed by `.ci/run`.
pub fn skipped(why: &str) {
    assert!(
        std::env::var_os("CI").is_none(),
        "can't be run: {why}; .ci/run installs what tests need"
    );
    eprintln!("skipped: {why}");
}
