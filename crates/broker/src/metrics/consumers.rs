//! The consumer groups that this node coordinates: members, and how far behind they are.
//!
//! Lag is what a group has committed against the high watermark as the replica on this node has
//! it; a partition without a replica here has no lag series here.

use floe_metadata::State;
use floe_model::GroupName;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};

use super::size;
use crate::coordinator::OffsetsReplica;
use crate::core::Core;

/// Groups with series of their own.
const GROUPS_MAX: usize = 2_000;
/// Series of lag.
const LAGS_MAX: usize = 10_000;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct GroupLabel {
    group: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct LagLabels {
    group: String,
    topic: String,
    partition: u32,
}

/// Gauges of consumer groups.
#[derive(Default)]
pub(super) struct ConsumerGauges {
    members: Family<GroupLabel, Gauge>,
    lag: Family<LagLabels, Gauge>,
}

/// One reading: what is left of the bounds, and what did not fit.
struct Room {
    groups: usize,
    lags: usize,
    omitted: usize,
}

impl ConsumerGauges {
    pub(super) fn register(&self, to: &mut Registry) {
        to.register(
            "group_members",
            "Members of a group coordinated here",
            self.members.clone(),
        );
        to.register_with_unit(
            "group_lag",
            "Records between a group's committed offset and the high watermark",
            Unit::Other("records".to_owned()),
            self.lag.clone(),
        );
    }

    /// Brings the gauges up to date; answers how many series were left out.
    pub(super) fn read(&self, core: &Core, state: &State) -> usize {
        self.members.clear();
        self.lag.clear();
        let mut room = Room {
            groups: GROUPS_MAX,
            lags: LAGS_MAX,
            omitted: 0,
        };
        for replica in core.coordinators.all() {
            if replica.serving_epoch().is_err() {
                continue;
            }
            let groups: Vec<GroupName> = replica.state.lock().groups().cloned().collect();
            for group in groups {
                self.read_group(core, state, &replica, &group, &mut room);
            }
        }
        room.omitted
    }

    fn read_group(
        &self,
        core: &Core,
        state: &State,
        replica: &OffsetsReplica,
        group: &GroupName,
        room: &mut Room,
    ) {
        if room.groups == 0 {
            room.omitted += 1;
            return;
        }
        room.groups -= 1;
        let label = GroupLabel {
            group: group.to_string(),
        };
        let members = state.group(group).map_or(0, |record| record.members.len());
        self.members.get_or_create(&label).set(size(members));
        let committed = replica.state.lock();
        for (id, stored) in committed.committed_by(group) {
            let topic = state.topic(&id.topic_id);
            let Some((topic, partition)) = topic.zip(core.partitions.get(id)) else {
                continue;
            };
            if room.lags == 0 {
                room.omitted += 1;
                continue;
            }
            room.lags -= 1;
            let labels = LagLabels {
                group: group.to_string(),
                topic: topic.name.to_string(),
                partition: id.partition.0,
            };
            let lag = partition.log().high_watermark().0 - stored.offset.0;
            self.lag.get_or_create(&labels).set(lag.max(0));
        }
    }
}
