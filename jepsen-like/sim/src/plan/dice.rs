//! The plan of a seed.
//!
//! Some runs are calm and some are storms, but every one has thirty faults a minute and more.
//! Bits rot, or the disk is replaced, on one machine of a run at most, and not in a run in which
//! all machines lose power: what is wrong on one disk must still be right on two.

use floe_env::Rng;

use super::{Fault, NemesisPlan, TimedFault, Victim};

const NODES: u32 = 3;
const PARTITIONS: u32 = 4;
/// Before the first fault, so that something is there to be lost.
const WARMUP_MS: u64 = 1_500;
/// Landed faults that a minute must have.
const FAULTS_PER_MINUTE: u64 = 30;

/// How often each kind comes.
const WEIGHTS: &[(&str, u64)] = &[
    ("kill", 4),
    ("stop", 1),
    ("power-cut", 3),
    ("torn-write", 1),
    ("power-cut-all", 1),
    ("cut", 2),
    ("cut-one-way", 2),
    ("flap", 1),
    ("isolate", 3),
    ("half-deaf", 1),
    ("cut-client", 2),
    ("disk-fails", 1),
    ("disk-full", 1),
    ("disk-stops", 2),
    ("disk-slow", 1),
    ("sync-fails-once", 1),
    ("slow", 2),
    ("reset", 1),
    ("hold", 1),
    ("lossy", 2),
    ("spikes", 1),
    ("pause", 3),
    ("accept-fails", 1),
    ("storm", 1),
    ("skew", 1),
    ("skew-strobe", 1),
    ("crash-loop", 2),
    ("long-isolate", 1),
    ("rejoin", 1),
];

impl NemesisPlan {
    /// The plan of a seed. Half of its faults are of the kinds in `bias`, if there are any.
    pub fn from_seed(rng: &Rng, length_ms: u64, clients: u32, bias: &[&str]) -> Self {
        let is_rotten = rng.chance(0.2) || bias.contains(&"rot");
        let is_wiped = rng.chance(0.4) && !bias.contains(&"rot");
        let mut dice = Dice {
            rng: rng.clone(),
            clients,
            rotten: is_rotten.then(|| one_of(rng, NODES)),
            is_wiped,
            last_rot_ms: 0,
        };
        let pause_ms = 300 + rng.below(800);
        let mut faults = Vec::new();
        let mut at_ms = WARMUP_MS.min(length_ms / 4);
        while at_ms < length_ms {
            let kind = match bias {
                [_, ..] if rng.chance(0.5) => {
                    bias[usize::try_from(rng.below(bias.len() as u64)).unwrap_or(0)]
                }
                _ => dice.kind(),
            };
            at_ms = dice.add(kind, at_ms, &mut faults) + 50 + rng.below(2 * pause_ms);
        }
        Self {
            nodes: NODES,
            partitions: PARTITIONS,
            length_ms,
            faults_min: length_ms * FAULTS_PER_MINUTE / 60_000,
            faults,
            final_power_cut: rng.chance(0.5) && !is_rotten,
        }
    }
}

struct Dice {
    rng: Rng,
    clients: u32,
    /// The node whose bits may rot.
    rotten: Option<u32>,
    /// Whether its disk is replaced instead.
    is_wiped: bool,
    last_rot_ms: u64,
}

impl Dice {
    fn kind(&self) -> &'static str {
        let sum = WEIGHTS.iter().map(|(_, weight)| weight).sum();
        let mut drawn = self.rng.below(sum);
        for (kind, weight) in WEIGHTS {
            match drawn.checked_sub(*weight) {
                Some(left) => drawn = left,
                None => return kind,
            }
        }
        "kill"
    }

    /// Adds a fault, or the several that a kind consists of. Returns when the last one began.
    fn add(&mut self, kind: &str, at_ms: u64, faults: &mut Vec<TimedFault>) -> u64 {
        match kind {
            "crash-loop" => return self.crash_loop(at_ms, faults),
            "flap" => return self.flap(at_ms, faults),
            "skew-strobe" => return self.skew_strobe(at_ms, faults),
            "rejoin" => return self.rejoin(at_ms, faults),
            _ => {}
        }
        // Not in the first seconds, when there is nothing to rot, and with time to heal.
        let rots = at_ms >= 4_000 && at_ms - self.last_rot_ms >= 4_000;
        if let Some(node) = self.rotten.filter(|_| rots && self.rng.chance(0.4)) {
            self.last_rot_ms = at_ms;
            if self.is_wiped {
                faults.push(TimedFault {
                    at_ms,
                    for_ms: self.duration_ms(),
                    fault: Fault::Wipe { node },
                });
                return at_ms;
            }
            let (journal, bits) = (self.rng.chance(0.5), 1 + self.draw(6));
            let fault = Fault::Rot {
                node,
                journal,
                bits,
            };
            faults.push(TimedFault {
                at_ms,
                // So short that its peers still know what it had acknowledged.
                for_ms: 20 + self.rng.below(60),
                fault,
            });
            return at_ms;
        }
        let for_ms = match kind {
            // So long that the pauses between attempts to reach it would have grown far.
            "long-isolate" => 12_000 + self.rng.below(10_000),
            _ => self.duration_ms(),
        };
        faults.push(TimedFault {
            at_ms,
            for_ms,
            fault: self.fault(kind),
        });
        at_ms
    }

    fn fault(&self, kind: &str) -> Fault {
        let victim = self.victim();
        let fault = self.fault_of_links(kind, victim);
        let fault = fault.or_else(|| self.fault_of_disk(kind, victim));
        fault.unwrap_or_else(|| self.fault_of_machine(kind, victim))
    }

    fn fault_of_links(&self, kind: &str, victim: Victim) -> Option<Fault> {
        Some(match kind {
            "cut" => {
                let (a, b) = self.pair();
                Fault::Cut { a, b }
            }
            "cut-one-way" => {
                let (from, to) = self.pair();
                Fault::CutOneWay { from, to }
            }
            "isolate" | "long-isolate" => Fault::Isolate { victim },
            "half-deaf" => Fault::HalfDeaf {
                victim,
                deaf: self.rng.chance(0.5),
            },
            "cut-client" => Fault::CutClient {
                client: one_of(&self.rng, self.clients),
                node: one_of(&self.rng, NODES),
            },
            "slow" => Fault::Slow {
                victim,
                latency_ms: 20 + self.rng.below(1_000),
            },
            "lossy" => Fault::Lossy {
                victim,
                percent: 1 + self.draw(30),
            },
            "spikes" => Fault::Spikes {
                victim,
                percent: 1 + self.draw(20),
                latency_ms: 50 + self.rng.below(2_000),
            },
            "reset" => Fault::Reset { victim },
            "hold" => Fault::Hold { victim },
            "accept-fails" => Fault::AcceptFails { victim },
            _ => return None,
        })
    }

    fn fault_of_disk(&self, kind: &str, victim: Victim) -> Option<Fault> {
        Some(match kind {
            "disk-fails" => Fault::DiskFails { victim },
            "disk-full" => Fault::DiskFull { victim },
            "disk-stops" => Fault::DiskStops {
                victim,
                operations: self.rng.below(60),
                torn: self.rng.chance(0.5),
            },
            "disk-slow" => Fault::DiskSlow {
                victim,
                stall_ms: 1 + self.rng.below(100),
            },
            "sync-fails-once" => Fault::SyncFailsOnce {
                victim,
                syncs: 1 + self.draw(3),
            },
            _ => return None,
        })
    }

    fn fault_of_machine(&self, kind: &str, victim: Victim) -> Fault {
        let torn = self.rng.chance(0.5);
        match kind {
            "stop" => Fault::Stop { victim },
            "pause" => Fault::Pause { victim },
            "power-cut" => Fault::PowerCut { victim, torn },
            "torn-write" => Fault::TornWrite { victim },
            "power-cut-all" if self.rotten.is_none() => Fault::PowerCutAll { torn },
            "storm" => Fault::Storm,
            "skew" => self.skew(one_of(&self.rng, NODES)),
            _ => Fault::Kill { victim },
        }
    }

    /// One node dies again and again while it recovers.
    fn crash_loop(&self, at_ms: u64, faults: &mut Vec<TimedFault>) -> u64 {
        self.crashes(one_of(&self.rng, NODES), 150, at_ms, faults)
    }

    /// A node is away until the others have purged what it lacks, and dies again and again while
    /// it takes their snapshots.
    fn rejoin(&self, at_ms: u64, faults: &mut Vec<TimedFault>) -> u64 {
        let node = one_of(&self.rng, NODES);
        let victim = Victim::Node(node);
        // A leader takes a while to give up what it would have sent, and then purges.
        let for_ms = 6_000 + self.rng.below(5_000);
        faults.push(TimedFault {
            at_ms,
            for_ms,
            fault: Fault::Isolate { victim },
        });
        // Nothing else happens meanwhile: the others must go on writing and trimming.
        self.crashes(node, 600, at_ms + for_ms + self.rng.below(300), faults)
    }

    /// Kills and power cuts of a node, up to `pause_ms` apart.
    fn crashes(
        &self,
        node: u32,
        pause_ms: u64,
        mut at_ms: u64,
        faults: &mut Vec<TimedFault>,
    ) -> u64 {
        let victim = Victim::Node(node);
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
            at_ms += for_ms + 5 + self.rng.below(pause_ms);
        }
        at_ms
    }

    /// A link that comes and goes.
    fn flap(&self, mut at_ms: u64, faults: &mut Vec<TimedFault>) -> u64 {
        let (a, b) = self.pair();
        for _ in 0..3 + self.rng.below(6) {
            let for_ms = 10 + self.rng.below(150);
            faults.push(TimedFault {
                at_ms,
                for_ms,
                fault: Fault::Cut { a, b },
            });
            at_ms += for_ms + 10 + self.rng.below(150);
        }
        at_ms
    }

    /// A wall clock that jumps to and fro.
    fn skew_strobe(&self, mut at_ms: u64, faults: &mut Vec<TimedFault>) -> u64 {
        let node = one_of(&self.rng, NODES);
        for _ in 0..2 + self.rng.below(4) {
            let for_ms = 20 + self.rng.below(300);
            faults.push(TimedFault {
                at_ms,
                for_ms,
                fault: self.skew(node),
            });
            at_ms += for_ms + 20 + self.rng.below(200);
        }
        at_ms
    }

    fn skew(&self, node: u32) -> Fault {
        // An hour now and then: the wrong time zone.
        let most_ms = if self.rng.chance(0.2) {
            3_600_000
        } else {
            60_000
        };
        let skew_ms = i64::try_from(self.rng.below(2 * most_ms)).unwrap_or(0);
        let most_ms = i64::try_from(most_ms).unwrap_or(0);
        Fault::Skew {
            node,
            skew_ms: skew_ms - most_ms,
        }
    }

    /// Mostly around the timeouts that decide who is gone, sometimes far beyond them.
    fn duration_ms(&self) -> u64 {
        match self.rng.below(16) {
            0..4 => self.rng.below(150),
            4..12 => 150 + self.rng.below(1_500),
            12..15 => 1_500 + self.rng.below(5_000),
            _ => 6_500 + self.rng.below(6_000),
        }
    }

    fn victim(&self) -> Victim {
        match self.rng.below(5) {
            0 | 1 => Victim::BusiestLeader,
            2 => Victim::Controller,
            _ => Victim::Node(one_of(&self.rng, NODES)),
        }
    }

    fn pair(&self) -> (u32, u32) {
        let a = one_of(&self.rng, NODES);
        let b = 1 + (a - 1 + one_of(&self.rng, NODES - 1)) % NODES;
        (a, b)
    }

    fn draw(&self, bound: u64) -> u32 {
        u32::try_from(self.rng.below(bound)).unwrap_or(0)
    }
}

fn one_of(rng: &Rng, count: u32) -> u32 {
    1 + u32::try_from(rng.below(u64::from(count))).unwrap_or(0)
}
