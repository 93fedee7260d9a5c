//! The crates and their one-way arrows, as ARCHITECTURE.md draws them.
//!
//! An arrow that is missing here means that a line of code is in the wrong crate, or that the
//! design changes: then this table, ARCHITECTURE.md and an ADR change with it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use cargo_metadata::{DependencyKind, MetadataCommand};

/// Each crate with everything of ours it may depend on.
const ARROWS: &[(&str, &[&str])] = &[
    ("model", &[]),
    ("env", &["model"]),
    ("record", &["model"]),
    ("journal", &["env", "record", "model"]),
    ("rpc", &["env", "record", "model"]),
    ("raft", &["rpc", "journal", "record", "model", "env"]),
    ("metadata", &["model"]),
    ("group", &["model"]),
    (
        "broker",
        &[
            "raft", "rpc", "journal", "record", "metadata", "group", "env", "model",
        ],
    ),
    ("kafka-codec", &["record", "model"]),
    (
        "kafka",
        &["broker", "kafka-codec", "record", "env", "model"],
    ),
    ("client", &["rpc", "record", "env", "model"]),
    ("console", &["broker", "model", "env"]),
    ("demo", &["client", "record", "env", "model"]),
    ("jepsen", &["client", "kafka-codec", "env", "model"]),
    ("jepsen-real", &["jepsen", "client", "env", "model"]),
    (
        "cli",
        &[
            "broker", "kafka", "console", "client", "demo", "jepsen", "raft", "metadata",
            "journal", "record", "env", "model",
        ],
    ),
    ("testkit", &["record", "env", "model"]),
];

/// Crates that a unit test of theirs would see twice through the testkit.
const TESTKIT_ONLY_FROM_TESTS_FOLDER: &[&str] = &["model", "env", "record"];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

#[test]
fn every_arrow_between_crates_is_drawn() {
    let metadata = MetadataCommand::new()
        .manifest_path(root().join("Cargo.toml"))
        .no_deps()
        .exec()
        .unwrap();
    let allowed: BTreeMap<&str, &[&str]> = ARROWS.iter().copied().collect();
    let mut seen = BTreeSet::new();
    for package in &metadata.packages {
        let Some(name) = package.name.strip_prefix("floe-") else {
            continue;
        };
        if name == "tests" {
            continue;
        }
        let arrows = allowed
            .get(name)
            .unwrap_or_else(|| panic!("crate '{name}' is not drawn"));
        seen.insert(name);
        for dependency in &package.dependencies {
            let Some(to) = dependency.name.strip_prefix("floe-") else {
                continue;
            };
            if dependency.kind == DependencyKind::Normal {
                assert!(
                    arrows.contains(&to),
                    "{name} -> {to} is not an arrow of the design"
                );
            }
        }
    }
    assert_eq!(seen.len(), ARROWS.len(), "a drawn crate is missing");
}

#[test]
fn crates_below_the_testkit_use_it_only_from_their_tests_folder() {
    for name in TESTKIT_ONLY_FROM_TESTS_FOLDER {
        let mut folders = vec![root().join("crates").join(name).join("src")];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else {
                    let text = std::fs::read_to_string(&path).unwrap();
                    assert!(
                        !text.contains("floe_testkit"),
                        "{} uses the testkit",
                        path.display()
                    );
                }
            }
        }
    }
}

/// Third-party crates that only one crate may name, so that they can be replaced.
#[test]
fn replaceable_libraries_have_one_home() {
    let homes: &[(&str, &[&str])] = &[
        ("openraft", &["raft"]),
        ("openraft-rt-tokio", &["raft"]),
        ("hyper", &["console"]),
        ("clap", &["cli"]),
        ("rand", &["env", "demo", "jepsen"]),
    ];
    let metadata = MetadataCommand::new()
        .manifest_path(root().join("Cargo.toml"))
        .no_deps()
        .exec()
        .unwrap();
    for package in &metadata.packages {
        let name = package.name.strip_prefix("floe-").unwrap_or(&package.name);
        for dependency in &package.dependencies {
            if dependency.kind != DependencyKind::Normal {
                continue;
            }
            if let Some((_, home)) = homes
                .iter()
                .find(|(library, _)| *library == dependency.name)
            {
                assert!(home.contains(&name), "{name} names {}", dependency.name);
            }
        }
    }
}
