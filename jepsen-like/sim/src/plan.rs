//! What is to break and when, as data.
//!
//! A plan comes from a seed or from a file, and says the same thing to every run: a shorter plan
//! can be made from a failing one by leaving faults out. Times count from the moment the
//! workload starts.

mod dice;

use serde::{Deserialize, Serialize};

/// All faults of a run, in order of time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NemesisPlan {
    /// Nodes of the cluster.
    pub nodes: u32,
    /// Partitions of the topic that everybody uses.
    pub partitions: u32,
    /// How long the faults last, ms.
    pub length_ms: u64,
    /// The faults.
    pub faults: Vec<TimedFault>,
    /// Faults that must land, or the run shows nothing: thirty a minute.
    pub faults_min: u64,
    /// Whether all nodes lose power once more before the final reading.
    pub final_power_cut: bool,
}

/// One fault with its time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TimedFault {
    /// When it begins.
    pub at_ms: u64,
    /// How long it lasts.
    pub for_ms: u64,
    /// What breaks.
    #[serde(flatten)]
    pub fault: Fault,
}

/// Who is hit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Victim {
    /// This node.
    Node(u32),
    /// The node that leads most partitions when the fault begins.
    BusiestLeader,
    /// The leader of the metadata group.
    Controller,
}

/// What can break.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "fault", rename_all = "kebab-case")]
pub enum Fault {
    /// The process dies and is started again after the fault's time.
    Kill {
        /// Whose.
        victim: Victim,
    },
    /// The process is asked to stop and is started again.
    Stop {
        /// Whose.
        victim: Victim,
    },
    /// A machine loses power: what it did not sync is lost, or a random part of it.
    PowerCut {
        /// Whose.
        victim: Victim,
        /// Whether random sectors of what was not synced survive.
        torn: bool,
    },
    /// All nodes lose power at once.
    PowerCutAll {
        /// Whether random sectors of what was not synced survive.
        torn: bool,
    },
    /// No messages between two nodes.
    Cut {
        /// One.
        a: u32,
        /// The other.
        b: u32,
    },
    /// Messages arrive in one direction only.
    CutOneWay {
        /// From whom none arrives.
        from: u32,
        /// At whom.
        to: u32,
    },
    /// A node is alone; clients still reach it.
    Isolate {
        /// Who.
        victim: Victim,
    },
    /// A node is heard by the others and does not hear them, or the other way around.
    HalfDeaf {
        /// Who.
        victim: Victim,
        /// Whether it is the node that hears nothing.
        deaf: bool,
    },
    /// A client host does not reach a node.
    CutClient {
        /// Which client host.
        client: u32,
        /// Which node.
        node: u32,
    },
    /// A disk fails every sync; the node must notice, stop, and come back with a good disk.
    DiskFails {
        /// Whose.
        victim: Victim,
    },
    /// A disk takes no more than it has.
    DiskFull {
        /// Whose.
        victim: Victim,
    },
    /// A disk does a few more operations and then none; after the fault's time the machine
    /// loses power.
    DiskStops {
        /// Whose.
        victim: Victim,
        /// How many more.
        operations: u64,
        /// Whether random sectors of what was not synced survive.
        torn: bool,
    },
    /// Messages to and from a node take long.
    Slow {
        /// Whose.
        victim: Victim,
        /// At most this long.
        latency_ms: u64,
    },
    /// Every step of a disk takes long.
    DiskSlow {
        /// Whose.
        victim: Victim,
        /// On average this much longer.
        stall_ms: u64,
    },
    /// A disk fails some syncs and then works as if nothing had been: the node must not believe
    /// the syncs behind them.
    SyncFailsOnce {
        /// Whose.
        victim: Victim,
        /// How many syncs fail.
        syncs: u32,
    },
    /// A machine loses power, and bits that were durable are wrong when it is back.
    Rot {
        /// Whose.
        node: u32,
        /// In the journal, or in what was written out of it.
        journal: bool,
        /// How many bits.
        bits: u32,
    },
    /// All connections of a node break at once.
    Reset {
        /// Whose.
        victim: Victim,
    },
    /// Messages to and from a node are held back and arrive all together in the end.
    Hold {
        /// Whose.
        victim: Victim,
    },
    /// Segments to and from a node get lost; TCP sends them again.
    Lossy {
        /// Whose.
        victim: Victim,
        /// How many of a hundred.
        percent: u32,
    },
    /// Some messages to and from a node take long, and those behind them in the stream wait.
    Spikes {
        /// Whose.
        victim: Victim,
        /// How many of a hundred.
        percent: u32,
        /// At most this long.
        latency_ms: u64,
    },
    /// A process does not run for a while and then goes on, as after SIGSTOP and SIGCONT.
    Pause {
        /// Whose.
        victim: Victim,
    },
    /// A machine loses power in the middle of a write, which is torn; if there is none for a
    /// while, then without.
    TornWrite {
        /// Whose.
        victim: Victim,
    },
    /// A machine gets an empty disk: it is a new node with an old number.
    Wipe {
        /// Whose.
        node: u32,
    },
    /// A node cannot accept connections: it is out of descriptors.
    AcceptFails {
        /// Whose.
        victim: Victim,
    },
    /// Leaderships are moved around all the time.
    Storm,
    /// A node's wall clock is off.
    Skew {
        /// Whose.
        node: u32,
        /// By how much.
        skew_ms: i64,
    },
}

impl Fault {
    /// The name that reports count it under.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Kill { .. } => "kill",
            Self::Stop { .. } => "stop",
            Self::PowerCut { .. } => "power-cut",
            Self::PowerCutAll { .. } => "power-cut-all",
            Self::Cut { .. } => "cut",
            Self::CutOneWay { .. } => "cut-one-way",
            Self::Isolate { .. } => "isolate",
            Self::HalfDeaf { .. } => "half-deaf",
            Self::CutClient { .. } => "cut-client",
            Self::DiskFails { .. } => "disk-fails",
            Self::DiskFull { .. } => "disk-full",
            Self::DiskStops { .. } => "disk-stops",
            Self::Slow { .. } => "slow",
            Self::DiskSlow { .. } => "disk-slow",
            Self::SyncFailsOnce { .. } => "sync-fails-once",
            Self::Rot { .. } => "rot",
            Self::Reset { .. } => "reset",
            Self::Hold { .. } => "hold",
            Self::Lossy { .. } => "lossy",
            Self::Spikes { .. } => "spikes",
            Self::Pause { .. } => "pause",
            Self::TornWrite { .. } => "torn-write",
            Self::Wipe { .. } => "wipe",
            Self::AcceptFails { .. } => "accept-fails",
            Self::Storm => "storm",
            Self::Skew { .. } => "skew",
        }
    }
}

#[cfg(test)]
mod tests {
    use floe_env::Rng;

    use super::*;

    #[test]
    fn equal_seeds_give_equal_plans_and_json_keeps_them() {
        for seed in 0..50 {
            let plan = || NemesisPlan::from_seed(&Rng::from_seed(seed), 30_000, 3, &[]);
            assert_eq!(plan(), plan());
            let json = serde_json::to_string(&plan()).expect("a plan is plain data");
            assert_eq!(
                serde_json::from_str::<NemesisPlan>(&json).expect(&json),
                plan()
            );
            let cut_from_itself = |timed: &TimedFault| match timed.fault {
                Fault::Cut { a, b } | Fault::CutOneWay { from: a, to: b } => {
                    a == b || b > plan().nodes
                }
                _ => false,
            };
            assert!(!plan().faults.iter().any(cut_from_itself));
            assert!(plan().faults.len() >= 18, "thirty and some a minute");
        }
    }
}
