//! The task that keeps a consumer in its group: heartbeats, rebalances, commits, farewell.
//!
//! Each heartbeat says what the member holds and hears what it should hold. A partition to be given
//! up stops at once; when the caller is done with the message in its hand (or has had its time),
//! what was processed is committed, and only then it is missing from the next heartbeat, which lets
//! the group hand it on. A new partition begins at its committed offset.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use floe_model::{ErrorCode, FencingToken};
use floe_rpc::{
    AssignedPartition, GroupHeartbeat, GroupHeartbeatReply, JoinGroup, LeaveGroup, PartitionKey,
};

use super::partition::Begin;
use super::{Group, RebalanceEvent, Shared};
use crate::routing::Call;
use crate::{Error, ErrorKind};

/// How long the farewell may take.
const LEAVE_TIMEOUT: Duration = Duration::from_secs(3);
/// Heartbeats while the group is between two assignments.
const REBALANCE_INTERVAL: Duration = Duration::from_millis(100);
/// Pause before joining again after a refusal.
const REJOIN_PAUSE: Duration = Duration::from_millis(200);

/// The membership's state.
pub(super) struct Membership {
    shared: Arc<Shared>,
    interval: Duration,
    beat_due: Duration,
    commit_due: Duration,
    is_member: bool,
    /// Partitions to be given up, and when at the latest.
    leaving: BTreeMap<PartitionKey, Duration>,
}

impl Membership {
    /// Joins the group.
    pub(super) async fn join(shared: Arc<Shared>, timeout: Duration) -> Result<Self, Error> {
        let now = shared.client.core.env.clock.now();
        let mut membership = Self {
            shared,
            interval: Duration::ZERO,
            beat_due: now,
            commit_due: now,
            is_member: false,
            leaving: BTreeMap::new(),
        };
        membership.enter(timeout).await?;
        Ok(membership)
    }

    /// Runs until the consumer is closed or dropped, then takes leave.
    pub(super) async fn run(mut self) -> Result<(), Error> {
        let stop = self.shared.stop.clone();
        loop {
            let due = if self.is_member {
                let due = self.beat_due.min(self.commit_due);
                self.leaving.values().copied().fold(due, Duration::min)
            } else {
                self.beat_due
            };
            let wait = due.saturating_sub(self.now());
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                () = self.shared.member_wake.notified() => {}
                () = tokio::time::sleep(wait) => {}
            }
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                () = self.work() => {}
            }
        }
        self.leave().await
    }

    async fn work(&mut self) {
        let now = self.now();
        if !self.is_member {
            if now >= self.beat_due
                && let Err(error) = self.enter(self.group().session_timeout).await
            {
                tracing::warn!(%error, group = %self.group().coordinator.group, "cannot join");
                self.beat_due = self.now() + REJOIN_PAUSE;
                if !error.is_retriable() {
                    self.shared.holding.lock().report(error);
                }
            }
            return;
        }
        self.give_up_finished(now).await;
        let is_nudged = self.shared.take_nudge();
        if is_nudged || self.now() >= self.beat_due {
            self.beat().await;
        }
        if let Some(interval) = self.group().auto_commit
            && self.now() >= self.commit_due
        {
            self.commit_processed().await;
            self.commit_due = self.now() + interval;
        } else if self.group().auto_commit.is_none() {
            self.commit_due = Duration::MAX;
        }
    }

    async fn enter(&mut self, timeout: Duration) -> Result<(), Error> {
        let group = self.group();
        let ask = |call: Call| {
            let request = JoinGroup {
                group: group.coordinator.group.clone(),
                member_id: self.shared.holding.lock().member_id.clone(),
                instance_id: group.instance_id.clone(),
                topics: group.topics.clone(),
                session_timeout_ms: millis(group.session_timeout),
                rebalance_timeout_ms: millis(group.rebalance_timeout),
                assignor: group.assignor,
            };
            async move { call.api.join_group(call.context, request).await }
        };
        let client = &self.shared.client;
        let asked_at = self.now();
        let reply = client
            .ask_coordinator(&group.coordinator, timeout, ask)
            .await?;
        let lease_until = asked_at + group.session_timeout;
        let mut holding = self.shared.holding.lock();
        holding.generation = reply.generation;
        holding.renew_lease(lease_until);
        drop(holding);
        let interval = Duration::from_millis(u64::from(reply.heartbeat_interval_ms));
        self.interval = interval.clamp(Duration::from_millis(20), Duration::from_secs(60));
        self.is_member = true;
        self.beat_due = self.now();
        Ok(())
    }

    async fn beat(&mut self) {
        let sent_at = self.now();
        let (request, lease_until) = {
            let holding = self.shared.holding.lock();
            let request = GroupHeartbeat {
                group: self.group().coordinator.group.clone(),
                member_id: holding.member_id.clone(),
                generation: holding.generation,
                held: holding.partitions.keys().copied().collect(),
            };
            (request, holding.lease_until)
        };
        let ask = |call: Call| {
            let request = request.clone();
            async move { call.api.group_heartbeat(call.context, request).await }
        };
        let left = lease_until.saturating_sub(sent_at).max(self.interval);
        let client = &self.shared.client;
        let outcome = client
            .ask_coordinator(&self.group().coordinator, left, ask)
            .await;
        match outcome {
            Ok(reply) => {
                let session_timeout = self.group().session_timeout;
                self.shared
                    .holding
                    .lock()
                    .renew_lease(sent_at + session_timeout);
                let pause = if reply.rebalancing {
                    REBALANCE_INTERVAL.min(self.interval)
                } else {
                    self.interval
                };
                let is_changed = self.follow(reply).await;
                // The group waits to hear what was given up, and what was taken up.
                self.beat_due = if is_changed {
                    self.now()
                } else {
                    sent_at + pause
                };
            }
            Err(error) => self.missed(&error),
        }
    }

    /// A heartbeat had no good answer.
    fn missed(&mut self, error: &Error) {
        let now = self.now();
        self.beat_due = now + REBALANCE_INTERVAL;
        let is_over = self.shared.holding.lock().lease_until <= now;
        let is_out = matches!(error.kind(), ErrorKind::Fenced | ErrorKind::NotFound);
        if !is_over && !is_out && error.is_retriable() {
            tracing::debug!(%error, "heartbeat failed");
            return;
        }
        tracing::warn!(%error, group = %self.group().coordinator.group, "membership is over");
        self.leaving.clear();
        self.shared.lose_all();
        if error.code() == Some(ErrorCode::UnknownMember) || is_over {
            let member_id = self.shared.new_member_id();
            self.shared.holding.lock().member_id = member_id;
        }
        self.is_member = false;
    }

    /// Does what the group says. Whether what the member holds has changed.
    async fn follow(&mut self, reply: GroupHeartbeatReply) -> bool {
        let now = self.now();
        let assigned = reply.assigned.into_iter().map(|a| (a.key, a));
        let assigned: BTreeMap<PartitionKey, AssignedPartition> = assigned.collect();
        let mut wanted = Vec::new();
        {
            let mut holding = self.shared.holding.lock();
            holding.generation = reply.generation;
            let held: Vec<PartitionKey> = holding.partitions.keys().copied().collect();
            for key in &held {
                match assigned.get(key) {
                    Some(AssignedPartition { token, .. }) => {
                        self.leaving.remove(key);
                        if let Some(partition) = holding.partitions.get_mut(key) {
                            partition.token = Some(*token);
                            partition.is_revoked = false;
                        }
                    }
                    None if !self.leaving.contains_key(key) => {
                        holding.quiet(*key, |partition| partition.is_revoked = true);
                        let patience = self.group().rebalance_timeout / 2;
                        self.leaving.insert(*key, now + patience);
                    }
                    None => {}
                }
            }
            for (key, assigned) in assigned {
                if !holding.partitions.contains_key(&key) {
                    wanted.push((assigned.topic, key, assigned.token));
                }
            }
        }
        self.shared.fetch_wake.notify_one();
        let is_smaller = self.give_up_finished(now).await;
        let is_larger = !wanted.is_empty() && self.take_up(wanted).await;
        is_smaller || is_larger
    }

    /// Lets go of partitions whose last message is dealt with, after a commit.
    async fn give_up_finished(&mut self, now: Duration) -> bool {
        let commits = self.group().auto_commit.is_some();
        let finished: Vec<PartitionKey> = {
            let holding = self.shared.holding.lock();
            let is_finished = |key: PartitionKey, due: Duration| match holding.partitions.get(&key)
            {
                None => true,
                Some(_) if now >= due => true,
                Some(_) if holding.is_in_hand(key) => false,
                // Without automatic commits the caller gets time for its own.
                Some(partition) => commits || !partition.has_uncommitted(),
            };
            let leaving = self.leaving.iter();
            let finished = leaving.filter(|(key, due)| is_finished(**key, **due));
            finished.map(|(key, _)| *key).collect()
        };
        if finished.is_empty() {
            return false;
        }
        if commits {
            let progress = self
                .shared
                .holding
                .lock()
                .progress(|key| finished.contains(&key));
            if let Err(error) = self
                .shared
                .commit(progress, self.group().session_timeout / 3)
                .await
            {
                // The next owner goes on from the commit before.
                tracing::warn!(%error, "revoked partitions were not committed");
            }
        }
        let mut names = Vec::new();
        {
            let mut holding = self.shared.holding.lock();
            for key in finished {
                self.leaving.remove(&key);
                names.extend(holding.remove(key).map(|partition| partition.name()));
            }
        }
        self.beat_due = self.now();
        if !names.is_empty() {
            self.shared.tell(RebalanceEvent::Revoked(names));
        }
        true
    }

    /// Starts reading new partitions from where the group is.
    async fn take_up(
        &mut self,
        wanted: Vec<(floe_model::TopicName, PartitionKey, FencingToken)>,
    ) -> bool {
        let keys = wanted.iter().map(|(_, key, _)| *key).collect();
        let timeout = self.group().session_timeout / 3;
        let client = &self.shared.client;
        let coordinator = &self.group().coordinator;
        let committed = match client
            .committed_offsets(coordinator, Some(keys), timeout)
            .await
        {
            Ok(committed) => committed,
            Err(error) => {
                // They stand in the next answer again.
                tracing::warn!(%error, "committed offsets are not known yet");
                return false;
            }
        };
        let committed = committed
            .into_iter()
            .map(|committed| (committed.key, committed.offset));
        let committed: BTreeMap<_, _> = committed.collect();
        let mut names = Vec::new();
        let mut holding = self.shared.holding.lock();
        for (topic, key, token) in wanted {
            let begin = match committed.get(&key) {
                Some(offset) => Begin::At {
                    offset: *offset,
                    is_committed: true,
                },
                None => Begin::of(self.group().start),
            };
            names.push(holding.add(key, Arc::new(topic), Some(token), begin));
        }
        drop(holding);
        self.shared.fetch_wake.notify_one();
        self.shared.tell(RebalanceEvent::Assigned(names));
        true
    }

    async fn commit_processed(&self) {
        let progress = self.shared.holding.lock().progress(|_| true);
        let timeout = self.group().session_timeout / 3;
        if let Err(error) = self.shared.commit(progress, timeout).await {
            tracing::warn!(%error, group = %self.group().coordinator.group, "commit failed");
            if error.kind() == ErrorKind::Fenced {
                self.shared.nudge();
            }
        }
    }

    /// Commits what was processed, if that is done automatically, and leaves.
    async fn leave(self) -> Result<(), Error> {
        let group = self.group();
        if !self.is_member {
            return Ok(());
        }
        let mut outcome = Ok(());
        if group.auto_commit.is_some() {
            let progress = self.shared.holding.lock().progress(|_| true);
            outcome = self.shared.commit(progress, LEAVE_TIMEOUT).await;
        }
        let ask = |call: Call| {
            let request = LeaveGroup {
                group: group.coordinator.group.clone(),
                member_id: self.shared.holding.lock().member_id.clone(),
            };
            async move { call.api.leave_group(call.context, request).await }
        };
        let client = &self.shared.client;
        let left = client
            .ask_coordinator(&group.coordinator, LEAVE_TIMEOUT, ask)
            .await;
        match left {
            // Out already is out.
            Err(error) if error.kind() != ErrorKind::Fenced => outcome.and(Err(error)),
            Ok(()) | Err(_) => outcome,
        }
    }

    fn group(&self) -> &Group {
        self.shared
            .group
            .as_ref()
            .expect("only consumers of a group have a membership")
    }

    fn now(&self) -> Duration {
        self.shared.client.core.env.clock.now()
    }
}

fn millis(duration: Duration) -> u32 {
    u32::try_from(duration.as_millis()).unwrap_or(u32::MAX)
}
