//! Is what the manual and the README show true? Every block of commands or configuration in them is run, but for
//! a few that say why not.
//!
//! A page is followed from its beginning to its end on a stage of its own (see `stage.sh`): network, processes, `/etc`,
//! `/run` and `/var/log` are the page's alone, so ports and paths are the ones that are written. What a fenced block is
//! stands behind its fence:
//!
//! | Block | What becomes of it |
//! |---|---|
//! | `yaml` | `portcullis.yaml`: passes `check --strict`, and runs until the next one does. A section that it leaves out is the one of `configuration.rs`; where it has routes only, their pools are made up, and the other way round. |
//! | `sh` | run by bash, which stops at the first command that fails; each endpoint of the configuration in force is an `origin` |
//! | `text` | what the `sh` before it has said; `…` stands for the rest of a line, alone on a line for any number of lines |
//! | `nginx`, `haproxy` | read by that program, in a frame where it is a part |
//! | `json` | parsed |
//!
//! A remark before a block says more about it; readers of the page don't see it:
//!
//! | Remark | |
//! |---|---|
//! | `<!-- not run: why -->` | it is not run; how many there may be in all is counted |
//! | `<!-- exit 2 -->` | the `sh` ends with this code, not with 0 |
//! | `<!-- rejected -->` | the `yaml` does not pass; a `text` behind it is what `check` says |
//! | `<!-- file: urls.txt -->` | it is only written to this file, which may be an absolute path |
//! | `<!-- prepare: commands -->` | commands that are run before it, and not shown |
//!
//! One page alone: `cargo test --test it manual::routing`.

mod configuration;
mod follow;
mod names;
mod output;
mod page;
mod stage;

use std::path::{Path, PathBuf};

use page::Page;

/// How many blocks of all pages together may say that they are not run.
const NOT_RUN_AT_MOST: usize = 6;

/// A test for each page, named as its file.
macro_rules! pages {
    ($($name:ident: $path:literal,)*) => {
        const PAGES: &[&str] = &[$($path),*];

        $(
            #[tokio::test]
            async fn $name() {
                follow::follow(&Page::read($path)).await;
            }
        )*
    };
}

pages! {
    readme: "README.md",
    architecture: "src/manual/architecture.md",
    decisions: "src/manual/decisions.md",
    threat_model: "src/manual/threat_model.md",
    coming_from_nginx: "src/manual/guides/coming_from_nginx.md",
    coming_from_haproxy: "src/manual/guides/coming_from_haproxy.md",
    routing: "src/manual/guides/routing.md",
    balancing_and_health: "src/manual/guides/balancing_and_health.md",
    access: "src/manual/guides/access.md",
    commands: "src/manual/guides/commands.md",
    limits: "src/manual/guides/limits.md",
    caching: "src/manual/guides/caching.md",
    tls: "src/manual/guides/tls.md",
    deploys: "src/manual/guides/deploys.md",
    observability: "src/manual/guides/observability.md",
    tuning: "src/manual/guides/tuning.md",
    troubleshooting: "src/manual/guides/troubleshooting.md",
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// All Markdown files below a folder.
fn pages_in(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("readable").path();
        if path.is_dir() {
            found.extend(pages_in(&path));
        } else if path.extension().is_some_and(|ending| ending == "md") {
            found.push(path);
        }
    }
    found
}

#[test]
fn every_page_of_the_manual_is_followed_and_stands_in_the_documentation() {
    for path in pages_in(&root().join("src/manual")) {
        let relative = path.strip_prefix(root()).expect("below it");
        let relative = relative.to_str().expect("UTF-8");
        assert!(PAGES.contains(&relative), "no test follows {relative}");
        let module = std::fs::read_to_string(path.with_file_name("mod.rs")).expect("a module");
        let name = path.file_name().and_then(|name| name.to_str());
        let included = format!("include_str!(\"{}\")", name.expect("UTF-8"));
        assert!(module.contains(&included), "{relative} is in no module");
    }
}

#[test]
fn the_runbook_speaks_of_what_there_is() {
    names::exist(&Page::read("deploy/prometheus/runbook.md"));
}

#[test]
fn few_blocks_are_not_run_and_each_says_why() {
    let mut left_out = Vec::new();
    for path in PAGES {
        for block in Page::read(path).blocks {
            if let Some(why) = &block.not_run {
                assert!(why.len() > 10, "{path}:{}: why?", block.line);
                left_out.push(format!("{path}:{}: {why}", block.line));
            }
        }
    }
    assert!(left_out.len() <= NOT_RUN_AT_MOST, "{left_out:#?}");
}
