//! What can be said on the command line?

mod check;
mod healthcheck;
mod orders;
mod papers;
mod purge;
mod running;
mod warm;

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use clap::{Parser, Subcommand};
use clap_complete::Shell;

use crate::admin::client::AskError;
use crate::config::{print, reference, schema};
use crate::demo;
use crate::pool::Address;
use crate::server::door::passed::Passed;
use crate::server::exit::StartError;
use crate::server::reload::prepare;
use crate::server::run::{self, Launch};
use running::{Running, place};

/// Where the configuration is, unless said otherwise.
const DEFAULT_CONFIG: &str = "/etc/portcullis/portcullis.yaml";

/// The command line can't be read (sysexits.h: EX_USAGE); 2 would be taken for an answer of `reload`.
const USAGE: u8 = 64;

/// No running process could be asked.
const NOT_REACHED: u8 = 3;

#[derive(Parser)]
#[command(name = "portcullis", version, about = "An edge proxy and load balancer", long_about = None)]
struct CommandLine {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Serve. SIGHUP reloads, SIGUSR2 upgrades, SIGTERM stops in good order, SIGINT at once.
    ///
    /// Under systemd: it says when it is ready, reloads and stops (NOTIFY_SOCKET), and as long as every worker thread answers
    /// that it works (WATCHDOG_USEC). A listener whose address a socket unit has open takes that socket (LISTEN_FDS).
    ///
    /// Exit codes when it does not start: 1 configuration, 3 an address, 4 certificates, 5 a Unix socket or its directory,
    /// 6 a log or PID file or the cache's directory, 7 an upgrade that failed, 10 what should not happen, 64 a command line
    /// that can't be read.
    Run {
        #[command(flatten)]
        config: ConfigFile,
        /// Take over from the process that waits at this socket; for `portcullis upgrade`.
        #[arg(long, value_name = "SOCKET", hide = true)]
        take_over: Option<PathBuf>,
    },
    /// Check a configuration and report everything that is wrong.
    ///
    /// Exit codes: 0, or 1 with the list; with `--against` also 2 it takes an upgrade, 3 no process was reached; 64 a command
    /// line that can't be read.
    Check {
        #[command(flatten)]
        config: ConfigFile,
        /// Fail on warnings too.
        #[arg(long)]
        strict: bool,
        /// Compare with the running process as well: what a reload would change, and what takes an upgrade (exit code 2).
        /// It is found by the configuration, or else at its admin listener, as `127.0.0.1:9901`, or its control socket, as
        /// `unix:/run/portcullis/control.sock`.
        /// `${NAME}` is replaced from this command's environment, not from the process's.
        #[arg(long, value_name = "unix:/PATH|IP:PORT", value_parser = place, num_args = 0..=1)]
        against: Option<Option<Address>>,
    },
    /// Reload the configuration of the running process, and say what came of it.
    ///
    /// Exit codes: 0 applied or unchanged, 1 rejected, 2 it needs an upgrade, 3 no process was reached, 64 a command line
    /// that can't be read.
    Reload {
        #[command(flatten)]
        running: Running,
    },
    /// Fail readiness, so that balancers in front send requests elsewhere; everything else goes on. With `--pool` and
    /// `--endpoint`: send no new request to that endpoint; what runs there goes on.
    ///
    /// Exit codes: 0 done, 1 there is no such endpoint, 3 no process was reached, 64 a command line that can't be read.
    Drain {
        #[command(flatten)]
        running: Running,
        /// Be ready again; use the endpoint again.
        #[arg(long)]
        off: bool,
        /// The pool of the endpoint that is meant.
        #[arg(long, value_name = "NAME", requires = "endpoint")]
        pool: Option<String>,
        /// The address of the endpoint that is meant, as `portcullis status` writes it.
        #[arg(long, value_name = "ADDRESS", requires = "pool")]
        endpoint: Option<String>,
    },
    /// Show the pools of the running process: their endpoints, and which of them are available.
    ///
    /// Exit codes: 0 shown, 1 there is no such pool, 3 no process was reached, 64 a command line that can't be read.
    Status {
        #[command(flatten)]
        running: Running,
        /// This pool only.
        #[arg(long, value_name = "NAME")]
        pool: Option<String>,
        /// As JSON, with everything that is known.
        #[arg(long)]
        json: bool,
    },
    Healthcheck(healthcheck::Healthcheck),
    /// End the use of stored responses: by address, by the beginning of an address, by tag, or of all.
    ///
    /// Exit codes: 0 done, whether anything was found or not, 1 refused, 3 no process was reached, 64 a command line that
    /// can't be read.
    Purge {
        #[command(flatten)]
        running: Running,
        #[command(flatten)]
        purge: purge::Purge,
    },
    Warm(warm::Warm),
    /// Replace the running process by a new one, which takes over its sockets.
    ///
    /// Exit codes: 0 the new process serves, 1 it does not and the old one serves on, 3 no process was reached, 64 a command
    /// line that can't be read.
    Upgrade {
        /// The binary to start. Default: what the running process was started by.
        #[arg(long, value_name = "PATH")]
        binary: Option<PathBuf>,
        /// The configuration to start it with. Default: that of the running process.
        #[arg(short, long, value_name = "FILE")]
        config: Option<PathBuf>,
        /// The configuration that the running process has, by which it is found. Default: that of `--config`.
        #[arg(long, value_name = "FILE")]
        of: Option<PathBuf>,
        /// The control socket of the running process, if it is not to be found by its configuration, as
        /// `unix:/run/portcullis/control.sock`. Not the admin listener: an upgrade is not asked for there.
        #[arg(long, value_name = "unix:/PATH", value_parser = place)]
        at: Option<Address>,
    },
    /// Print the configuration in force with every default filled in, secrets masked. JSON, which is YAML as well.
    Print {
        #[command(flatten)]
        config: ConfigFile,
    },
    /// Print the JSON Schema of the configuration, for editors.
    Schema,
    /// Print the script with which a shell completes command lines.
    ///
    /// For Bash: `portcullis completions bash > /etc/bash_completion.d/portcullis`. The Debian package has those of Bash,
    /// Zsh and fish.
    Completions {
        /// Which shell's: bash, zsh, fish, elvish or powershell.
        #[arg(hide_possible_values = true)]
        shell: Shell,
    },
    /// Write the man pages: one of the program, and one of each command.
    ///
    /// Exit codes: 0 written, 1 not, 64 a command line that can't be read.
    Man {
        /// Where to, made if it is missing, as `/usr/local/share/man/man8`.
        directory: PathBuf,
    },
    /// Print every key of a configuration with its meaning and its default, as YAML that could run.
    Reference,
    /// Serve `conf/portcullis.yaml` in front of three embedded app servers. Ctrl-C stops it.
    Demo,
}

#[derive(clap::Args)]
struct ConfigFile {
    /// The configuration's main file.
    #[arg(short = 'c', long = "config", value_name = "FILE", default_value = DEFAULT_CONFIG)]
    path: PathBuf,
}

/// Does what the command line says, with the sockets that were passed to the process.
pub fn main(passed: Passed) -> ExitCode {
    let command = match CommandLine::try_parse() {
        Ok(line) => line.command,
        Err(error) => {
            // Standard output or error is gone: nobody is there to read it.
            let _ = error.print();
            return match error.use_stderr() {
                true => ExitCode::from(USAGE),
                false => ExitCode::SUCCESS,
            };
        }
    };
    match command {
        Command::Run { config, take_over } => started(serve(&config.path, take_over, passed)),
        Command::Check {
            config,
            strict,
            against,
        } => check::check(&config.path, strict, against),
        Command::Reload { running } => answered(orders::reload(&running)),
        Command::Drain {
            running,
            off,
            pool,
            endpoint,
        } => answered(orders::drain(
            &running,
            off,
            pool.as_deref().zip(endpoint.as_deref()),
        )),
        Command::Status {
            running,
            pool,
            json,
        } => answered(orders::status(&running, pool.as_deref(), json)),
        Command::Healthcheck(check) => answered(check.ask()),
        Command::Purge { running, purge } => answered(purge.order(&running)),
        Command::Warm(warm) => warm.run(),
        Command::Upgrade {
            binary,
            config,
            of,
            at,
        } => {
            let path = of.or_else(|| config.clone());
            let running = Running {
                config: ConfigFile {
                    path: path.unwrap_or_else(|| DEFAULT_CONFIG.into()),
                },
                at,
            };
            answered(orders::upgrade(&running, binary, config))
        }
        Command::Print { config } => effective(&config.path),
        Command::Schema => say(&format!("{:#}", schema::schema()), ExitCode::SUCCESS),
        Command::Completions { shell } => {
            say(papers::completions(shell).trim_end(), ExitCode::SUCCESS)
        }
        Command::Man { directory } => write_pages(&directory),
        Command::Reference => say(reference::reference().trim_end(), ExitCode::SUCCESS),
        Command::Demo => started(demo::demo()),
    }
}

fn started(done: Result<(), StartError>) -> ExitCode {
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::from(error.code())
        }
    }
}

fn answered(answer: Result<ExitCode, AskError>) -> ExitCode {
    answer.unwrap_or_else(|error| {
        eprintln!("{error}");
        match error {
            AskError::Unreached(_) | AskError::NoAnswer(_) => ExitCode::from(NOT_REACHED),
            AskError::Refused(_) => ExitCode::FAILURE,
        }
    })
}

fn serve(path: &Path, take_over: Option<PathBuf>, passed: Passed) -> Result<(), StartError> {
    let state = run::new_state()?;
    let config = path.to_owned();
    let launch = Launch {
        source: Arc::new(move |state| prepare::prepare(&config, state)),
        path: Some(path.to_owned()),
        take_over,
        passed,
    };
    run::launch(launch, state)?.serve();
    Ok(())
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

fn write_pages(directory: &Path) -> ExitCode {
    match papers::write_pages(directory) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{}: {error}", directory.display());
            ExitCode::FAILURE
        }
    }
}

fn effective(path: &Path) -> ExitCode {
    let prepared = match run::new_state() {
        Ok(state) => prepare::prepare(path, &state),
        Err(error) => return started(Err(error)),
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
