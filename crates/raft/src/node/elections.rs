//! Makes leaders for leaderless groups: founds, asks for agreement, stands, renews leases.
//!
//! One task works off the detector's queue. Before a replica stands it asks the group's other
//! voters: only when a majority holds the group to be leaderless may a leader be deposed, so
//! that one node with a broken view disturbs nobody.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use floe_model::{NodeId, RaftGroupId};
use floe_rpc::{AgreeLeaderless, LeaderlessQuestion, LeaderlessVerdict, Route};
use futures::FutureExt as _;
use futures::future::{BoxFuture, join, join_all};
use openraft::ReadPolicy;
use tokio::time::timeout;

use super::core::NodeCore;
use crate::Voter;
use crate::binding::type_config::Home;
use crate::liveness::Due;

/// Groups worked on at once.
const AT_ONCE: usize = 64;
/// Time for a voter to say whether it agrees.
const AGREE_TIMEOUT: Duration = Duration::from_millis(200);
/// Time for one group to take what it is told.
const WORK_TIMEOUT: Duration = Duration::from_millis(500);
/// Longest sleep without anything due.
const IDLE: Duration = Duration::from_secs(3600);

pub(crate) async fn elect_leaders(core: Arc<NodeCore>) {
    loop {
        let now = core.now();
        let due = core.liveness.lock().due(now, AT_ONCE);
        if due.is_empty() {
            let next = core.liveness.lock().next_due();
            let wait = next.map_or(IDLE, |at| at.saturating_sub(core.now()));
            tokio::select! {
                () = core.stop.cancelled() => return,
                () = core.queue_wake.notified() => {}
                () = tokio::time::sleep(wait) => {}
            }
            continue;
        }
        tokio::select! {
            () = core.stop.cancelled() => return,
            () = work_off(&core, due) => {}
        }
    }
}

async fn work_off(core: &NodeCore, due: Vec<Due>) {
    let mut standing = Vec::new();
    let mut others: Vec<BoxFuture<'_, ()>> = Vec::new();
    for due in due {
        match due {
            Due::Stand(group) => standing.push(group),
            Due::Found(group, founders) => others.push(found(core, group, founders).boxed()),
            Due::Heartbeat(group) => others.push(heartbeat(core, group).boxed()),
            Due::Confirm(group) => others.push(confirm(core, group).boxed()),
        }
    }
    // A group whose core is stuck must not hold up the elections of the others.
    let others = others.into_iter().map(|work| timeout(WORK_TIMEOUT, work));
    join(stand(core, standing), join_all(others)).await;
}

/// Initialises a group with exactly its founders. Openraft refuses it when anything is in the
/// log already, and several founders may do it: the set is the same.
async fn found(core: &NodeCore, group: RaftGroupId, founders: Vec<Voter>) {
    let Some(replica) = core.replica(group) else {
        return;
    };
    let homes = founders.iter().map(|founder| {
        let home = Home {
            node_id: founder.node_id,
            node_uuid: founder.node_uuid,
        };
        (founder.replica_id.0, home)
    });
    let homes: BTreeMap<u64, Home> = homes.collect();
    match replica.raft.initialize(homes).await {
        Ok(()) => tracing::debug!(%group, "initialised"),
        Err(error) => tracing::debug!(%group, %error, "not initialised"),
    }
}

async fn heartbeat(core: &NodeCore, group: RaftGroupId) {
    if let Some(replica) = core.replica(group)
        && let Err(error) = replica.raft.trigger().heartbeat().await
    {
        tracing::debug!(%group, %error, "no heartbeat");
    }
}

/// Asks a majority whether this node still leads; then the fence of the group comes down.
async fn confirm(core: &NodeCore, group: RaftGroupId) {
    let Some(replica) = core.replica(group) else {
        return;
    };
    let epoch = replica.role.borrow().epoch;
    let confirmed = replica
        .raft
        .ensure_linearizable(ReadPolicy::ReadIndex)
        .await;
    if confirmed.is_ok() && core.liveness.lock().confirmed(group, epoch) {
        replica.signals.wake.notify_one();
        core.beat_early.send_replace(());
    }
}

/// Asks the other voters of all `groups`, one call per node, and stands where a majority agrees.
async fn stand(core: &NodeCore, groups: Vec<RaftGroupId>) {
    if groups.is_empty() {
        return;
    }
    let mut questions: BTreeMap<NodeId, Vec<LeaderlessQuestion>> = BTreeMap::new();
    for group in &groups {
        for (node, question) in questions_of(core, *group) {
            questions.entry(node).or_default().push(question);
        }
    }
    let asked = questions
        .into_iter()
        .map(|(node, questions)| ask(core, node, questions));
    let mut agreeing: BTreeMap<RaftGroupId, BTreeSet<NodeId>> = BTreeMap::new();
    let mut shorter = BTreeSet::new();
    for (node, verdicts) in join_all(asked).await {
        for (group, verdict) in verdicts {
            match verdict {
                LeaderlessVerdict::Agreed => {
                    agreeing.entry(group).or_default().insert(node);
                }
                LeaderlessVerdict::LongerLog => {
                    shorter.insert(group);
                }
                LeaderlessVerdict::HasLeader | LeaderlessVerdict::MayNotVote => {}
            }
        }
    }
    let mut candidates = Vec::new();
    for group in groups {
        let agreed = agreeing.remove(&group).unwrap_or_default();
        if core.liveness.lock().is_majority(group, &agreed) {
            candidates.push(timeout(WORK_TIMEOUT, elect(core, group)));
        } else if shorter.contains(&group) {
            let now = core.now();
            core.liveness.lock().yield_turn(group, now);
        }
    }
    join_all(candidates).await;
}

async fn elect(core: &NodeCore, group: RaftGroupId) {
    let Some(replica) = core.replica(group) else {
        return;
    };
    tracing::debug!(%group, "stands for leader");
    if let Err(error) = replica.raft.trigger().elect(false).await {
        tracing::debug!(%group, %error, "cannot stand");
    }
}

/// What to ask the other voters of a group, as far as they may be alive.
fn questions_of(core: &NodeCore, group: RaftGroupId) -> Vec<(NodeId, LeaderlessQuestion)> {
    let Some(replica) = core.replica(group) else {
        return Vec::new();
    };
    let last_log_id = replica
        .log
        .last_log_id()
        .or_else(|| replica.log.log_start());
    let liveness = core.liveness.lock();
    let Some(facts) = liveness.facts(group) else {
        return Vec::new();
    };
    let others = facts
        .order(group)
        .into_iter()
        .filter(|voter| voter.node_id != core.config.node_id && !liveness.suspects(voter.node_id));
    let ask = |voter: Voter| {
        let route = Route {
            group,
            from: replica.spec.replica_id,
            to: voter.replica_id,
            to_node_uuid: voter.node_uuid,
        };
        (voter.node_id, LeaderlessQuestion { route, last_log_id })
    };
    others.map(ask).collect()
}

async fn ask(
    core: &NodeCore,
    node: NodeId,
    questions: Vec<LeaderlessQuestion>,
) -> (NodeId, Vec<(RaftGroupId, LeaderlessVerdict)>) {
    let groups: Vec<_> = questions
        .iter()
        .map(|question| question.route.group)
        .collect();
    let Some(link) = core.links.get(node) else {
        return (node, Vec::new());
    };
    let question = AgreeLeaderless { questions };
    let call = link.control(AGREE_TIMEOUT, |api, ctx| async move {
        api.agree_leaderless(ctx, question).await
    });
    let verdicts = call.await.map(|reply| reply.verdicts).unwrap_or_default();
    (node, groups.into_iter().zip(verdicts).collect())
}
