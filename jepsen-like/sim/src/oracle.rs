//! Invariants that only somebody inside the cluster can see.
//!
//! Looks at every node between steps of the simulation, and once more right before anything is
//! broken, so that what a crash may not take away is known. What is looked at is what the nodes
//! hold in memory: logs, votes, roles, replicated states. A violation is a trouble of the run.
//!
//! The oracle that saw too little says so: a run whose oracle was blind proves nothing.

mod leaders;
mod logs;
mod patience;
mod promises;
mod states;
mod succession;

use std::collections::BTreeMap;
use std::time::Duration;

use floe_broker::Broker;
use floe_model::{NodeId, Offset, RaftGroupId, ReplicaId};
use floe_raft::{Ballot, GroupLog, LogProgress, RaftGroup, Role};

use crate::book::Book;
use crate::cluster::Seat;
use crate::signals::Signals;
use crate::workload::TOPIC;

use leaders::Leaders;
use logs::Logs;
use patience::Patience;
use promises::Promises;
use states::States;
use succession::Succession;

/// Looks per look at replicated states, which are read as a whole.
const STATES_PERIOD: u64 = 20;
/// Looks without which a run says nothing.
const LOOKS_MIN: u64 = 100;

/// What was seen so far.
#[derive(Default)]
pub struct Oracle {
    nodes: BTreeMap<u32, NodeSight>,
    leaders: Leaders,
    logs: Logs,
    promises: Promises,
    states: States,
    patience: Patience,
    succession: Succession,
    /// The Raft groups of the topic's partitions.
    partitions: BTreeMap<u32, RaftGroupId>,
    /// The furthest high watermark of each that any replica had.
    watermarks: BTreeMap<RaftGroupId, Offset>,
    looks: u64,
}

/// A node as it was last seen; of one that is down, what it held in the end.
#[derive(Default)]
struct NodeSight {
    starts: u32,
    rots: u32,
    wipes: u32,
    /// Whether this start was not looked at yet.
    is_new: bool,
    is_up: bool,
    is_paused: bool,
    replicas: BTreeMap<RaftGroupId, ReplicaSight>,
    /// The same of the life before.
    before: BTreeMap<RaftGroupId, ReplicaSight>,
}

/// One replica at one look.
#[derive(Clone)]
struct ReplicaSight {
    node: NodeId,
    replica_id: ReplicaId,
    log: GroupLog,
    progress: LogProgress,
    ballot: Ballot,
    role: Role,
}

impl Oracle {
    /// Compares what the nodes say now with what they said before.
    pub fn look(&mut self, now: Duration, seats: &[Seat], signals: &Signals, book: &Book) {
        if floe_model::mutant!("oracle-blind") {
            return;
        }
        self.looks += 1;
        for seat in seats {
            self.see(seat, book);
        }
        self.patience.look(now, seats, book);
        self.leaders.compare(now, &self.nodes, book);
        self.logs.compare(&self.nodes, book);
        self.check_acknowledged(signals, book);
        if self.looks.is_multiple_of(STATES_PERIOD) {
            self.look_at_states(seats, book);
        }
    }

    /// Looks at the replicated states of all nodes.
    pub fn look_at_states(&mut self, seats: &[Seat], book: &Book) {
        for broker in seats.iter().filter_map(Seat::broker) {
            self.states.compare(&broker, book);
            self.succession
                .compare(&broker.metadata_state(), seats, book);
        }
    }

    /// Why the run shows nothing, if the oracle did not see enough.
    pub fn doubt(&self) -> Option<String> {
        let compared = self.logs.compared();
        (self.looks < LOOKS_MIN || compared == 0 || self.states.compared() == 0).then(|| {
            format!(
                "the oracle looked {} times and compared {compared} logs and {} states",
                self.looks,
                self.states.compared()
            )
        })
    }

    /// Why the replicas are not all equal yet; those of a machine whose bits rotted need not be.
    pub fn unsettled(&self, seats: &[Seat]) -> Option<String> {
        let sound: Vec<&Seat> = seats.iter().filter(|seat| seat.rots() == 0).collect();
        let brokers: Vec<Broker> = sound.iter().filter_map(|seat| seat.broker()).collect();
        if brokers.len() < sound.len() {
            return Some("a node is down".to_owned());
        }
        let states = brokers.iter().map(Broker::metadata_state);
        let newest = states.max_by_key(|state| state.version())?;
        for set in newest.replica_sets() {
            let group = set.raft_group;
            let mut ends = Vec::new();
            for replica in &set.replicas {
                let node = replica.node_id.0;
                if self.nodes.get(&node).is_some_and(|seen| seen.rots > 0) {
                    continue;
                }
                let sight = self.nodes.get(&node).and_then(|seen| {
                    let sight = seen.replicas.get(&group)?;
                    (sight.replica_id == replica.replica_id).then_some(sight)
                });
                let Some(sight) = sight else {
                    return Some(format!("{group} is not open on {}", replica.node_id));
                };
                let progress = sight.progress;
                if progress.is_damaged {
                    return Some(format!("{group} on {} is damaged", replica.node_id));
                }
                ends.push((progress.durable, progress.last));
            }
            if ends.iter().any(|end| *end != ends[0] || end.0 != end.1) {
                return Some(format!("the logs of {group} end at {ends:?}"));
            }
        }
        None
    }

    fn see(&mut self, seat: &Seat, book: &Book) {
        let sight = self.nodes.entry(seat.node()).or_default();
        let starts = seat.starts();
        if sight.starts != starts {
            // Of a start that nobody saw a replica of, the life before it counts.
            let ended = std::mem::take(&mut sight.replicas);
            sight.before.extend(ended);
            (sight.starts, sight.is_new) = (starts, true);
        }
        if (sight.rots, sight.wipes) != (seat.rots(), seat.wipes()) {
            // What is gone is made good by the others.
            (sight.rots, sight.wipes) = (seat.rots(), seat.wipes());
            sight.before.clear();
            sight.replicas.clear();
        }
        let broker = seat.broker();
        sight.is_up = broker.is_some();
        sight.is_paused = seat.is_paused();
        let Some(broker) = broker else {
            for replica in sight.replicas.values_mut() {
                replica.progress = replica.log.progress();
            }
            return;
        };
        let replicas = broker.replicas();
        let is_open = |group: &RaftGroupId| replicas.iter().any(|raft| raft.id() == *group);
        sight.replicas.retain(|group, _| is_open(group));
        for raft in &replicas {
            let seen = ReplicaSight::of(seat, raft);
            let group = raft.id();
            if seen.progress.is_damaged && sight.rots == 0 {
                let name = seat.name();
                book.trouble(format!("{group} is damaged on {name}, whose disk is sound"));
            }
            if let Some(before) = sight.before.remove(&group) {
                self.promises.check_restart(group, &before, &seen, book);
            }
            if let Some(before) = sight.replicas.get(&group) {
                self.promises.check_life(group, before, &seen, book);
            }
            sight.replicas.insert(group, seen);
        }
        if self.partitions.is_empty() {
            let status = broker.status();
            let ours = status
                .partitions
                .iter()
                .filter(|one| one.topic.as_str() == TOPIC);
            let found = ours.map(|one| (one.partition.0, one.raft_group));
            self.partitions = found.collect();
        }
    }

    /// What a client was told to be in the log must be committed somewhere.
    fn check_acknowledged(&mut self, signals: &Signals, book: &Book) {
        let mut furthest: BTreeMap<u32, Offset> = BTreeMap::new();
        for (partition, offset) in signals.take_placed() {
            let known = furthest.entry(partition).or_insert(offset);
            *known = offset.max(*known);
        }
        // Asked for every partition: a high watermark must be known from before its leader dies.
        for (&partition, group) in &self.partitions {
            let offset = furthest.remove(&partition).unwrap_or(Offset(-1));
            let sights = self.nodes.values();
            let here = sights.filter_map(|sight| sight.replicas.get(group));
            let here = here.map(|replica| replica.progress.high_watermark).max();
            let committed = self.watermarks.entry(*group).or_default();
            *committed = here.unwrap_or_default().max(*committed);
            if offset >= *committed {
                book.trouble(format!(
                    "{group}: offset {offset} is acknowledged and only those below {committed} \
                     are committed anywhere"
                ));
            }
        }
    }
}

impl ReplicaSight {
    fn of(seat: &Seat, raft: &RaftGroup) -> Self {
        Self {
            node: seat.node_id(),
            replica_id: raft.replica_id(),
            log: raft.log().clone(),
            progress: raft.log().progress(),
            ballot: raft.ballot(),
            role: raft.role(),
        }
    }
}
