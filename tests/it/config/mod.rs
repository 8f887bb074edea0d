//! What does an operator see of a configuration before it runs: `check`, `print`, `schema`?
//!
//! Each `tests/conf/NAME.yaml` stands beside `NAME.expected`, what `portcullis check` says about it. After a change that
//! is meant, `PORTCULLIS_BLESS=1 cargo test --test it golden` writes the expectations anew; read the diff.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

mod examples;
mod print;
mod schema;

/// Where the golden configurations are; `check` runs there, so that the paths in its messages are the same everywhere.
fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/conf")
}

/// The program with an environment of its own.
fn portcullis(directory: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_portcullis"))
        .args(arguments)
        .current_dir(directory)
        .env_clear()
        .env("PORTCULLIS_TEST_PORT", "8080")
        .env("PORTCULLIS_TEST_EMPTY", "")
        .output()
        .expect("the program runs")
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).expect("UTF-8")
}

/// What `check` says, command by command; the way with `--strict` is only of interest where the other succeeds.
fn transcript(name: &str) -> String {
    let mut text = String::new();
    for strict in [false, true] {
        let mut arguments = vec!["check", "-c", name];
        if strict {
            arguments.push("--strict");
        }
        let output = portcullis(&folder(), &arguments);
        let code = output.status.code().expect("it ends by itself");
        let said: String = stdout(&output)
            .split_inclusive('\n')
            .filter(|line| !goes_by_the_machine(line))
            .collect();
        let complained = String::from_utf8_lossy(&output.stderr);
        writeln!(
            text,
            "$ portcullis {}\n{said}{complained}[{code}]",
            arguments.join(" ")
        )
        .expect("memory");
        if code != 0 {
            break;
        }
    }
    text
}

/// Whether a line is not the same everywhere: how many connections there may be goes by the descriptors, and a share of the
/// memory by the machine.
fn goes_by_the_machine(line: &str) -> bool {
    line.starts_with("  connections: ") || (line.starts_with("  memory: ") && line.contains('%'))
}

fn configurations(directory: &Path) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(directory)
        .into_iter()
        .flatten()
        .map(|entry| {
            entry
                .expect("readable")
                .file_name()
                .into_string()
                .expect("UTF-8")
        })
        .filter(|name| name.ends_with(".yaml"))
        .collect();
    names.sort();
    names
}

#[test]
fn golden_configurations_get_exactly_the_diagnostics_that_are_written_beside_them() {
    let bless = std::env::var_os("PORTCULLIS_BLESS").is_some();
    let mut wrong = String::new();
    let names = configurations(&folder());
    assert!(names.len() > 20, "{names:?}");
    for name in names {
        let expected = folder().join(&name).with_extension("expected");
        let said = transcript(&name);
        if bless {
            std::fs::write(&expected, &said).expect("writable");
        }
        let written = std::fs::read_to_string(&expected).unwrap_or_default();
        if written != said {
            write!(
                wrong,
                "--- {name}: expected\n{written}--- {name}: found\n{said}"
            )
            .expect("memory");
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn diagnostics_are_sorted_by_file_line_and_column() {
    for name in configurations(&folder()) {
        let said = stdout(&portcullis(&folder(), &["check", "-c", &name]));
        let places: Vec<(&str, u32, u32)> = said.lines().filter_map(place).collect();
        assert!(places.is_sorted(), "{name}: {places:?}");
    }
}

/// The place at the start of a diagnostic.
fn place(line: &str) -> Option<(&str, u32, u32)> {
    let mut parts = line.splitn(4, ':');
    let (file, line, column) = (parts.next()?, parts.next()?, parts.next()?);
    Some((file, line.parse().ok()?, column.parse().ok()?))
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let output = portcullis(&folder(), &["check", "-c", "nowhere.yaml"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        stdout(&output).contains("can't read nowhere.yaml: No such file"),
        "{output:?}"
    );
    let output = portcullis(&folder(), &["run", "-c", "nowhere.yaml"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        String::from_utf8_lossy(&output.stderr).contains("nowhere.yaml"),
        "{output:?}"
    );
}

#[test]
fn a_share_of_the_memory_is_told_in_bytes() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let said = |memory: &str| {
        let yaml = format!(
            "overload: {{memory: {memory}}}\nlisteners: [{{name: http, address: 127.0.0.1:8080}}]\n\
             routes: [{{name: all, pool: app}}]\npools: [{{name: app, endpoints: ['127.0.0.1:9001']}}]\n"
        );
        std::fs::write(directory.path().join("a.yaml"), yaml).expect("writable");
        let output = portcullis(directory.path(), &["check", "-c", "a.yaml"]);
        assert!(output.status.success(), "{output:?}");
        stdout(&output)
    };
    assert!(said("128MiB").contains("\n  memory: 128.0 MiB\n"));
    let share = said("90%");
    let line = share.lines().find(|line| line.starts_with("  memory: "));
    let line = line.expect(&share);
    assert!(line.contains("iB (90 % of the "), "{share}");
    assert!(!said("off").contains("memory"));
}

/// The reference as it stands, with files and variables as it names them.
#[test]
fn the_reference_is_a_configuration_that_could_run() {
    let printed = stdout(&portcullis(&folder(), &["reference"]));
    assert_eq!(printed, include_str!("../../../conf/reference.yaml"));
    let directory = tempfile::tempdir().expect("a temporary directory");
    let write = |name: &str, text: &str| {
        std::fs::write(directory.path().join(name), text).expect("writable")
    };
    std::fs::create_dir(directory.path().join("tls")).expect("writable");
    let made = rcgen::generate_simple_self_signed(["a.example".to_owned()]).expect("a certificate");
    for name in ["fullchain", "ca", "client"] {
        write(&format!("tls/{name}.pem"), &made.cert.pem());
    }
    for name in ["privkey", "client-key"] {
        write(
            &format!("tls/{name}.pem"),
            &made.signing_key.serialize_pem(),
        );
    }
    let password = "$2y$04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW";
    write("users.htpasswd", &format!("berta:{password}\n"));
    write("keys.txt", &format!("reports:{}\n", "a1".repeat(32)));
    write("reference.yaml", &printed);
    let output = Command::new(env!("CARGO_BIN_EXE_portcullis"))
        .args(["check", "-c", "reference.yaml"])
        .current_dir(directory.path())
        .env_clear()
        .env("REDIS_PASSWORD", "password")
        .env("REDIS_SECRET", "r".repeat(32))
        .env("BILLING_KEY_SHA256", "b2".repeat(32))
        .env("ANNA_HASH", password)
        .env("STICKY_SECRET", "s".repeat(32))
        .env("FORMER_STICKY_SECRET", "f".repeat(32))
        .output()
        .expect("the program runs");
    assert!(output.status.success(), "{}", stdout(&output));
}

#[test]
fn a_certificate_that_does_not_fit_its_key_is_reported_at_its_place() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let make =
        || rcgen::generate_simple_self_signed(["a.example".to_owned()]).expect("a certificate");
    let (one, other) = (make(), make());
    let write = |name: &str, text: &str| {
        std::fs::write(directory.path().join(name), text).expect("writable")
    };
    write("one.pem", &one.cert.pem());
    write("one.key", &one.signing_key.serialize_pem());
    write("other.key", &other.signing_key.serialize_pem());
    let config = |key: &str| {
        format!(
            "listeners:\n  - name: https\n    address: 127.0.0.1:8443\n    tls:\n      certificates:\n        \
             - certificate: one.pem\n          key: {key}\nroutes: [{{ name: all, respond: {{}} }}]\n"
        )
    };
    write("fits.yaml", &config("one.key"));
    write("other.yaml", &config("other.key"));
    let output = portcullis(directory.path(), &["check", "-c", "fits.yaml", "--strict"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let output = portcullis(directory.path(), &["check", "-c", "other.yaml"]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let said = stdout(&output);
    let diagnostic = said.lines().next().expect("a line");
    assert!(
        diagnostic.starts_with("other.yaml:6:24: error: listeners[https].tls.certificates[0]: "),
        "{said}"
    );
    assert!(
        diagnostic.contains("one.pem") && diagnostic.contains("other.key"),
        "{said}"
    );
}
