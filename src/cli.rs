//! What can be said on the command line?

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::config::{Diagnostics, print, schema};
use crate::demo;
use crate::server::run::{self, Prepared, StartError};

/// Where the configuration is, unless said otherwise.
const DEFAULT_CONFIG: &str = "/etc/portcullis/portcullis.yaml";

#[derive(Parser)]
#[command(name = "portcullis", version, about = "An edge proxy and load balancer", long_about = None)]
struct CommandLine {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Serve. Stops on SIGTERM (in good order) or SIGINT (at once).
    Run {
        #[command(flatten)]
        config: ConfigFile,
    },
    /// Check a configuration and report everything that is wrong. Exit code 0, or 1 with the list.
    Check {
        #[command(flatten)]
        config: ConfigFile,
        /// Fail on warnings too.
        #[arg(long)]
        strict: bool,
    },
    /// Print the configuration in force with every default filled in, secrets masked. JSON, which is YAML as well.
    Print {
        #[command(flatten)]
        config: ConfigFile,
    },
    /// Print the JSON Schema of the configuration, for editors.
    Schema,
    /// Serve `conf/portcullis.yaml` in front of three embedded app servers. Ctrl-C stops it.
    Demo,
}

#[derive(clap::Args)]
struct ConfigFile {
    /// The configuration's main file.
    #[arg(short = 'c', long = "config", value_name = "FILE", default_value = DEFAULT_CONFIG)]
    path: PathBuf,
}

/// Does what the command line says.
pub fn main() -> ExitCode {
    let done = match CommandLine::parse().command {
        Command::Run { config } => serve(&config.path),
        Command::Check { config, strict } => return check(&config.path, strict),
        Command::Print { config } => return effective(&config.path),
        Command::Schema => {
            return say(&format!("{:#}", schema::schema()), ExitCode::SUCCESS);
        }
        Command::Demo => demo::demo(),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn serve(path: &Path) -> Result<(), StartError> {
    let state = run::new_state()?;
    let prepared = run::prepare(path, &state);
    if prepared.snapshot.is_none() {
        return Err(StartError::Config(prepared.diagnostics));
    }
    run::start_process_log(&prepared.config)?;
    for warning in prepared.diagnostics.iter() {
        let place = warning
            .position
            .as_ref()
            .map(|place| format!("{place}: "))
            .unwrap_or_default();
        log::warn!("{place}{}: {}", warning.key, warning.message);
    }
    run::start(prepared, state)?.serve();
    Ok(())
}

fn check(path: &Path, strict: bool) -> ExitCode {
    let prepared = match run::new_state() {
        Ok(state) => run::prepare(path, &state),
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::FAILURE;
        }
    };
    let Prepared {
        config,
        snapshot,
        diagnostics,
    } = prepared;
    let mut text = String::new();
    if !diagnostics.is_empty() {
        text.push_str(&format!("{diagnostics}\n"));
    }
    if snapshot.is_none() || (strict && !diagnostics.is_empty()) {
        text.push_str(&format!("{}: {}", path.display(), count(&diagnostics)));
        return say(&text, ExitCode::FAILURE);
    }
    text.push_str(&format!(
        "{}: ok ({}, {}, {}{})",
        path.display(),
        count_of(config.listeners.len(), "listener"),
        count_of(config.routes.len(), "route"),
        count_of(config.pools.len(), "pool"),
        if diagnostics.is_empty() {
            String::new()
        } else {
            format!("; {}", count(&diagnostics))
        },
    ));
    say(&text, ExitCode::SUCCESS)
}

/// Writes to standard output. Whoever reads may have heard enough; that is no failure.
fn say(text: &str, code: ExitCode) -> ExitCode {
    match writeln!(io::stdout().lock(), "{text}") {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            eprintln!("standard output: {error}");
            ExitCode::FAILURE
        }
        _ => code,
    }
}

fn count(diagnostics: &Diagnostics) -> String {
    use crate::config::diagnostics::Severity;
    let errors = diagnostics
        .iter()
        .filter(|one| one.severity == Severity::Error)
        .count();
    let warnings = diagnostics.len() - errors;
    format!(
        "{}, {}",
        count_of(errors, "error"),
        count_of(warnings, "warning")
    )
}

fn count_of(number: usize, thing: &str) -> String {
    format!("{number} {thing}{}", if number == 1 { "" } else { "s" })
}

fn effective(path: &Path) -> ExitCode {
    let prepared = match run::new_state() {
        Ok(state) => run::prepare(path, &state),
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::FAILURE;
        }
    };
    if prepared.snapshot.is_none() {
        eprintln!("{}", prepared.diagnostics);
        return ExitCode::FAILURE;
    }
    say(
        &format!("{:#}", print::effective(&prepared.config)),
        ExitCode::SUCCESS,
    )
}
