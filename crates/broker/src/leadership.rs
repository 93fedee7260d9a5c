//! Follows the roles of this node's replicas and tells the controller which groups it leads.
//!
//! Reports are made when a leader can serve, in batches: while one batch is on its way, the next
//! changes gather. A report that did not get through is made again, if it is still true.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use floe_metadata::{Command, LeaderReport, State};
use floe_model::RaftGroupId;
use floe_raft::RoleState;

use crate::core::{Core, METADATA_TIMEOUT};
use crate::{NodeFailure, layout};

/// Most groups in one report.
const REPORT_GROUPS_MAX: usize = 4096;
/// Between two attempts after one failed.
const RETRY: Duration = Duration::from_millis(50);

/// Runs until it is dropped.
pub(crate) async fn run(core: Arc<Core>) {
    let mut unreported: BTreeSet<RaftGroupId> = BTreeSet::new();
    loop {
        let changed = if unreported.is_empty() {
            core.raft.changed().await
        } else {
            // Running out is the ordinary case.
            tokio::time::timeout(RETRY, core.raft.changed())
                .await
                .unwrap_or_default()
        };
        for &group in &changed {
            role_changed(&core, group);
        }
        unreported.extend(changed);
        let state = core.metadata.state();
        if state.formation().is_none() {
            continue;
        }
        let leaders: Vec<_> = unreported
            .iter()
            .filter_map(|&group| Some((group, report(&core, &state, group)?)))
            .take(REPORT_GROUPS_MAX)
            .collect();
        if leaders.is_empty() {
            unreported.clear();
            continue;
        }
        let reported: Vec<_> = leaders.iter().map(|(group, _)| *group).collect();
        let command = Command::ReportLeaders { leaders };
        match core.controller.propose(&command, METADATA_TIMEOUT).await {
            Ok(_) => {
                for group in reported {
                    unreported.remove(&group);
                }
            }
            Err(error) => tracing::warn!(%error, "leaders not reported"),
        }
    }
}

/// A partition that may serve no more lets go of what waits in it: its outcome may never come.
/// A replica that ended by an error is opened again, or replaced if it is damaged; without
/// metadata the node is no use.
fn role_changed(core: &Arc<Core>, group: RaftGroupId) {
    let role = core.raft.group(group).map(|raft| raft.role());
    if role.is_some_and(|role| role.state == RoleState::Stopped) && !core.stop.is_cancelled() {
        if group == RaftGroupId::METADATA {
            core.fail(NodeFailure::MetadataStopped);
        } else if core
            .raft
            .group(group)
            .is_some_and(|raft| raft.log().is_damaged().is_some())
        {
            core.look_again.notify_one();
        } else {
            core.spawn_until_stop(layout::reopen(Arc::clone(core), group));
        }
    }
    if role.is_some_and(|role| role.serving_epoch().is_some()) {
        core.metrics.leader_changes.inc();
        core.led.send_replace(());
    } else if let Some(partition) = core.partitions.by_group(group) {
        partition.let_go();
    }
}

/// What is to be said of a group: that this node leads it and metadata does not know.
fn report(core: &Core, state: &State, group: RaftGroupId) -> Option<LeaderReport> {
    if group == RaftGroupId::METADATA {
        return None;
    }
    let epoch = core.raft.group(group)?.role().serving_epoch()?;
    let report = LeaderReport {
        node_id: core.config.node_id,
        epoch,
    };
    (state.replica_set(group)?.leader != Some(report)).then_some(report)
}
