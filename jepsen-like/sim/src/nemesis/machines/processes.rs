//! Faults of processes and of the power they run on.

use floe_env::CrashPlan;
use turmoil::Sim;

use super::{Landing, Machines, Undo, sim_runs};
use crate::cluster::node_name;

impl Machines {
    /// Kills processes; with `power`, whole machines, which say nothing to their peers.
    pub(super) fn crash(&self, sim: &mut Sim<'_>, victims: &[u32], power: Option<bool>) -> Landing {
        let names: Vec<String> = victims.iter().map(|node| node_name(*node)).collect();
        let target = names.join(",");
        let runs = |node: &u32| self.starts(*node) && sim_runs(sim, *node);
        let running: Vec<u32> = victims.iter().copied().filter(runs).collect();
        if running.is_empty() {
            return Landing::Missed { target };
        }
        let mut mend = Vec::new();
        for node in running {
            match power {
                Some(torn) => {
                    mend.extend(self.cut_off(sim, node));
                    self.cut_power(sim, node, torn);
                }
                None => self.end_process(sim, node, CrashPlan::Process),
            }
        }
        let nodes = victims.to_vec();
        Landing::on(target, Undo::Start { nodes, mend })
    }

    /// Asks a process to stop.
    pub(super) fn stop(&self, sim: &mut Sim<'_>, node: u32) -> Landing {
        let target = node_name(node);
        if !sim_runs(sim, node) {
            return Landing::Missed { target };
        }
        self.seat(node).ask_to_stop();
        let (nodes, mend) = (vec![node], Vec::new());
        Landing::on(target, Undo::Start { nodes, mend })
    }

    /// Holds a process still.
    pub(super) fn pause(&self, sim: &mut Sim<'_>, node: u32) -> Landing {
        let target = node_name(node);
        if !sim_runs(sim, node) {
            return Landing::Missed { target };
        }
        self.seat(node).pause();
        Landing::on(target, Undo::Resume { node })
    }

    /// Cuts the power of a machine whose bits will have rotted when it is back.
    pub(super) fn switch_off_to_rot(
        &self,
        sim: &mut Sim<'_>,
        node: u32,
        journal: bool,
        bits: u32,
    ) -> Landing {
        match self.crash(sim, &[node], Some(false)) {
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
                Landing::on(target, undo)
            }
            landing => landing,
        }
    }

    /// Cuts the power of a machine whose disk will be a new one when it is back.
    pub(super) fn switch_off_to_wipe(&self, sim: &mut Sim<'_>, node: u32) -> Landing {
        match self.crash(sim, &[node], Some(false)) {
            Landing::Landed {
                target,
                undo: Undo::Start { mend, .. },
            } => Landing::on(target, Undo::StartWiped { node, mend }),
            landing => landing,
        }
    }

    /// Starts a machine that is off, with an empty disk.
    pub(super) fn start_wiped(&self, sim: &mut Sim<'_>, node: u32) {
        if !sim_runs(sim, node) {
            self.seat(node).wipe_disk();
            self.start(sim, node);
        }
    }

    /// Starts a machine that is off, with wrong bits.
    pub(super) fn start_rotten(&self, sim: &mut Sim<'_>, node: u32, journal: bool, bits: u32) {
        if !sim_runs(sim, node) {
            self.seat(node).rot_disk(journal, bits);
            self.start(sim, node);
        }
    }

    /// Cuts the power of a machine that runs, and turns it on again.
    pub(super) fn power_cycle(&self, sim: &mut Sim<'_>, node: u32, torn: bool) {
        if sim_runs(sim, node) {
            self.cut_power(sim, node, torn);
            self.start(sim, node);
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
}
