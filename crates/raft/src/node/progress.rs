//! Withdraws leaderships whose proposals get no answer.
//!
//! A leader whose control connections work but whose data link or journal hangs would keep its
//! claim while nothing commits. Only groups with proposals waiting are looked at, so idle groups
//! cost nothing.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use floe_model::RaftGroupId;

use super::core::NodeCore;
use crate::replica::Replica;

/// How often the waiting groups are looked at.
const LOOK_INTERVAL: Duration = Duration::from_millis(500);
/// Proposals without any answer for this long mean that the leader is stuck.
const STUCK_AFTER: Duration = Duration::from_secs(2);

impl NodeCore {
    /// Remembers that a group has proposals that wait.
    pub(crate) fn note_waiting(&self, replica: &Replica) {
        if !replica.signals.watched.swap(true, Ordering::AcqRel) {
            self.waiting.lock().insert(replica.spec.group);
            self.waiting_wake.notify_one();
        }
    }

    /// Whether every proposal of the replica was answered.
    fn is_quiet(&self, replica: &Replica) -> bool {
        replica.budget.available_permits() >= self.config.group_proposal_bytes
    }
}

/// Where a group stood at some time.
#[derive(Clone, Copy)]
struct Stand {
    applied: u64,
    since: Duration,
    stuck: bool,
}

pub(crate) async fn watch_progress(core: Arc<NodeCore>) {
    let mut stands = BTreeMap::new();
    loop {
        if core.waiting.lock().is_empty() {
            tokio::select! {
                () = core.stop.cancelled() => return,
                () = core.waiting_wake.notified() => {}
            }
        }
        tokio::select! {
            () = core.stop.cancelled() => return,
            () = tokio::time::sleep(LOOK_INTERVAL) => {}
        }
        let waiting: Vec<_> = core.waiting.lock().iter().copied().collect();
        for group in waiting {
            look(&core, group, &mut stands);
        }
    }
}

fn look(core: &NodeCore, group: RaftGroupId, stands: &mut BTreeMap<RaftGroupId, Stand>) {
    let now = core.now();
    let replica = core.replica(group);
    let Some(replica) = replica.filter(|replica| !replica.is_stopped()) else {
        core.waiting.lock().remove(&group);
        stands.remove(&group);
        return;
    };
    let applied = replica.signals.applied_count();
    let stand = stands.entry(group).or_insert(Stand {
        applied,
        since: now,
        stuck: false,
    });
    let quiet = core.is_quiet(&replica);
    if quiet || stand.applied != applied {
        (stand.applied, stand.since) = (applied, now);
    }
    let stuck = now.saturating_sub(stand.since) >= STUCK_AFTER;
    if stuck != std::mem::replace(&mut stand.stuck, stuck) {
        if stuck {
            tracing::warn!(%group, "proposals get no answer: leadership is withdrawn");
        }
        let effects = core.liveness.lock().set_stuck(group, stuck, now);
        core.carry_out(&effects);
        core.queue_wake.notify_one();
    }
    if quiet && !stuck {
        stands.remove(&group);
        core.waiting.lock().remove(&group);
        replica.signals.watched.store(false, Ordering::Release);
        // One that came between the look and the store is watched again.
        if !core.is_quiet(&replica) {
            core.note_waiting(&replica);
        }
    }
}
