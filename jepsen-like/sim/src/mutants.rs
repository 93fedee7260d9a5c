//! The planted bugs: each with the faults that expose it.
//!
//! A mutant's place in the code asks `floe_model::mutant!("name")`. One that no seed catches is a
//! gap in this harness: it gets the fault, the workload or the oracle that is missing, and stays.
//! The mutants of the harness itself must turn the verdict into anything but valid.

use serde::Serialize;

/// What a mutant breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Area {
    /// What is on disk.
    Durability,
    /// Openraft's surroundings.
    Raft,
    /// Calls and connections.
    Network,
    /// Idempotence and offsets.
    Producers,
    /// Consumer groups.
    Groups,
    /// Topics and identities.
    Metadata,
    /// The harness itself.
    Harness,
}

/// A planted bug.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Mutant {
    /// Its name in the code.
    pub name: &'static str,
    /// What it breaks.
    pub area: Area,
    /// What it does.
    pub what: &'static str,
    /// Kinds of faults that bring it out; half of the faults of its runs are of these.
    pub faults: &'static [&'static str],
}

const POWER: &[&str] = &["power-cut", "power-cut-all", "disk-stops"];
const KILLS: &[&str] = &["kill", "power-cut", "crash-loop"];
const ELECTIONS: &[&str] = &["isolate", "kill", "storm", "half-deaf"];
const SPLITS: &[&str] = &["isolate", "half-deaf", "cut-one-way", "hold"];

macro_rules! mutants {
    ($($area:ident { $($name:literal, $what:literal, $faults:expr;)* })*) => {
        &[$($(Mutant { name: $name, area: Area::$area, what: $what, faults: $faults },)*)*]
    };
}

/// All of them.
pub const MUTANTS: &[Mutant] = mutants! {
    Durability {
        "ack-before-sync", "an append counts as durable when it is queued", POWER;
        "vote-not-synced", "a vote is answered and never written", KILLS;
        "sync-skipped", "journal writes are not synced", POWER;
        "journal-dir-not-synced", "a journal file's name is not synced", POWER;
        "segment-dir-not-synced", "a partition segment's name is not synced", POWER;
        "checkpoint-unsynced", "a checkpoint vouches for segments that it did not sync", POWER;
        "journal-freed-early", "journal files are recycled while entries in them are needed", POWER;
        "sync-failure-ignored", "a failed journal write counts as done", &["sync-fails-once", "disk-fails"];
        "checksum-unchecked", "recovery believes payloads whose checksum is wrong", &["torn-write"];
        "index-shifted", "the sparse index points one entry too far", KILLS;
        "disk-full-swallowed", "a segment write that found no room counts as done", &["disk-full"];
        "snapshot-not-durable", "a snapshot is installed before it is on disk", &["rejoin"];
        "truncation-lost", "recovery brings truncated entries back", &["isolate", "crash-loop"];
    }
    Raft {
        "ack-before-quorum", "a produce is answered when the leader alone has it", ELECTIONS;
        "uncommitted-read", "reads go beyond the high watermark", ELECTIONS;
        "watermark-regresses", "a new leader's log end is where its epoch began", ELECTIONS;
        "applied-twice", "a restart applies one entry again", KILLS;
        "suffix-cut-at-open", "a restart drops what was not applied", KILLS;
        "epoch-not-bumped", "every second election keeps the epoch", ELECTIONS;
        "fence-ignored", "a leader without a majority goes on serving", SPLITS;
        "acked-in-transfer", "what was in flight when leadership moved is answered as done", ELECTIONS;
    }
    Network {
        "backoff-unbounded", "pauses between dials grow without bound", &["long-isolate"];
        "accept-loop-ends", "a failed accept ends the listener", &["accept-fails"];
        "calls-never-time-out", "calls wait for answers that never come", SPLITS;
    }
    Producers {
        "dedupe-forgotten", "a batch that is in the log is appended again", ELECTIONS;
        "sequence-gap-accepted", "a batch behind a gap is appended", ELECTIONS;
        "producer-fence-missing", "a batch of an older epoch is appended", ELECTIONS;
        "producer-id-reused", "nodes hand out the same producer ids", ELECTIONS;
        "dedupe-lost-in-snapshot", "a saved state has no producers", KILLS;
        "offsets-miscounted", "batches of one entry are told the same offset", &["slow"];
    }
    Groups {
        "zombie-commit-accepted", "a commit needs no token", &["cut-client", "isolate"];
        "commits-lost-at-failover", "a new coordinator drops offsets", ELECTIONS;
        "two-owners", "a partition is given away before it was given up", &["cut-client", "isolate"];
        "partition-unassigned", "a rebalance forgets a partition", ELECTIONS;
        "live-offsets-dropped", "a deleted topic takes the offsets of others with it", ELECTIONS;
        "token-not-bumped", "a new owner gets the token of the former one", &["cut-client", "isolate"];
    }
    Metadata {
        "raft-group-reused", "a new topic gets the Raft group of a deleted one", ELECTIONS;
    }
    Harness {
        "nemesis-idle", "the nemesis breaks nothing", &[];
        "drain-skipped", "the final reading is left out", &[];
        "clock-not-monotone", "the history's clock goes back", &[];
        "checker-skips", "the checker looks at nothing", &[];
        "oracle-blind", "the oracle does not look", &[];
    }
};

/// The mutant of this name.
pub fn named(name: &str) -> Option<&'static Mutant> {
    MUTANTS.iter().find(|mutant| mutant.name == name)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use super::*;

    fn asked_for(folder: &Path, found: &mut BTreeSet<String>) {
        for entry in std::fs::read_dir(folder).expect("a folder of the repository") {
            let path = entry.expect("a name").path();
            if path.is_dir() && !path.ends_with("target") {
                asked_for(&path, found);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = std::fs::read_to_string(&path).expect("text");
                for rest in text.split("floe_model::mutant!(\"").skip(1) {
                    let name = rest.split('"').next().unwrap_or_default();
                    if name != "name" {
                        found.insert(name.to_owned());
                    }
                }
            }
        }
    }

    #[test]
    fn every_mutant_of_the_code_is_registered_and_every_registered_one_is_in_the_code() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let mut found = BTreeSet::new();
        asked_for(&root.join("crates"), &mut found);
        asked_for(&root.join("jepsen-like"), &mut found);
        let registered = MUTANTS.iter().map(|mutant| mutant.name.to_owned());
        assert_eq!(found, registered.collect());
    }
}
