//! What is to break and when, as data.
//!
//! A plan comes from a seed or from a file, and says the same thing to every run: a shorter plan
//! can be made from a failing one by leaving faults out. Times count from the moment the
//! workload starts.

use floe_env::Rng;
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
            Self::Skew { .. } => "skew",
        }
    }
}

/// Of a seed's plan; a plan from a file may say otherwise.
const NODES: u32 = 3;
const PARTITIONS: u32 = 4;
/// Before the first fault, so that something is there to be lost.
const WARMUP_MS: u64 = 2_000;

impl NemesisPlan {
    /// The plan of a seed.
    pub fn from_seed(rng: &Rng, length_ms: u64, clients: u32) -> Self {
        let dice = Dice {
            rng: rng.clone(),
            nodes: NODES,
            clients,
        };
        // Some runs are calm and some are storms.
        let pause_ms = 300 + rng.below(1_700);
        let mut faults = Vec::new();
        let mut at_ms = WARMUP_MS.min(length_ms / 4);
        while at_ms < length_ms {
            let fault = dice.fault();
            let for_ms = dice.duration_ms();
            faults.push(TimedFault {
                at_ms,
                for_ms,
                fault,
            });
            if rng.chance(0.1) {
                at_ms = dice.crash_loop(at_ms, &mut faults);
            }
            at_ms += 50 + rng.below(2 * pause_ms);
        }
        Self {
            nodes: NODES,
            partitions: PARTITIONS,
            length_ms,
            faults,
            final_power_cut: rng.chance(0.5),
        }
    }
}

struct Dice {
    rng: Rng,
    nodes: u32,
    clients: u32,
}

impl Dice {
    fn fault(&self) -> Fault {
        let torn = self.rng.chance(0.5);
        match self.rng.below(26) {
            0..4 => Fault::Kill {
                victim: self.victim(),
            },
            4..5 => Fault::Stop {
                victim: self.victim(),
            },
            5..8 => Fault::PowerCut {
                victim: self.victim(),
                torn,
            },
            8..9 => Fault::PowerCutAll { torn },
            9..11 => {
                let (a, b) = self.pair();
                Fault::Cut { a, b }
            }
            11..13 => {
                let (from, to) = self.pair();
                Fault::CutOneWay { from, to }
            }
            13..16 => Fault::Isolate {
                victim: self.victim(),
            },
            16..17 => Fault::HalfDeaf {
                victim: self.victim(),
                deaf: self.rng.chance(0.5),
            },
            17..19 => Fault::CutClient {
                client: self.one_of(self.clients),
                node: self.one_of(self.nodes),
            },
            19..20 => Fault::DiskFails {
                victim: self.victim(),
            },
            20..21 => Fault::DiskFull {
                victim: self.victim(),
            },
            21..23 => Fault::DiskStops {
                victim: self.victim(),
                operations: self.rng.below(60),
                torn,
            },
            23..25 => Fault::Slow {
                victim: self.victim(),
                latency_ms: 20 + self.rng.below(1_000),
            },
            _ => Fault::Skew {
                node: self.one_of(self.nodes),
                skew_ms: i64::try_from(self.rng.below(120_000)).unwrap_or(0) - 60_000,
            },
        }
    }

    /// One node dies again and again while it recovers. Returns when that ends.
    fn crash_loop(&self, mut at_ms: u64, faults: &mut Vec<TimedFault>) -> u64 {
        let victim = Victim::Node(self.one_of(self.nodes));
        for _ in 0..2 + self.rng.below(5) {
            let for_ms = 1 + self.rng.below(30);
            let torn = self.rng.chance(0.5);
            let fault = if self.rng.chance(0.5) {
                Fault::Kill { victim }
            } else {
                Fault::PowerCut { victim, torn }
            };
            faults.push(TimedFault {
                at_ms,
                for_ms,
                fault,
            });
            at_ms += for_ms + 5 + self.rng.below(150);
        }
        at_ms
    }

    /// Mostly around the timeouts that decide who is gone, sometimes far beyond them.
    fn duration_ms(&self) -> u64 {
        match self.rng.below(4) {
            0 => self.rng.below(150),
            1 | 2 => 150 + self.rng.below(1_500),
            _ => 1_500 + self.rng.below(5_000),
        }
    }

    fn victim(&self) -> Victim {
        match self.rng.below(5) {
            0 | 1 => Victim::BusiestLeader,
            2 => Victim::Controller,
            _ => Victim::Node(self.one_of(self.nodes)),
        }
    }

    fn one_of(&self, count: u32) -> u32 {
        1 + u32::try_from(self.rng.below(u64::from(count))).unwrap_or(0)
    }

    fn pair(&self) -> (u32, u32) {
        let a = self.one_of(self.nodes);
        let b = 1 + (a - 1 + self.one_of(self.nodes - 1)) % self.nodes;
        (a, b)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_seeds_give_equal_plans_and_json_keeps_them() {
        for seed in 0..50 {
            let plan = || NemesisPlan::from_seed(&Rng::from_seed(seed), 30_000, 3);
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
        }
    }
}
