//! The machines of a run: what a fault does to them, and what takes it back.

mod disks;
mod links;
mod processes;

use std::time::Duration;

use turmoil::Sim;

use crate::cluster::{Seat, client_name, node_name};
use crate::net::{Links, Weather};
use crate::plan::{Fault, Victim};
use crate::signals::Signals;

/// All machines and the links between them.
pub struct Machines {
    /// The nodes, by number.
    pub seats: Vec<Seat>,
    /// How many client hosts there are.
    pub clients: u32,
    /// What is cut.
    pub links: Links,
    /// Of all links that are not slow.
    pub max_latency: Duration,
    /// Tells the workload to move leaderships around.
    pub signals: Signals,
}

/// What ends a fault.
pub enum Undo {
    /// These directions are mended.
    Mend(Vec<(String, String)>),
    /// These nodes start, after their links are mended.
    Start {
        /// Which.
        nodes: Vec<u32>,
        /// Directions.
        mend: Vec<(String, String)>,
    },
    /// The clock is right again.
    SetClock { node: u32 },
    /// The disk has room again.
    MakeRoom { node: u32 },
    /// The disk works again; the supervisor starts the node if it gave up.
    RepairDisk { node: u32 },
    /// The machine loses power and starts.
    PowerCycle { node: u32, torn: bool },
    /// Messages are as fast as ever.
    SpeedUp { node: u32 },
    /// The disk is as fast as ever.
    SpeedUpDisk { node: u32 },
    /// The machine starts with rotten bits.
    StartRotten {
        /// Which.
        node: u32,
        /// Whether in the journal.
        journal: bool,
        /// How many.
        bits: u32,
        /// Directions that are mended.
        mend: Vec<(String, String)>,
    },
    /// The machine starts with an empty disk.
    StartWiped {
        /// Which.
        node: u32,
        /// Directions that are mended.
        mend: Vec<(String, String)>,
    },
    /// What was held back arrives.
    Release { node: u32 },
    /// The process goes on.
    Resume { node: u32 },
    /// Messages arrive, and in time.
    ClearUp { node: u32 },
    /// Connections are accepted again.
    Accept { node: u32 },
    /// Leaderships stay where they are.
    EndStorm,
    /// It was over when it happened.
    Nothing,
}

/// Whether a fault had something to hit.
pub enum Landing {
    /// It had.
    Landed {
        /// What it hit.
        target: String,
        /// What takes it back.
        undo: Undo,
    },
    /// It had not.
    Missed {
        /// What it was to hit.
        target: String,
    },
}

impl Landing {
    fn on(target: String, undo: Undo) -> Self {
        Self::Landed { target, undo }
    }
}

impl Machines {
    /// Inflicts a fault.
    pub fn land(&self, sim: &mut Sim<'_>, fault: Fault) -> Landing {
        use Fault as F;
        if floe_model::mutant!("nemesis-idle") {
            return Landing::on("nobody".to_owned(), Undo::Nothing);
        }
        match fault {
            F::Kill { victim } => self.crash(sim, &[self.resolve(victim)], None),
            F::Stop { victim } => self.stop(sim, self.resolve(victim)),
            F::Pause { victim } => self.pause(sim, self.resolve(victim)),
            F::PowerCut { victim, torn } => self.crash(sim, &[self.resolve(victim)], Some(torn)),
            F::PowerCutAll { torn } => {
                let all: Vec<u32> = self.nodes().collect();
                self.crash(sim, &all, Some(torn))
            }
            F::TornWrite { victim } => self.crash(sim, &[self.resolve(victim)], Some(true)),
            F::Wipe { node } => self.switch_off_to_wipe(sim, node),
            F::Rot {
                node,
                journal,
                bits,
            } => self.switch_off_to_rot(sim, node, journal, bits),
            F::DiskFails { .. }
            | F::DiskFull { .. }
            | F::DiskStops { .. }
            | F::DiskSlow { .. }
            | F::SyncFailsOnce { .. } => self.land_on_disk(sim, fault),
            F::Cut { a, b } => self.cut_pair(sim, a, b),
            F::CutOneWay { from, to } => self.cut_direction(sim, from, to),
            F::CutClient { client, node } => self.cut_client(sim, client, node),
            F::Isolate { victim } => self.isolate(sim, self.resolve(victim), true, true),
            F::HalfDeaf { victim, deaf } => self.isolate(sim, self.resolve(victim), deaf, !deaf),
            F::Slow { victim, latency_ms } => {
                self.slow_down(sim, self.resolve(victim), Duration::from_millis(latency_ms))
            }
            F::Hold { victim } => self.hold(sim, self.resolve(victim)),
            F::Reset { victim } => self.reset(sim, self.resolve(victim)),
            F::AcceptFails { victim } => self.refuse(self.resolve(victim)),
            F::Lossy { victim, percent } => {
                self.spoil_weather(self.resolve(victim), Weather::Losses { percent })
            }
            F::Spikes {
                victim,
                percent,
                latency_ms,
            } => {
                let latency = Duration::from_millis(latency_ms);
                self.spoil_weather(self.resolve(victim), Weather::Spikes { percent, latency })
            }
            F::Storm => {
                self.signals.set_storm(true);
                Landing::on("all".to_owned(), Undo::EndStorm)
            }
            F::Skew { node, skew_ms } => {
                self.seat(node).set_skew_ms(skew_ms);
                let target = format!("{} by {skew_ms} ms", node_name(node));
                Landing::on(target, Undo::SetClock { node })
            }
        }
    }

    /// Takes a fault back.
    pub fn undo(&self, sim: &mut Sim<'_>, undo: &Undo) {
        match undo {
            Undo::Mend(cuts) => self.mend(sim, cuts),
            Undo::Start { nodes, mend } => {
                self.mend(sim, mend);
                for &node in nodes {
                    self.start(sim, node);
                }
            }
            Undo::SetClock { node } => self.seat(*node).set_skew_ms(0),
            Undo::MakeRoom { node } => self.seat(*node).fill_disk(false),
            Undo::RepairDisk { node } => self.seat(*node).repair_disk(),
            Undo::PowerCycle { node, torn } => self.power_cycle(sim, *node, *torn),
            Undo::SpeedUp { node } => self.set_latency(sim, *node, self.max_latency),
            Undo::SpeedUpDisk { node } => self.seat(*node).slow_disk(Duration::ZERO),
            Undo::StartRotten {
                node,
                journal,
                bits,
                mend,
            } => {
                self.mend(sim, mend);
                self.start_rotten(sim, *node, *journal, *bits);
            }
            Undo::StartWiped { node, mend } => {
                self.mend(sim, mend);
                self.start_wiped(sim, *node);
            }
            Undo::Release { node } => self.release(sim, *node),
            Undo::Resume { node } => self.seat(*node).resume(),
            Undo::ClearUp { node } => self.links.set_weather(&node_name(*node), None),
            Undo::Accept { node } => self.links.set_full(&node_name(*node), false),
            Undo::EndStorm => self.signals.set_storm(false),
            Undo::Nothing => {}
        }
    }

    /// Whether the moment for a fault has come: a write can be torn while it is under way.
    pub fn is_moment_for(&self, fault: Fault) -> bool {
        match fault {
            Fault::TornWrite { victim } => self.seat(self.resolve(victim)).is_writing(),
            _ => true,
        }
    }

    /// Everything that a fault can change, as text.
    pub fn fingerprint(&self, sim: &mut Sim<'_>) -> String {
        let mut all = format!("{} {}", self.links.fingerprint(), self.signals.is_storm());
        for node in self.nodes() {
            let runs = sim_runs(sim, node);
            all.push_str(&format!("; {runs} {}", self.seat(node).fingerprint()));
        }
        all
    }

    fn resolve(&self, victim: Victim) -> u32 {
        let leads = |seat: &Seat| {
            let status = seat.status()?;
            let own = |leader: Option<floe_model::NodeId>| leader == Some(status.node_id);
            let led = status
                .partitions
                .iter()
                .filter(|partition| own(partition.leader))
                .count();
            Some((led, own(status.controller)))
        };
        let standing: Vec<Option<(usize, bool)>> = self.seats.iter().map(leads).collect();
        let place = match victim {
            Victim::Node(node) => return node,
            Victim::BusiestLeader => {
                let led = |place: &usize| standing[*place].map(|(led, _)| led);
                (0..standing.len()).max_by_key(led)
            }
            Victim::Controller => standing
                .iter()
                .position(|seat| seat.is_some_and(|(_, controls)| controls)),
        };
        let runs = || standing.iter().position(Option::is_some);
        1 + u32::try_from(place.or_else(runs).unwrap_or(0)).unwrap_or(0)
    }

    fn starts(&self, node: u32) -> bool {
        self.seat(node).starts() > 0
    }

    /// The numbers of the nodes.
    pub fn nodes(&self) -> std::ops::RangeInclusive<u32> {
        1..=u32::try_from(self.seats.len()).unwrap_or(0)
    }

    fn seat(&self, node: u32) -> &Seat {
        let place = usize::try_from(node).unwrap_or(1) - 1;
        &self.seats[place]
    }

    fn others(&self, name: &str) -> Vec<String> {
        self.nodes()
            .map(node_name)
            .filter(|other| other != name)
            .collect()
    }

    fn client_names(&self) -> Vec<String> {
        (1..=self.clients).map(client_name).collect()
    }
}

impl Undo {
    /// Whether it starts this node.
    pub fn starts(&self, node: u32) -> bool {
        match self {
            Self::Start { nodes, .. } => nodes.contains(&node),
            Self::StartRotten { node: one, .. } | Self::StartWiped { node: one, .. } => {
                *one == node
            }
            _ => false,
        }
    }
}

/// Whether a node's process runs.
pub fn sim_runs(sim: &mut Sim<'_>, node: u32) -> bool {
    sim.is_host_running(node_name(node))
}
