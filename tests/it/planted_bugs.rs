//! The program that users run has no planted bug in it.

use std::collections::BTreeSet;
use std::path::Path;

use crate::cluster::{binary, root};

/// The names that the code asks for.
fn planted(folder: &Path, names: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            planted(&path, names);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = std::fs::read_to_string(&path).unwrap();
            let asked = text.split("floe_model::mutant!(\"").skip(1);
            names.extend(asked.filter_map(|rest| Some(rest.split_once('"')?.0.to_owned())));
        }
    }
}

#[test]
fn the_release_binary_holds_no_planted_bug() {
    let mut names = BTreeSet::new();
    planted(&root().join("crates"), &mut names);
    // The documentation of the macro names one that is none.
    names.remove("name");
    assert!(names.len() > 30, "the bugs are planted in crates/");
    let program = std::fs::read(binary()).unwrap();
    let program = String::from_utf8_lossy(&program);
    assert!(
        program.contains("journal writes are direct"),
        "it is text that is sought"
    );
    for name in names {
        let found = program.contains(&name);
        assert!(!found, "the release binary holds the planted bug {name}");
    }
}

#[test]
fn only_the_simulator_turns_planted_bugs_on() {
    let mut folders = vec![root().join("crates"), root().join("tests")];
    let mut asked = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() && !path.ends_with("target") {
                folders.push(path);
            } else if path.ends_with("Cargo.toml") {
                let text = std::fs::read_to_string(&path).unwrap();
                let turned_on = text.lines().any(|line| {
                    line.contains("\"mutants\"") || line.contains("floe-model/mutants")
                });
                asked.extend(turned_on.then_some(path));
            }
        }
    }
    assert!(asked.is_empty(), "{asked:?}");
}
