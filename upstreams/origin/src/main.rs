//! How is an origin started from the command line?

use std::io::Write;
use std::num::NonZeroUsize;
use std::process::ExitCode;

use origin::Origin;
use tokio::signal::unix::{SignalKind, signal};

const USAGE: &str = "\
Usage: origin [--name NAME] [--listen ADDRESS:PORT] [--threads N]

  --name NAME            what `x-origin` says (default: origin)
  --listen ADDRESS:PORT  where to listen (default: 127.0.0.1:9001)
  --threads N            threads that serve (default: one per core)
  --help                 this text
";

/// Exit code for arguments that cannot be used.
const BAD_ARGUMENTS: u8 = 2;

/// What the command line asks for.
#[derive(Debug, PartialEq, Eq)]
enum Command {
    Help,
    Run(Arguments),
}

#[derive(Debug, PartialEq, Eq)]
struct Arguments {
    name: String,
    listen: String,
    threads: Option<NonZeroUsize>,
}

fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Command, String> {
    let mut run = Arguments {
        name: "origin".to_owned(),
        listen: "127.0.0.1:9001".to_owned(),
        threads: None,
    };
    while let Some(argument) = arguments.next() {
        if argument == "--help" || argument == "-h" {
            return Ok(Command::Help);
        }
        let (option, inline) = match argument.split_once('=') {
            Some((option, value)) => (option, Some(value.to_owned())),
            None => (argument.as_str(), None),
        };
        if !["--name", "--listen", "--threads"].contains(&option) {
            return Err(format!("unknown argument `{argument}`"));
        }
        let value = inline
            .or_else(|| arguments.next())
            .ok_or_else(|| format!("`{option}` needs a value"))?;
        match option {
            "--name" => run.name = value,
            "--listen" => run.listen = value,
            _ => {
                let threads = value
                    .parse()
                    .map_err(|_| format!("`{value}` is not a number of threads"))?;
                run.threads = Some(threads);
            }
        }
    }
    Ok(Command::Run(run))
}

fn main() -> ExitCode {
    let arguments = std::env::args_os()
        .skip(1)
        .map(|argument| argument.to_string_lossy().into_owned());
    match parse(arguments) {
        Ok(Command::Help) => {
            print(USAGE);
            ExitCode::SUCCESS
        }
        Ok(Command::Run(arguments)) => match run(arguments) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("origin: {error}");
                ExitCode::FAILURE
            }
        },
        Err(reason) => {
            eprintln!("origin: {reason}\n\n{USAGE}");
            ExitCode::from(BAD_ARGUMENTS)
        }
    }
}

fn run(arguments: Arguments) -> std::io::Result<()> {
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    if let Some(threads) = arguments.threads {
        runtime.worker_threads(threads.get());
    }
    runtime.enable_all().build()?.block_on(async {
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let origin = Origin::builder()
            .name(arguments.name)
            .listen(arguments.listen)
            .start()
            .await?;
        if let Some(address) = origin.address() {
            print(&format!("listening on http://{address}\n"));
        }
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        origin.stop().await;
        Ok(())
    })
}

/// Prints at once; a reader that has left is no reason to panic.
fn print(text: &str) {
    let mut out = std::io::stdout();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<Command, String> {
        parse(line.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn options_take_their_value_after_a_space_or_an_equals_sign() {
        let expected = Command::Run(Arguments {
            name: "a".to_owned(),
            listen: "127.0.0.1:1".to_owned(),
            threads: NonZeroUsize::new(2),
        });
        let line = "--name a --listen=127.0.0.1:1 --threads 2";
        assert_eq!(parsed(line), Ok(expected));
    }

    #[test]
    fn a_bad_argument_is_named() {
        for (line, part) in [
            ("--nam a", "--nam"),
            ("a", "`a`"),
            ("--name", "needs a value"),
            ("--threads 0", "`0`"),
            ("--threads many", "`many`"),
        ] {
            let reason = parsed(line).expect_err(line);
            assert!(reason.contains(part), "{line}: {reason}");
        }
    }

    #[test]
    fn help_wins() {
        assert_eq!(parsed("--name a --help"), Ok(Command::Help));
    }
}
