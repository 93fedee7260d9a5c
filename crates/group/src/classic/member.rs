//! One member of a classic group as its coordinator knows it.

use floe_model::MemberId;

use super::profile::Profile;
use super::{Join, JoinedMember, Protocol, Ticket, subscribed_topics};
use crate::RecordedMember;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Member {
    pub(super) instance_id: Option<String>,
    pub(super) client_id: String,
    pub(super) client_host: String,
    pub(super) session_timeout_ms: u32,
    pub(super) rebalance_timeout_ms: u32,
    pub(super) protocols: Vec<Protocol>,
    pub(super) assignment: Vec<u8>,
    pub(super) last_seen_ms: u64,
    pub(super) joining: Option<Ticket>,
    pub(super) syncing: Option<Ticket>,
}

impl Member {
    pub(super) fn joined(join: Join, now_ms: u64) -> Self {
        Self {
            instance_id: join.instance_id,
            client_id: join.client_id,
            client_host: join.client_host,
            session_timeout_ms: join.session_timeout_ms,
            rebalance_timeout_ms: join.rebalance_timeout_ms,
            protocols: join.protocols,
            assignment: Vec::new(),
            last_seen_ms: now_ms,
            joining: None,
            syncing: None,
        }
    }

    /// A member of a former coordinator, with its protocol type and whether it led; `None` if
    /// its profile cannot be read, in which case it has to join again.
    pub(super) fn restored(record: &RecordedMember, now_ms: u64) -> Option<(Self, String, bool)> {
        let profile = Profile::decode(&record.subscription).ok()?;
        let member = Self {
            instance_id: record.instance_id.clone(),
            client_id: profile.client_id,
            client_host: profile.client_host,
            session_timeout_ms: record.session_timeout_ms,
            rebalance_timeout_ms: record.rebalance_timeout_ms,
            protocols: profile.protocols,
            assignment: Vec::new(),
            last_seen_ms: now_ms,
            joining: None,
            syncing: None,
        };
        Some((member, profile.protocol_type, profile.is_leader))
    }

    pub(super) fn record(&self, protocol_type: &str, is_leader: bool) -> RecordedMember {
        let profile = Profile {
            is_leader,
            client_id: self.client_id.clone(),
            client_host: self.client_host.clone(),
            protocol_type: protocol_type.to_owned(),
            protocols: self.protocols.clone(),
        };
        RecordedMember {
            instance_id: self.instance_id.clone(),
            session_timeout_ms: self.session_timeout_ms,
            rebalance_timeout_ms: self.rebalance_timeout_ms,
            subscription: profile.encode(),
            member_epoch: 0,
        }
    }

    /// Takes over what the member says of itself now.
    pub(super) fn update(&mut self, join: Join, now_ms: u64) {
        self.client_id = join.client_id;
        self.client_host = join.client_host;
        self.session_timeout_ms = join.session_timeout_ms;
        self.rebalance_timeout_ms = join.rebalance_timeout_ms;
        self.protocols = join.protocols;
        self.last_seen_ms = now_ms;
    }

    /// When the member is out unless it acts; never while it waits for an answer.
    pub(super) fn deadline_ms(&self) -> Option<u64> {
        let is_waiting = self.joining.is_some() || self.syncing.is_some();
        (!is_waiting).then(|| {
            self.last_seen_ms
                .saturating_add(self.session_timeout_ms.into())
        })
    }

    pub(super) fn metadata(&self, protocol: &str) -> Vec<u8> {
        let found = self.protocols.iter().find(|one| one.name == protocol);
        found.map(|one| one.metadata.clone()).unwrap_or_default()
    }

    pub(super) fn as_joined(&self, member_id: &MemberId, protocol: &str) -> JoinedMember {
        JoinedMember {
            member_id: member_id.clone(),
            instance_id: self.instance_id.clone(),
            metadata: self.metadata(protocol),
        }
    }

    /// Whether another description of it asks for the same: the same bytes, or of a consumer
    /// the same topics (it also says which partitions it had, and that is not a wish).
    pub(super) fn wants_same(
        &self,
        protocols: &[Protocol],
        protocol: &str,
        is_consumer: bool,
    ) -> bool {
        let theirs = protocols.iter().find(|one| one.name == protocol);
        let theirs = theirs.map(|one| one.metadata.as_slice());
        let mine = self.metadata(protocol);
        let topics = subscribed_topics(&mine).filter(|_| is_consumer);
        theirs == Some(mine.as_slice())
            || (topics.is_some() && topics == theirs.and_then(subscribed_topics))
    }

    /// What it takes in the group's record, bytes.
    pub(super) fn size_bytes(&self) -> usize {
        let text = self.client_id.len() + self.client_host.len();
        let instance = self.instance_id.as_ref().map_or(0, String::len);
        text + instance + protocols_bytes(&self.protocols) + FIXED_BYTES
    }
}

/// Ids, timeouts and lengths of a member's record, at most nearly.
pub(super) const FIXED_BYTES: usize = 128;

pub(super) fn protocols_bytes(protocols: &[Protocol]) -> usize {
    let bytes = |one: &Protocol| one.name.len() + one.metadata.len() + 16;
    protocols.iter().map(bytes).sum()
}
