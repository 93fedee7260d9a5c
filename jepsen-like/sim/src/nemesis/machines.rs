//! The machines of a run: what a fault does to them, and what takes it back.

use std::time::Duration;

use floe_env::CrashPlan;
use turmoil::Sim;

use crate::cluster::{Seat, client_name, node_name};
use crate::net::Links;
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
    /// What was held back arrives.
    Release { node: u32 },
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

impl Machines {
    /// Inflicts a fault.
    pub fn land(&self, sim: &mut Sim<'_>, fault: Fault) -> Landing {
        if floe_model::mutant!("nemesis-idle") {
            let target = "nobody".to_owned();
            let undo = Undo::Nothing;
            return Landing::Landed { target, undo };
        }
        match fault {
            Fault::DiskSlow { victim, stall_ms } => {
                let stall = |seat: &Seat| seat.slow_disk(Duration::from_millis(stall_ms));
                self.break_disk(sim, victim, stall, |node| Undo::SpeedUpDisk { node })
            }
            Fault::SyncFailsOnce { victim, syncs } => {
                let fail = |seat: &Seat| seat.fail_syncs(syncs);
                self.break_disk(sim, victim, fail, |node| Undo::RepairDisk { node })
            }
            Fault::Rot {
                node,
                journal,
                bits,
            } => match self.crash(sim, &[node], Some(false)) {
                Landing::Landed {
                    target,
                    undo: Undo::Start { mend, .. },
                } => {
                    let undo = Undo::StartRotten {
                        node,
                        journal,
                        bits,
                        mend,
                    };
                    Landing::Landed { target, undo }
                }
                landing => landing,
            },
            Fault::Reset { victim } => {
                let node = self.resolve(victim);
                let target = node_name(node);
                if !sim_runs(sim, node) {
                    return Landing::Missed { target };
                }
                self.links.reset(&target);
                let undo = Undo::Nothing;
                Landing::Landed { target, undo }
            }
            Fault::Hold { victim } => {
                let node = self.resolve(victim);
                let target = node_name(node);
                self.links.note_held(&target, true);
                for other in self.others(&target).into_iter().chain(self.client_names()) {
                    // A link that is cut stays so: releasing it would mend it.
                    if !self.links.cuts(&target, &other) && !self.links.cuts(&other, &target) {
                        sim.hold(target.as_str(), other.as_str());
                    }
                }
                let undo = Undo::Release { node };
                Landing::Landed { target, undo }
            }
            Fault::AcceptFails { victim } => {
                let node = self.resolve(victim);
                let target = node_name(node);
                self.links.set_full(&target, true);
                // Only new connections meet it.
                self.links.reset(&target);
                let undo = Undo::Accept { node };
                Landing::Landed { target, undo }
            }
            Fault::Storm => {
                self.signals.set_storm(true);
                let target = "all".to_owned();
                let undo = Undo::EndStorm;
                Landing::Landed { target, undo }
            }
            Fault::Kill { victim } => self.crash(sim, &[self.resolve(victim)], None),
            Fault::PowerCut { victim, torn } => {
                self.crash(sim, &[self.resolve(victim)], Some(torn))
            }
            Fault::PowerCutAll { torn } => {
                let all: Vec<u32> = self.nodes().collect();
                self.crash(sim, &all, Some(torn))
            }
            Fault::Stop { victim } => {
                let node = self.resolve(victim);
                let target = node_name(node);
                if !sim.is_host_running(target.as_str()) {
                    return Landing::Missed { target };
                }
                self.seat(node).ask_to_stop();
                let (nodes, mend) = (vec![node], Vec::new());
                let undo = Undo::Start { nodes, mend };
                Landing::Landed { target, undo }
            }
            Fault::Cut { a, b } => {
                let (a, b) = (node_name(a), node_name(b));
                let target = format!("{a}|{b}");
                self.cut(sim, target, vec![(a.clone(), b.clone()), (b, a)])
            }
            Fault::CutOneWay { from, to } => {
                let (from, to) = (node_name(from), node_name(to));
                self.cut(sim, format!("{from}>{to}"), vec![(from, to)])
            }
            Fault::Isolate { victim } => {
                let node = node_name(self.resolve(victim));
                let cuts = self
                    .others(&node)
                    .into_iter()
                    .flat_map(|other| [(node.clone(), other.clone()), (other, node.clone())]);
                let cuts = cuts.collect();
                self.cut(sim, node, cuts)
            }
            Fault::HalfDeaf { victim, deaf } => {
                let node = node_name(self.resolve(victim));
                let cuts = self.others(&node).into_iter().map(|other| match deaf {
                    true => (other, node.clone()),
                    false => (node.clone(), other),
                });
                let cuts = cuts.collect();
                self.cut(sim, node, cuts)
            }
            Fault::CutClient { client, node } => {
                let (client, node) = (client_name(client), node_name(node));
                let target = format!("{client}|{node}");
                let cuts = vec![(client.clone(), node.clone()), (node, client)];
                self.cut(sim, target, cuts)
            }
            Fault::Skew { node, skew_ms } => {
                self.seat(node).set_skew_ms(skew_ms);
                let target = format!("{} by {skew_ms} ms", node_name(node));
                let undo = Undo::SetClock { node };
                Landing::Landed { target, undo }
            }
            Fault::DiskFails { victim } => self.break_disk(sim, victim, Seat::fail_disk, |node| {
                Undo::RepairDisk { node }
            }),
            Fault::DiskFull { victim } => {
                let fill = |seat: &Seat| seat.fill_disk(true);
                self.break_disk(sim, victim, fill, |node| Undo::MakeRoom { node })
            }
            Fault::DiskStops {
                victim,
                operations,
                torn,
            } => {
                let stop = |seat: &Seat| seat.stop_disk_after(operations);
                self.break_disk(sim, victim, stop, |node| Undo::PowerCycle { node, torn })
            }
            Fault::Slow { victim, latency_ms } => {
                let node = self.resolve(victim);
                self.set_latency(sim, node, Duration::from_millis(latency_ms));
                let target = node_name(node);
                let undo = Undo::SpeedUp { node };
                Landing::Landed { target, undo }
            }
        }
    }

    /// Breaks the disk of a node that runs.
    fn break_disk(
        &self,
        sim: &mut Sim<'_>,
        victim: Victim,
        hurt: impl FnOnce(&Seat),
        undo: impl FnOnce(u32) -> Undo,
    ) -> Landing {
        let node = self.resolve(victim);
        let target = node_name(node);
        if !sim_runs(sim, node) {
            return Landing::Missed { target };
        }
        hurt(self.seat(node));
        let undo = undo(node);
        Landing::Landed { target, undo }
    }

    fn set_latency(&self, sim: &Sim<'_>, node: u32, latency: Duration) {
        let name = node_name(node);
        self.links.note_latency(&name, latency);
        for other in self.others(&name).into_iter().chain(self.client_names()) {
            sim.set_link_max_message_latency(name.as_str(), other.as_str(), latency);
        }
    }

    fn cut(&self, sim: &Sim<'_>, target: String, cuts: Vec<(String, String)>) -> Landing {
        for (from, to) in &cuts {
            if self.links.cut(from, to) {
                sim.partition_oneway(from.as_str(), to.as_str());
            }
        }
        let undo = Undo::Mend(cuts);
        Landing::Landed { target, undo }
    }

    fn mend(&self, sim: &Sim<'_>, cuts: &[(String, String)]) {
        for (from, to) in cuts {
            if self.links.mend(from, to) {
                sim.repair_oneway(from.as_str(), to.as_str());
            }
        }
    }

    /// Kills processes; with `power`, whole machines, which say nothing to their peers.
    fn crash(&self, sim: &mut Sim<'_>, victims: &[u32], power: Option<bool>) -> Landing {
        let runs = |node: &u32| self.starts(*node) && sim_runs(sim, *node);
        let nodes: Vec<u32> = victims.to_vec();
        let names: Vec<String> = nodes.iter().map(|node| node_name(*node)).collect();
        let target = names.join(",");
        let mut landed = false;
        let runs: Vec<u32> = nodes.iter().copied().filter(runs).collect();
        let mut mend = Vec::new();
        for node in runs {
            landed = true;
            let name = node_name(node);
            if power.is_some() {
                let others = self.others(&name).into_iter().chain(self.client_names());
                let cuts: Vec<(String, String)> = others
                    .flat_map(|other| [(name.clone(), other.clone()), (other, name.clone())])
                    .collect();
                for (from, to) in &cuts {
                    if self.links.cut(from, to) {
                        sim.partition_oneway(from.as_str(), to.as_str());
                    }
                }
                mend.extend(cuts);
            }
            match power {
                Some(torn) => self.cut_power(sim, node, torn),
                None => self.end_process(sim, node, CrashPlan::Process),
            }
        }
        if landed {
            let undo = Undo::Start { nodes, mend };
            Landing::Landed { target, undo }
        } else {
            Landing::Missed { target }
        }
    }

    fn cut_power(&self, sim: &mut Sim<'_>, node: u32, torn: bool) {
        let plan = match torn {
            false => CrashPlan::LoseUnsynced,
            true => CrashPlan::KeepRandomSectors,
        };
        self.end_process(sim, node, plan);
    }

    fn end_process(&self, sim: &mut Sim<'_>, node: u32, plan: CrashPlan) {
        let name = node_name(node);
        // The disk first: nothing that is done while the process is dropped may reach it.
        self.seat(node).crash_disk(plan);
        sim.crash(name.as_str());
        self.links.set_process_down(&name, true);
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
            Undo::PowerCycle { node, torn } => {
                if sim_runs(sim, *node) {
                    self.cut_power(sim, *node, *torn);
                    self.start(sim, *node);
                }
            }
            Undo::SpeedUp { node } => self.set_latency(sim, *node, self.max_latency),
            Undo::SpeedUpDisk { node } => self.seat(*node).slow_disk(Duration::ZERO),
            Undo::StartRotten {
                node,
                journal,
                bits,
                mend,
            } => {
                self.mend(sim, mend);
                if !sim_runs(sim, *node) {
                    self.seat(*node).rot_disk(*journal, *bits);
                    self.start(sim, *node);
                }
            }
            Undo::Release { node } => {
                let name = node_name(*node);
                self.links.note_held(&name, false);
                for other in self.others(&name).into_iter().chain(self.client_names()) {
                    if !self.links.cuts(&name, &other) && !self.links.cuts(&other, &name) {
                        sim.release(name.as_str(), other.as_str());
                    }
                }
            }
            Undo::Accept { node } => self.links.set_full(&node_name(*node), false),
            Undo::EndStorm => self.signals.set_storm(false),
            Undo::Nothing => {}
        }
    }

    /// Starts a node whose process does not run.
    pub fn start(&self, sim: &mut Sim<'_>, node: u32) {
        let name = node_name(node);
        if sim.is_host_running(name.as_str()) {
            // It is still stopping: the supervisor starts it when it has ended.
            return;
        }
        // A process that ended by itself left no lock and no open file behind.
        self.seat(node).crash_disk(CrashPlan::Process);
        self.links.set_process_down(&name, false);
        sim.bounce(name.as_str());
    }

    /// Everything that a fault can change, as text.
    pub fn fingerprint(&self, sim: &mut Sim<'_>) -> String {
        let mut all = format!("{:?} {}", self.links, self.signals.is_storm());
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
            Self::StartRotten { node: one, .. } => *one == node,
            _ => false,
        }
    }
}

/// Whether a node's process runs.
pub fn sim_runs(sim: &mut Sim<'_>, node: u32) -> bool {
    sim.is_host_running(node_name(node))
}
