//! What the tree must look like: root entries, file lengths, names, seams and unfinished work.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const ROOT_ENTRIES: &[&str] = &[
    ".ci",
    ".gitignore",
    "ARCHITECTURE.md",
    "CHANGELOG.md",
    "Cargo.lock",
    "Cargo.toml",
    "LICENSE",
    "README.md",
    "clippy.toml",
    "cluster",
    "crates",
    "deny.toml",
    "docs",
    "jepsen-like",
    "rustfmt.toml",
    "scripts",
    "tests",
];
const BANNED_FILE_NAMES: &[&str] = &[
    "utils.rs",
    "helpers.rs",
    "common.rs",
    "types.rs",
    "manager.rs",
];
/// Lines of one source file before its tests.
const FILE_LINES_MAX: usize = 600;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

/// Files that git knows or would take, relative to the root.
fn files() -> Vec<PathBuf> {
    let output = Command::new("git")
        .args(["ls-files", "--cached", "--others", "--exclude-standard"])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "the tests run inside a git checkout"
    );
    let listing = String::from_utf8(output.stdout).unwrap();
    listing
        .lines()
        .map(PathBuf::from)
        .filter(|file| root().join(file).is_file())
        .collect()
}

fn rust_sources() -> impl Iterator<Item = (PathBuf, String)> {
    files()
        .into_iter()
        .filter(|file| file.extension().is_some_and(|end| end == "rs"))
        .map(|file| {
            let text = fs::read_to_string(root().join(&file)).unwrap();
            (file, text)
        })
}

fn is_test_code(file: &Path) -> bool {
    file.components().any(|part| {
        matches!(
            part.as_os_str().to_str(),
            Some("tests" | "tests.rs" | "benches" | "examples" | "fuzz")
        )
    })
}

/// The part of a source file that ships.
fn without_tests(text: &str) -> &str {
    let end = text.find("\n#[cfg(test)]").unwrap_or(text.len());
    &text[..end]
}

#[test]
fn the_root_holds_only_what_belongs_there() {
    for file in files() {
        let first = file
            .components()
            .next()
            .unwrap()
            .as_os_str()
            .to_str()
            .unwrap()
            .to_owned();
        assert!(
            ROOT_ENTRIES.contains(&first.as_str()),
            "unexpected root entry '{first}'"
        );
    }
}

#[test]
fn source_files_are_short_and_named_by_a_noun() {
    let mut wrong = Vec::new();
    for (file, text) in rust_sources() {
        let name = file.file_name().unwrap().to_str().unwrap();
        if BANNED_FILE_NAMES.contains(&name) {
            wrong.push(format!(
                "{}: says nothing about what is in it",
                file.display()
            ));
        }
        let lines = without_tests(&text).lines().count();
        if !is_test_code(&file) && lines > FILE_LINES_MAX {
            wrong.push(format!("{}: {lines} lines", file.display()));
        }
        if !text.starts_with("//!")
            && !text.starts_with("#!")
            && name != "build.rs"
            && !is_test_code(&file)
        {
            wrong.push(format!("{}: no module documentation", file.display()));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn only_the_seams_touch_the_machine() {
    // Split so that this file does not find itself.
    let direct = [
        concat!("Instant::", "now("),
        concat!("SystemTime::", "now("),
        concat!("std::", "fs::"),
        concat!("thread::", "spawn("),
        concat!("thread::", "sleep("),
        concat!("rand::", "rng("),
        concat!("tokio::", "spawn("),
        concat!("TcpListener::", "bind("),
        concat!("TcpStream::", "connect("),
    ];
    let mut wrong = Vec::new();
    for (file, text) in rust_sources() {
        let machine = file.starts_with("crates/env")
            || file.starts_with("crates/cli")
            || !file.starts_with("crates")
            || is_test_code(&file)
            || file.file_name().is_some_and(|name| name == "build.rs");
        if machine {
            continue;
        }
        for (number, line) in without_tests(&text).lines().enumerate() {
            let code = line.split("//").next().unwrap_or_default();
            if let Some(call) = direct.iter().find(|call| code.contains(*call)) {
                wrong.push(format!("{}:{}: {call}", file.display(), number + 1));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn nothing_is_unfinished_silenced_or_unbounded() {
    let banned = [
        concat!("todo", "!("),
        concat!("unimplemented", "!("),
        concat!("#[ig", "nore"),
        concat!("FIX", "ME"),
        concat!("allow(dead", "_code"),
        concat!("allow(unu", "sed"),
        concat!("unbounded", "_channel("),
    ];
    let mut wrong = Vec::new();
    for (file, text) in rust_sources() {
        for (number, line) in text.lines().enumerate() {
            if let Some(word) = banned.iter().find(|word| line.contains(*word)) {
                wrong.push(format!("{}:{}: {word}", file.display(), number + 1));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn rpc_messages_carry_bytes_as_payloads() {
    for (file, text) in rust_sources() {
        let message = file.starts_with("crates/rpc/src/client_api")
            || file.ends_with("peer_api.rs")
            || file.ends_with("cluster_api.rs");
        assert!(
            !message || !text.contains("Vec<u8>"),
            "{}: use Payload",
            file.display()
        );
    }
}
