//! One member of a consumer group as its coordinator knows it.

use std::collections::BTreeSet;

use floe_model::{TopicIdPartition, TopicName};

use super::profile::Profile;
use super::{Assignor, Heartbeat, InvalidPattern, STATIC_LEAVE_EPOCH, TopicPattern, Topics};
use crate::RecordedMember;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Member {
    pub(super) instance_id: Option<String>,
    pub(super) rack: Option<String>,
    pub(super) client_id: String,
    pub(super) client_host: String,
    pub(super) rebalance_timeout_ms: u32,
    pub(super) topics: BTreeSet<TopicName>,
    pub(super) pattern: Option<TopicPattern>,
    pub(super) assignor: Option<Assignor>,
    pub(super) epoch: i32,
    /// The one before: an answer that was lost leaves the member there.
    pub(super) previous_epoch: i32,
    /// The epoch in the fence in force.
    pub(super) fenced_epoch: i32,
    /// What it is told to hold.
    pub(super) assigned: BTreeSet<TopicIdPartition>,
    /// What it was told to give up and may still hold.
    pub(super) revoking: BTreeSet<TopicIdPartition>,
    /// What it is to hold in the end.
    pub(super) target: BTreeSet<TopicIdPartition>,
    pub(super) last_seen_ms: u64,
    /// Since when it owes what it was told to give up.
    pub(super) revoking_since_ms: u64,
}

impl Member {
    /// One that holds nothing and wants nothing yet.
    pub(super) fn new(now_ms: u64) -> Self {
        Self {
            instance_id: None,
            rack: None,
            client_id: String::new(),
            client_host: String::new(),
            rebalance_timeout_ms: 0,
            topics: BTreeSet::new(),
            pattern: None,
            assignor: None,
            epoch: 0,
            previous_epoch: 0,
            fenced_epoch: 0,
            assigned: BTreeSet::new(),
            revoking: BTreeSet::new(),
            target: BTreeSet::new(),
            last_seen_ms: now_ms,
            revoking_since_ms: now_ms,
        }
    }

    /// A member of a former coordinator, and the epoch of its target; `None` if its profile
    /// cannot be read, in which case it has to join again.
    pub(super) fn restored(record: &RecordedMember, now_ms: u64) -> Option<(Self, i32)> {
        let profile = Profile::decode(&record.subscription).ok()?;
        let pattern = profile.pattern.as_deref().map(TopicPattern::new);
        let member = Self {
            instance_id: record.instance_id.clone(),
            rack: profile.rack,
            client_id: profile.client_id,
            client_host: profile.client_host,
            rebalance_timeout_ms: record.rebalance_timeout_ms,
            topics: profile.topics,
            pattern: pattern.transpose().ok()?,
            assignor: profile.assignor,
            epoch: record.member_epoch,
            previous_epoch: profile.previous_epoch,
            fenced_epoch: record.member_epoch,
            assigned: profile.assigned.partitions(),
            revoking: profile.revoking.partitions(),
            target: profile.target.partitions(),
            last_seen_ms: now_ms,
            revoking_since_ms: now_ms,
        };
        Some((member, profile.target_epoch))
    }

    pub(super) fn record(&self, target_epoch: i32, session_timeout_ms: u32) -> RecordedMember {
        let profile = Profile {
            client_id: self.client_id.clone(),
            client_host: self.client_host.clone(),
            rack: self.rack.clone(),
            topics: self.topics.clone(),
            pattern: self.pattern.as_ref().map(|one| one.as_str().to_owned()),
            assignor: self.assignor,
            previous_epoch: self.previous_epoch,
            target_epoch,
            assigned: (&self.assigned).into(),
            revoking: (&self.revoking).into(),
            target: (&self.target).into(),
        };
        RecordedMember {
            instance_id: self.instance_id.clone(),
            session_timeout_ms,
            rebalance_timeout_ms: self.rebalance_timeout_ms,
            subscription: profile.encode(),
            member_epoch: self.epoch,
        }
    }

    /// Takes over what the member says of itself now. The subscription has changed if its
    /// topics, its pattern or the way to assign that it prefers did.
    pub(super) fn update(&mut self, beat: &Heartbeat) -> Result<Changed, InvalidPattern> {
        let before = self.clone();
        match beat.pattern.as_deref() {
            None => {}
            Some("") => self.pattern = None,
            Some(text)
                if self
                    .pattern
                    .as_ref()
                    .is_some_and(|one| one.as_str() == text) => {}
            Some(text) => self.pattern = Some(TopicPattern::new(text)?),
        }
        if let Some(topics) = &beat.topics {
            self.topics.clone_from(topics);
        }
        self.assignor = beat.assignor.or(self.assignor);
        self.rebalance_timeout_ms = beat
            .rebalance_timeout_ms
            .unwrap_or(self.rebalance_timeout_ms);
        if beat.instance_id.is_some() {
            self.instance_id.clone_from(&beat.instance_id);
        }
        if beat.rack.is_some() {
            self.rack.clone_from(&beat.rack);
        }
        self.client_id.clone_from(&beat.client_id);
        self.client_host.clone_from(&beat.client_host);
        let subscribes_as = |one: &Self| (one.topics.clone(), one.pattern.clone(), one.assignor);
        Ok(match () {
            () if subscribes_as(self) != subscribes_as(&before) => Changed::Subscription,
            () if *self != before => Changed::Description,
            () => Changed::Nothing,
        })
    }

    /// It was heard of; one that is away has to come back first.
    pub(super) fn live(&mut self, now_ms: u64) {
        if !self.is_away() {
            self.last_seen_ms = now_ms;
        }
    }

    /// Whether it is a static member that left to come back.
    pub(super) fn is_away(&self) -> bool {
        self.epoch == STATIC_LEAVE_EPOCH
    }

    /// Whether it has all it is to have, and nothing else, in `epoch`.
    pub(super) fn is_settled(&self, epoch: i32) -> bool {
        self.epoch == epoch && self.revoking.is_empty() && self.assigned == self.target
    }

    /// Every topic it reads, of those that exist.
    pub(super) fn reads(&self, topics: &Topics) -> BTreeSet<TopicName> {
        let matches = |name: &&TopicName| {
            let pattern = self.pattern.as_ref();
            pattern.is_some_and(|pattern| pattern.matches(name.as_str()))
        };
        let matched = topics.keys().filter(matches).cloned();
        matched.chain(self.topics.iter().cloned()).collect()
    }

    /// When the member is out unless it acts.
    pub(super) fn deadline_ms(&self, session_timeout_ms: u32) -> u64 {
        let session = self.last_seen_ms.saturating_add(session_timeout_ms.into());
        if self.revoking.is_empty() {
            return session;
        }
        let owed = self.revoking_since_ms;
        session.min(owed.saturating_add(self.rebalance_timeout_ms.into()))
    }

    /// What it says of itself takes in the group's record, bytes.
    pub(super) fn words_bytes(&self) -> usize {
        let texts = [&self.instance_id, &self.rack].into_iter().flatten();
        let texts: usize = texts.map(String::len).sum();
        let pattern = self.pattern.as_ref().map_or(0, |one| one.as_str().len());
        let topics = self.topics.iter().map(|one| one.as_str().len() + 8);
        let names = self.client_id.len() + self.client_host.len();
        texts + pattern + topics.sum::<usize>() + names + FIXED_BYTES
    }
}

/// Ids, epochs, timeouts and lengths of a member's record, at most nearly.
const FIXED_BYTES: usize = 160;

/// What a heartbeat changed of its member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Changed {
    Nothing,
    Description,
    Subscription,
}
