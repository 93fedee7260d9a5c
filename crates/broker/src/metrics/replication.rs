//! How far the replicas on other nodes are behind the groups led here, by node.

use std::collections::BTreeMap;

use floe_model::{NodeId, RaftGroupId};
use floe_raft::RaftGroup;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};

use super::value;
use crate::core::Core;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct PeerLabel {
    peer: u32,
}

/// Gauges of replication.
#[derive(Default)]
pub(super) struct ReplicationGauges {
    lag: Family<PeerLabel, Gauge>,
}

impl ReplicationGauges {
    pub(super) fn register(&self, to: &mut Registry) {
        to.register_with_unit(
            "raft_replication_lag",
            "Entries that the replica furthest behind on a node lacks, of the groups led here",
            Unit::Other("entries".to_owned()),
            self.lag.clone(),
        );
    }

    pub(super) fn read(&self, core: &Core) {
        self.lag.clear();
        let mut behind: BTreeMap<NodeId, u64> = BTreeMap::new();
        let metadata = core.raft.group(RaftGroupId::METADATA);
        metadata
            .iter()
            .for_each(|group| gather(core, group, &mut behind));
        for replica in core.coordinators.all() {
            gather(core, &replica.raft, &mut behind);
        }
        for partition in core.partitions.all() {
            gather(core, partition.raft(), &mut behind);
        }
        for (peer, entries) in behind {
            let label = PeerLabel { peer: peer.0 };
            self.lag.get_or_create(&label).set(value(entries));
        }
    }
}

/// Takes the followers of one group in, if it is led here.
fn gather(core: &Core, group: &RaftGroup, behind: &mut BTreeMap<NodeId, u64>) {
    if group.role().serving_epoch().is_none() {
        return;
    }
    let end = group.log().last_log_id().map_or(0, |last| last.index.0 + 1);
    for member in group.members() {
        let peer = member.replica.node_id;
        if peer == core.config.node_id {
            continue;
        }
        let matching = member.matching.map_or(0, |at| at.index.0 + 1);
        let worst = behind.entry(peer).or_default();
        *worst = (*worst).max(end.saturating_sub(matching));
    }
}
