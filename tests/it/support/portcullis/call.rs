//! How is the built binary called, and with which configuration?

use std::collections::HashMap;
use std::ffi::OsString;
use std::path::Path;
use std::process::{Command, Output, Stdio};

/// The configuration's main file.
const CONFIG: &str = "portcullis.yaml";

/// Where the access log goes unless the configuration says otherwise.
pub const ACCESS_LOG: &str = "access.log";

/// What a command said, and how it ended.
#[derive(Clone, Debug)]
pub struct Said {
    /// Its exit code.
    pub code: i32,
    /// What it wrote to standard output.
    pub text: String,
    /// What it wrote to standard error.
    pub complaint: String,
}

impl Said {
    /// Whether this is one of the lines on standard output, apart from white space around it.
    pub fn has_line(&self, line: &str) -> bool {
        self.text.lines().any(|said| said.trim() == line)
    }
}

impl From<Output> for Said {
    fn from(output: Output) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Self {
            code: output.status.code().unwrap_or(-1),
            text: text(&output.stdout),
            complaint: text(&output.stderr),
        }
    }
}

/// The binary with these words, in a directory of its own, and with its configuration unless they name one.
pub fn command(words: &[&str], directory: &Path, environment: &[(OsString, OsString)]) -> Command {
    let config: &[&str] = match words.contains(&"-c") {
        true => &[],
        false => &["-c", CONFIG],
    };
    let mut command = Command::new(env!("CARGO_BIN_EXE_portcullis"));
    command
        .args(words)
        .args(config)
        .current_dir(directory)
        .env_remove("RUST_LOG")
        .env_remove("NOTIFY_SOCKET")
        .env("RUNTIME_DIRECTORY", directory.join("run"))
        .envs(environment.iter().map(|(name, value)| (name, value)))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// The same command in a process with limits that a shell has set.
pub fn with_limits(command: &Command, limits: &str) -> Command {
    let mut limited = Command::new("sh");
    limited
        .arg("-c")
        .arg(format!("{limits}exec \"$0\" \"$@\""))
        .arg(command.get_program())
        .args(command.get_args())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    if let Some(directory) = command.get_current_dir() {
        limited.current_dir(directory);
    }
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => limited.env(name, value),
            None => limited.env_remove(name),
        };
    }
    limited
}

/// Writes the configuration into the directory.
pub fn configure(yaml: &str, directory: &Path) {
    configure_as(CONFIG, yaml, directory);
}

/// Writes a configuration into the directory, in one step for whoever reads it. `@dir@` stands for the directory; what
/// is not said about `admin` and `access_log` is added.
pub fn configure_as(name: &str, yaml: &str, directory: &Path) {
    let mut yaml = yaml.replace("@dir@", &directory.display().to_string());
    if !says(&yaml, "admin") {
        yaml.push_str("\nadmin: {address: \"127.0.0.1:0\"}\n");
    }
    if !says(&yaml, "access_log") {
        yaml.push_str(&format!(
            "\naccess_log: {{format: json, path: {ACCESS_LOG}}}\n"
        ));
    }
    replace(&directory.join(name), yaml);
}

/// Puts a file in the place of another, in one step.
pub fn replace(path: &Path, contents: impl AsRef<[u8]>) {
    let new = path.with_extension("new");
    std::fs::write(&new, contents).expect("a file");
    std::fs::rename(&new, path).expect("renamed");
}

/// Whether the configuration has this section.
fn says(yaml: &str, section: &str) -> bool {
    yaml.lines().any(|line| {
        line.strip_prefix(section)
            .is_some_and(|rest| rest.starts_with(':'))
    })
}

/// Where it says that it listens, by the listener's name; the admin listener is called `admin`. Of several places the
/// last one counts.
pub fn addresses(said: &str) -> HashMap<String, String> {
    let places = said.lines().filter_map(|line| {
        let (before, address) = line.split_once(" is listening on ")?;
        let name = before.rsplit_once(' ').map_or(before, |(_, name)| name);
        // A line of JSON has more behind it, and what the log tells of a reload is all in one line.
        let address = address.trim_end_matches("\"}");
        (!address.contains(' ')).then(|| (name.to_owned(), address.to_owned()))
    });
    places.collect()
}
