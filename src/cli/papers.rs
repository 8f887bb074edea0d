//! What do shells and `man` know of the command line? What clap knows of it, written in their words.

use std::fs;
use std::io;
use std::path::Path;

use clap::{Command, CommandFactory};
use clap_complete::Shell;
use clap_mangen::Man;

use super::CommandLine;

/// The section of the manual for what administrators run.
const SECTION: &str = "8";

/// The script with which this shell completes command lines.
pub(super) fn completions(shell: Shell) -> String {
    let mut command = CommandLine::command();
    let name = command.get_name().to_owned();
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut command, name, &mut script);
    String::from_utf8_lossy(&script).into_owned()
}

/// Writes the man pages into a directory, made if it is missing: `portcullis.8`, and one for each command, as
/// `portcullis-run.8`.
///
/// # Errors
///
/// The directory can't be made, or a page not be written.
pub(super) fn write_pages(directory: &Path) -> io::Result<()> {
    fs::create_dir_all(directory)?;
    for page in pages() {
        page.generate_to(directory)?;
    }
    Ok(())
}

fn pages() -> Vec<Man> {
    // What it would say stands in the pages themselves.
    let mut whole = CommandLine::command().disable_help_subcommand(true);
    whole.build();
    let mut commands: Vec<Command> = whole.get_subcommands().cloned().collect();
    commands.push(whole);
    let page = |command| {
        Man::new(command)
            .section(SECTION)
            // Pages of the same version are the same. An empty date would be left out, and the next word taken for it.
            .date(" ")
            .source(concat!("portcullis ", env!("CARGO_PKG_VERSION")))
            .manual("Portcullis")
    };
    commands.into_iter().map(page).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names() -> Vec<String> {
        let command = CommandLine::command();
        let names = command.get_subcommands();
        names.map(|command| command.get_name().to_owned()).collect()
    }

    #[test]
    fn every_command_has_a_page_and_stands_in_that_of_the_program() {
        let folder = tempfile::tempdir().expect("a folder");
        let place = folder.path().join("new/man8");
        write_pages(&place).expect("written");
        let read = |name: &str| fs::read_to_string(place.join(name)).expect("a page");
        let whole = read("portcullis.8");
        for name in names() {
            let page = read(&format!("portcullis-{name}.8"));
            let written = name.replace('-', "\\-");
            assert!(page.contains(&format!("portcullis {written}")), "{page}");
            assert!(
                whole.contains(&format!("portcullis\\-{written}(8)")),
                "{whole}"
            );
        }
        let pages = fs::read_dir(&place).expect("a folder").count();
        assert_eq!(pages, names().len() + 1);
    }

    #[test]
    fn every_command_is_completed_in_every_shell() {
        use clap::ValueEnum;
        for shell in Shell::value_variants() {
            let script = completions(*shell);
            for name in names() {
                assert!(script.contains(&name), "{shell}: {name}");
            }
            assert!(script.contains("against"), "{shell}");
        }
    }

    #[test]
    fn what_is_hidden_is_in_no_page() {
        let folder = tempfile::tempdir().expect("a folder");
        write_pages(folder.path()).expect("written");
        let page = fs::read_to_string(folder.path().join("portcullis-run.8")).expect("a page");
        assert!(!page.contains("take\\-over"), "{page}");
    }
}
