//! The sign of life to each peer, and the watch over theirs.
//!
//! One task per peer sends a beat every interval, over the control connection, with what this
//! node leads; the answer proves that the peer hears us. Of a pair with nothing to tell, the node
//! with the lower id does it for both: its next beat proves that it got our answer. What a
//! restarted replica's log ends with is told to each peer along the way.
//!
//! An idle node does little else, so wake-ups are its whole cost: one timer per node looks at the
//! time, sends the heartbeats of groups with timers, and wakes the peers' tasks in two turns. A
//! wake-up that leads to one task stays on its thread; one that leads to several wakes another.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use floe_model::NodeId;
use floe_rpc::{BeatReply, LastLogIds, LinkState, PeerLink};
use futures::FutureExt as _;
use tokio::sync::watch;
use tokio::time::MissedTickBehavior;

use super::core::NodeCore;
use crate::RoleState;
use crate::liveness::Told;

/// A beat without an answer for this long has failed.
const BEAT_TIMEOUT: Duration = Duration::from_secs(1);
/// Time for a peer to check the ends of some logs.
const CHECK_TIMEOUT: Duration = Duration::from_secs(2);
/// Least time between beats that do not wait for the interval.
const EARLY_PACE: Duration = Duration::from_millis(10);
/// Logs checked in one call.
const CHECK_MAX: usize = 1000;

/// The node's clock: looks at the time for the detector and wakes what is due, until the node
/// stops.
pub(crate) async fn keep_time(core: Arc<NodeCore>) {
    let period = core.liveness.lock().tick_interval();
    let mut ticks = tokio::time::interval(period);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut heartbeat_at = Duration::ZERO;
    for turn in core.beat_turns.iter().cycle() {
        tokio::select! {
            () = core.stop.cancelled() => return,
            _ = ticks.tick() => {}
        }
        let now = core.now();
        let effects = core.liveness.lock().tick(now);
        core.carry_out(&effects);
        turn.send_replace(());
        // Half a tick early rather than a whole one late.
        if now + period / 2 >= heartbeat_at {
            heartbeat_at = now + core.config.timer_heartbeat;
            send_heartbeats(&core);
        }
    }
}

/// Sends the heartbeats of the groups with timers that this node leads.
fn send_heartbeats(core: &NodeCore) {
    for replica in core.timed() {
        let leads = matches!(
            replica.role.borrow().state,
            RoleState::Leader { .. } | RoleState::Fenced
        );
        // A group that does not even take the message is stuck: the next one will tell.
        if leads && let Some(Err(error)) = replica.raft.trigger().heartbeat().now_or_never() {
            tracing::debug!(group = %replica.spec.group, %error, "no heartbeat");
        }
    }
}

/// Beats to one peer until its link is replaced or the node stops.
pub(crate) async fn beat_to(core: Arc<NodeCore>, node: NodeId, link: PeerLink) {
    let started = core.peers_started.fetch_add(1, Ordering::Relaxed);
    let mut turns = core.beat_turns[started % 2].subscribe();
    let mut state = link.state();
    let mut early = core.beat_early.subscribe();
    let mut told = Told::default();
    loop {
        tokio::select! {
            () = core.stop.cancelled() => return,
            changed = state.changed() => {
                if changed.is_err() {
                    return;
                }
                // A new connection is beaten on at once: until then the peer is not reached.
                told = Told::default();
                note_link(&core, node, &state);
            }
            _ = turns.changed() => {
                if !core.liveness.lock().must_beat(node, told, core.now()) {
                    continue;
                }
            }
            // A replica was opened: its log is to be checked before it can be added to.
            _ = early.changed() => {
                early.borrow_and_update();
                tokio::time::sleep(EARLY_PACE).await;
            }
        }
        if matches!(*state.borrow(), LinkState::Down { .. }) {
            continue;
        }
        tokio::select! {
            () = core.stop.cancelled() => return,
            next = beat(&core, node, &link, told) => told = next,
        }
    }
}

/// A handshake proves life; a refused connection proves the end of the process.
fn note_link(core: &NodeCore, node: NodeId, state: &watch::Receiver<LinkState>) {
    let now = core.now();
    let effects = match &*state.borrow() {
        LinkState::Up { identity } => core.liveness.lock().met(identity, now),
        LinkState::Down { refused: true, .. } => core.liveness.lock().refused(node, now),
        LinkState::Down { refused: false, .. } => return,
    };
    core.carry_out(&effects);
}

async fn beat(core: &NodeCore, node: NodeId, link: &PeerLink, told: Told) -> Told {
    let (frame, next) = core.liveness.lock().frame(told);
    let sent = core.now();
    let call = link.control(BEAT_TIMEOUT, |api, ctx| async move {
        api.beat(ctx, frame).await
    });
    match call.await {
        Ok(BeatReply::Heard) => {
            let now = core.now();
            let effects = core.liveness.lock().reached(node, sent, now);
            core.carry_out(&effects);
            check_logs(core, node, link).await;
            next
        }
        Ok(BeatReply::Restart) | Err(_) => Told::default(),
    }
}

/// Lets the replicas on `node` check the ends of logs that existed before this start.
async fn check_logs(core: &NodeCore, node: NodeId, link: &PeerLink) {
    let open = core.liveness.lock().logs_to_check(node, CHECK_MAX);
    if open.is_empty() {
        return;
    }
    let question = LastLogIds { logs: open.clone() };
    let call = link.control(CHECK_TIMEOUT, |api, ctx| async move {
        api.last_log_ids(ctx, question).await
    });
    let Ok(reply) = call.await else { return };
    let answered = core.liveness.lock().still_unchecked(node, &open);
    for group in reply
        .damaged
        .iter()
        .filter(|group| answered.contains(group))
    {
        if let Some(replica) = core.replica(*group) {
            tracing::error!(%group, %node, "the log on this disk lost entries it had acknowledged");
            replica.log.mark_damaged();
            replica.signals.mark_damaged();
        }
    }
    core.liveness.lock().checked(node, answered.into_iter());
    core.queue_wake.notify_one();
}
