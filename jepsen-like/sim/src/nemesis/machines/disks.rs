//! Faults of disks.

use std::time::Duration;

use turmoil::Sim;

use super::{Landing, Machines, Undo, sim_runs};
use crate::cluster::node_name;
use crate::plan::Fault;

impl Machines {
    /// Breaks the disk of a node that runs.
    pub(super) fn land_on_disk(&self, sim: &mut Sim<'_>, fault: Fault) -> Landing {
        let (Fault::DiskFails { victim }
        | Fault::DiskFull { victim }
        | Fault::DiskStops { victim, .. }
        | Fault::DiskSlow { victim, .. }
        | Fault::SyncFailsOnce { victim, .. }) = fault
        else {
            let target = "no disk".to_owned();
            return Landing::Missed { target };
        };
        let node = self.resolve(victim);
        let target = node_name(node);
        if !sim_runs(sim, node) {
            return Landing::Missed { target };
        }
        let seat = self.seat(node);
        let undo = match fault {
            Fault::DiskFull { .. } => {
                seat.fill_disk(true);
                Undo::MakeRoom { node }
            }
            Fault::DiskStops {
                operations, torn, ..
            } => {
                seat.stop_disk_after(operations);
                Undo::PowerCycle { node, torn }
            }
            Fault::DiskSlow { stall_ms, .. } => {
                seat.slow_disk(Duration::from_millis(stall_ms));
                Undo::SpeedUpDisk { node }
            }
            Fault::SyncFailsOnce { syncs, .. } => {
                seat.fail_syncs(syncs);
                Undo::RepairDisk { node }
            }
            _ => {
                seat.fail_disk();
                Undo::RepairDisk { node }
            }
        };
        Landing::on(target, undo)
    }
}
