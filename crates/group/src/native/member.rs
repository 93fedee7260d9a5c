//! One member as its coordinator knows it.

use std::collections::BTreeSet;

use floe_model::TopicIdPartition;

use super::{Join, Subscription};
use crate::RecordedMember;

/// Heartbeats in one session timeout, as far as the interval stays within its bounds.
const HEARTBEATS_PER_SESSION: u32 = 10;
const HEARTBEAT_INTERVAL_MS: std::ops::RangeInclusive<u32> = 50..=500;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Member {
    /// As the next coordinator is to find it.
    pub(super) record: RecordedMember,
    /// The same subscription, decoded.
    pub(super) subscription: Subscription,
    pub(super) last_seen_ms: u64,
    /// Partitions it owns and has given up, never named to it since.
    pub(super) released: BTreeSet<TopicIdPartition>,
    /// Since when it owes a partition.
    pub(super) revoked_at_ms: Option<u64>,
}

impl Member {
    pub(super) fn joined(join: Join, now_ms: u64) -> Self {
        let record = RecordedMember {
            instance_id: join.instance_id,
            session_timeout_ms: join.session_timeout_ms,
            rebalance_timeout_ms: join.rebalance_timeout_ms,
            subscription: join.subscription.encode(),
            member_epoch: 0,
        };
        Self::alive(record, join.subscription, now_ms)
    }

    /// A member of a former coordinator; `None` if its subscription cannot be read, in which
    /// case it has to join again.
    pub(super) fn restored(record: &RecordedMember, now_ms: u64) -> Option<Self> {
        let subscription = Subscription::decode(&record.subscription).ok()?;
        Some(Self::alive(record.clone(), subscription, now_ms))
    }

    fn alive(record: RecordedMember, subscription: Subscription, now_ms: u64) -> Self {
        let (last_seen_ms, released) = (now_ms, BTreeSet::new());
        Self {
            record,
            subscription,
            last_seen_ms,
            released,
            revoked_at_ms: None,
        }
    }

    pub(super) fn heartbeat_interval_ms(&self) -> u32 {
        let (min, max) = HEARTBEAT_INTERVAL_MS.into_inner();
        (self.record.session_timeout_ms / HEARTBEATS_PER_SESSION).clamp(min, max)
    }

    /// When the member is out unless it acts.
    pub(super) fn deadline_ms(&self) -> u64 {
        let session = self
            .last_seen_ms
            .saturating_add(self.record.session_timeout_ms.into());
        let owed = |since: u64| since.saturating_add(self.record.rebalance_timeout_ms.into());
        self.revoked_at_ms
            .map_or(session, |since| session.min(owed(since)))
    }
}
