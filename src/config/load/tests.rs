//! Do the files of a configuration become one document, and are their problems told?

use std::fs;
use std::path::{Path, PathBuf};
use std::process;
use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::{Value, json};

use super::{Loaded, load, load_str};
use crate::config::diagnostics::Diagnostics;
use crate::config::document::read;

/// A folder of its own for a test, removed at its end.
struct Folder(PathBuf);

impl Folder {
    fn new(files: &[(&str, &str)]) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        // The brackets would be a pattern if the folder's name were taken for one.
        let name = format!("portcullis-load-[{}]-{number}", process::id());
        let folder = Self(std::env::temp_dir().join(name));
        fs::create_dir_all(&folder.0).expect("a folder");
        for (name, text) in files {
            folder.write(name, text.as_bytes());
        }
        folder
    }

    fn write(&self, name: &str, text: &[u8]) {
        let path = self.0.join(name);
        fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
        fs::write(path, text).expect("a file");
    }

    /// Loads `main.yaml`; the folder's name is cut from the messages.
    fn load(&self) -> (Option<Loaded>, String) {
        let mut diagnostics = Diagnostics::default();
        let loaded = load(&self.0.join("main.yaml"), &environment, &mut diagnostics);
        let prefix = format!("{}/", self.0.display());
        (loaded, diagnostics.to_string().replace(&prefix, ""))
    }

    fn value(&self) -> Value {
        let (loaded, told) = self.load();
        value(&loaded.unwrap_or_else(|| panic!("{told}")))
    }

    fn refused(&self) -> String {
        let (_, told) = self.load();
        assert!(told.contains("error: "), "{told}");
        told
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn environment(name: &str) -> Option<String> {
    match name {
        "PORT" => Some("8080".to_owned()),
        "TRICK" => Some("a: [b]\nc: d".to_owned()),
        "SITES" => Some("sites".to_owned()),
        _ => None,
    }
}

fn value(loaded: &Loaded) -> Value {
    let mut diagnostics = Diagnostics::default();
    read(&loaded.root, &mut diagnostics).unwrap_or_else(|| panic!("{diagnostics}"))
}

#[test]
fn lists_of_included_files_follow_in_order() {
    let folder = Folder::new(&[
        (
            "main.yaml",
            "include: ['sites/*.yaml', more.yaml]\nroutes: [main]\nlog: {level: info}\n",
        ),
        ("sites/b.yaml", "routes: [b]\n"),
        (
            "sites/a.yaml",
            "include: deep/d.yaml\nroutes: [a]\npools: [p]\n",
        ),
        ("sites/deep/d.yaml", "routes: [d]\n"),
        ("sites/.hidden.yaml", "routes: [hidden]\n"),
        ("sites/folder.yaml/x", ""),
        ("more.yaml", "routes: [more]\n"),
    ]);
    assert_eq!(
        folder.value(),
        json!({"routes": ["main", "a", "d", "b", "more"], "log": {"level": "info"}, "pools": ["p"]})
    );
    let (loaded, _) = folder.load();
    let files = loaded.expect("loaded").files;
    let names: Vec<_> = files
        .iter()
        .map(|file| file.strip_prefix(&folder.0).expect("inside"))
        .collect();
    let expected = [
        "main.yaml",
        "sites/a.yaml",
        "sites/deep/d.yaml",
        "sites/b.yaml",
        "more.yaml",
    ];
    assert_eq!(names, expected.map(Path::new));
}

#[test]
fn a_key_that_is_no_list_can_stand_in_one_file_only() {
    let folder = Folder::new(&[
        (
            "main.yaml",
            "include: a.yaml\nlog: {level: info}\nroutes: []\n",
        ),
        ("a.yaml", "routes: {}\nlog: {level: debug}\n"),
    ]);
    assert_eq!(
        folder.refused(),
        "a.yaml:1:1: error: routes: is given already at main.yaml:3:1\n  hint: only a list can be continued in another file\n\
         a.yaml:2:1: error: log: is given already at main.yaml:2:1\n  hint: only a list can be continued in another file"
    );
}

#[test]
fn a_file_that_is_missing_is_an_error_but_a_pattern_without_files_a_warning() {
    let folder = Folder::new(&[(
        "main.yaml",
        "include:\n- none.yaml\n- none/*.yaml\n- {}\n- ''\n- 'a[.yaml'\n",
    )]);
    let told = folder.refused();
    let lines: Vec<&str> = told.lines().collect();
    assert_eq!(
        lines[0],
        "main.yaml:2:3: error: include: can't read none.yaml: No such file or directory (os error 2)"
    );
    assert_eq!(
        lines[1],
        "main.yaml:3:3: warning: include: no file matches \"none/*.yaml\""
    );
    assert_eq!(
        lines[2],
        "main.yaml:4:3: error: include: expected the name of a file or a list of names, found a mapping"
    );
    assert_eq!(
        lines[3],
        "main.yaml:5:3: error: include: a file's name is empty"
    );
    assert!(
        lines[4].starts_with("main.yaml:6:3: error: include: \"a[.yaml\" is not a valid pattern")
    );

    let folder = Folder::new(&[("main.yaml", "include: none/*.yaml\n")]);
    let (loaded, told) = folder.load();
    assert!(loaded.is_some());
    assert!(told.contains("warning"));

    let folder = Folder::new(&[]);
    assert!(
        folder
            .refused()
            .starts_with("error: can't read main.yaml: No such file")
    );
}

#[test]
fn files_can_not_include_one_another_in_a_circle_or_twice() {
    let folder = Folder::new(&[
        ("main.yaml", "include: [a.yaml, ./a.yaml, b.yaml]\n"),
        ("a.yaml", "include: main.yaml\n"),
        ("b.yaml", "include: b.yaml\n"),
    ]);
    assert_eq!(
        folder.refused(),
        "a.yaml:1:10: error: include: main.yaml includes itself, directly or through another file\n\
         b.yaml:1:10: error: include: b.yaml includes itself, directly or through another file\n\
         main.yaml:1:19: error: include: ./a.yaml is included already at main.yaml:1:11"
    );
}

#[test]
fn includes_are_bounded_in_depth() {
    let files: Vec<_> = (0..30)
        .map(|depth| {
            (
                format!("{depth}.yaml"),
                format!("include: {}.yaml\n", depth + 1),
            )
        })
        .collect();
    let folder = Folder::new(&[("main.yaml", "include: 0.yaml\n")]);
    for (name, text) in &files {
        folder.write(name, text.as_bytes());
    }
    assert_eq!(
        folder.refused(),
        "15.yaml:1:10: error: include: files include one another more than 16 levels deep"
    );
}

#[test]
fn a_file_that_is_no_text_or_no_mapping_is_refused() {
    let folder = Folder::new(&[
        ("main.yaml", "include: [list.yaml, bytes.yaml]\n"),
        ("list.yaml", "- a\n"),
    ]);
    folder.write("bytes.yaml", b"a: 1\nb: \xc3\xa4\xff\n");
    assert_eq!(
        folder.refused(),
        "bytes.yaml:2:5: error: the file is not UTF-8 text from here on\n  hint: save the file as UTF-8\n\
         list.yaml:1:1: error: a configuration is a mapping, but this is a list"
    );
}

#[test]
fn variables_stand_in_values_of_all_files_and_never_add_structure() {
    let folder = Folder::new(&[
        (
            "main.yaml",
            "include: ${SITES}/*.yaml\nport: ${PORT}\nquoted: \"${PORT}\"\nempty: ${NONE:-}\n${PORT}: key\n",
        ),
        ("sites/a.yaml", "text: ${TRICK}\nreplacement: $1-${1}\n"),
    ]);
    assert_eq!(
        folder.value(),
        json!({
            "port": 8080,
            "quoted": "8080",
            "empty": null,
            "${PORT}": "key",
            "text": "a: [b]\nc: d",
            "replacement": "$1-${1}",
        })
    );
}

#[test]
fn a_variable_that_is_not_set_is_told_at_its_value() {
    let mut diagnostics = Diagnostics::default();
    let loaded = load_str(
        "demo",
        "a:\n- b: x${NONE}\n",
        &environment,
        &mut diagnostics,
    );
    assert!(loaded.is_some(), "the rest can still be checked");
    assert_eq!(
        diagnostics.to_string(),
        "demo:2:6: error: a[0].b: the environment variable \"NONE\" is not set"
    );
}

#[test]
fn text_that_is_no_file_can_not_include() {
    let mut diagnostics = Diagnostics::default();
    load_str("demo", "include: a.yaml", &environment, &mut diagnostics);
    assert_eq!(
        diagnostics.to_string(),
        "demo:1:1: error: include: can't be used in a configuration that is not a file"
    );
}
