//! Carries out a plan on the simulation, and takes each fault back in time.
//!
//! It works between two steps of the simulation. Every fault is an operation of the history,
//! from its beginning to its end; one that could not land is a failed one.

use std::collections::BTreeMap;
use std::time::Duration;

use floe_env::CrashPlan;
use floe_jepsen::{Action, Stage};
use turmoil::Sim;

use crate::book::{Book, Open};
use crate::cluster::{Seat, client_name, node_name};
use crate::net::Links;
use crate::plan::{Fault, NemesisPlan, TimedFault, Victim};

/// After this long a process that ended by itself is started again.
const SUPERVISOR_PAUSE: Duration = Duration::from_millis(300);

/// The state of the machines as the nemesis made it.
pub struct Nemesis {
    seats: Vec<Seat>,
    clients: u32,
    links: Links,
    /// Of all links that are not slow.
    max_latency: Duration,
    book: Book,
    /// Faults to come, the next one last.
    planned: Vec<TimedFault>,
    /// Faults in effect.
    running: Vec<Running>,
    /// When the supervisor starts a node again that ended by itself.
    restarts: BTreeMap<u32, Duration>,
    landed: BTreeMap<String, u64>,
}

struct Running {
    until: Duration,
    open: Open,
    action: Action,
    undo: Undo,
}

/// What ends a fault.
enum Undo {
    /// These directions are mended.
    Mend(Vec<(String, String)>),
    /// These nodes start, after their links are mended.
    Start {
        nodes: Vec<u32>,
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
}

impl Nemesis {
    /// Nothing is broken yet.
    pub fn new(
        seats: Vec<Seat>,
        clients: u32,
        links: Links,
        max_latency: Duration,
        book: Book,
    ) -> Self {
        Self {
            seats,
            clients,
            links,
            max_latency,
            book,
            planned: Vec::new(),
            running: Vec::new(),
            restarts: BTreeMap::new(),
            landed: BTreeMap::new(),
        }
    }

    /// Takes up a plan whose times count from now.
    pub fn begin(&mut self, plan: &NemesisPlan, now: Duration) {
        let now_ms = u64::try_from(now.as_millis()).unwrap_or(u64::MAX);
        self.planned = plan.faults.clone();
        for timed in &mut self.planned {
            timed.at_ms += now_ms;
        }
        self.planned
            .sort_by_key(|timed| std::cmp::Reverse(timed.at_ms));
    }

    /// Does what is due.
    pub fn step(&mut self, sim: &mut Sim<'_>) {
        let now = sim.elapsed();
        let mut still = Vec::new();
        for running in std::mem::take(&mut self.running) {
            if running.until <= now {
                self.end(sim, running);
            } else {
                still.push(running);
            }
        }
        self.running = still;
        let is_due = |timed: &TimedFault| Duration::from_millis(timed.at_ms) <= now;
        while self.planned.last().is_some_and(is_due) {
            if let Some(timed) = self.planned.pop() {
                self.inflict(sim, timed.fault, Duration::from_millis(timed.for_ms));
            }
        }
        self.supervise(sim);
    }

    /// Ends all faults now and plans none.
    pub fn heal(&mut self, sim: &mut Sim<'_>) {
        self.planned.clear();
        for running in std::mem::take(&mut self.running) {
            self.end(sim, running);
        }
    }

    /// Inflicts one fault now.
    pub fn inflict(&mut self, sim: &mut Sim<'_>, fault: Fault, lasts: Duration) {
        let (target, undo) = match self.land(sim, fault) {
            Landing::Landed { target, undo } => (target, Some(undo)),
            Landing::Missed { target } => (target, None),
        };
        let kind = fault.name().to_owned();
        tracing::info!(kind, target, landed = undo.is_some(), "fault");
        let action = Action::Fault { kind, target };
        let now = sim.elapsed();
        let open = self
            .book
            .begin_at(now, self.book.new_process(), action.clone());
        let Some(undo) = undo else {
            self.book.end_at(now, open, Stage::Fail, action);
            return;
        };
        *self.landed.entry(fault.name().to_owned()).or_default() += 1;
        self.running.push(Running {
            until: now + lasts,
            open,
            action,
            undo,
        });
    }

    /// Faults that landed, by kind.
    pub fn landed(&self) -> &BTreeMap<String, u64> {
        &self.landed
    }

    fn land(&mut self, sim: &mut Sim<'_>, fault: Fault) -> Landing {
        match fault {
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

    fn end(&mut self, sim: &mut Sim<'_>, running: Running) {
        match &running.undo {
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
        }
        self.book
            .end_at(sim.elapsed(), running.open, Stage::Ok, running.action);
    }

    /// Starts a node whose process does not run.
    fn start(&mut self, sim: &mut Sim<'_>, node: u32) {
        let name = node_name(node);
        if sim.is_host_running(name.as_str()) {
            // It is still stopping: the supervisor starts it when it has ended.
            return;
        }
        self.restarts.remove(&node);
        // A process that ended by itself left no lock and no open file behind.
        self.seat(node).crash_disk(CrashPlan::Process);
        self.links.set_process_down(&name, false);
        sim.bounce(name.as_str());
    }

    /// Starts processes that ended by themselves, after a pause, as systemd would.
    fn supervise(&mut self, sim: &mut Sim<'_>) {
        let now = sim.elapsed();
        for node in self.nodes().collect::<Vec<_>>() {
            let name = node_name(node);
            let is_held = self.running.iter().any(|running| running.undo.starts(node));
            if sim.is_host_running(name.as_str()) || is_held {
                continue;
            }
            self.links.set_process_down(&name, true);
            let due = *self.restarts.entry(node).or_insert(now + SUPERVISOR_PAUSE);
            if due <= now {
                self.start(sim, node);
            }
        }
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
                let led = |place: &usize| standing[*place].map_or(0, |(led, _)| led);
                (0..standing.len()).max_by_key(led)
            }
            Victim::Controller => standing
                .iter()
                .position(|seat| seat.is_some_and(|(_, controls)| controls)),
        };
        1 + u32::try_from(place.unwrap_or(0)).unwrap_or(0)
    }

    fn starts(&self, node: u32) -> bool {
        self.seat(node).starts() > 0
    }

    fn nodes(&self) -> std::ops::RangeInclusive<u32> {
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
    fn starts(&self, node: u32) -> bool {
        matches!(self, Self::Start { nodes, .. } if nodes.contains(&node))
    }
}

enum Landing {
    Landed { target: String, undo: Undo },
    Missed { target: String },
}

fn sim_runs(sim: &mut Sim<'_>, node: u32) -> bool {
    sim.is_host_running(node_name(node))
}
