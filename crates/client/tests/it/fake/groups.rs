//! Groups of the fake cluster: every partition to one member, handed on only when its holder has
//! let go.

use std::collections::{BTreeMap, BTreeSet};

use floe_client::{ErrorCode, Offset, PartitionKey, TopicName};
use floe_model::{FencingToken, Generation};
use floe_rpc::{
    AssignedPartition, CommitOffsets, CommittedOffset, GroupHeartbeat, GroupHeartbeatReply,
    JoinGroup,
};

#[derive(Default)]
pub(crate) struct Groups {
    pub(crate) members: BTreeMap<String, BTreeSet<PartitionKey>>,
    pub(crate) offsets: BTreeMap<PartitionKey, Offset>,
    pub(crate) generation: i32,
    next_token: u64,
    /// Who may read a partition, and under which token.
    owners: BTreeMap<PartitionKey, (String, FencingToken)>,
    pub(crate) refuses_members: bool,
    /// Members in the order in which they joined.
    joined: Vec<String>,
    /// The last to join gets everything.
    pub(crate) favours_newest: bool,
}

impl Groups {
    pub(crate) fn join(&mut self, request: &JoinGroup) -> Generation {
        self.members.entry(request.member_id.clone()).or_default();
        self.joined.push(request.member_id.clone());
        self.generation += 1;
        Generation(self.generation)
    }

    /// Forgets all members, as after sessions that ran out.
    pub(crate) fn expel_all(&mut self) {
        self.members.clear();
        self.owners.clear();
        self.generation += 1;
    }

    pub(crate) fn leave(&mut self, member_id: &str) {
        self.members.remove(member_id);
        self.generation += 1;
    }

    pub(crate) fn heartbeat(
        &mut self,
        request: &GroupHeartbeat,
        partitions: &[(TopicName, PartitionKey)],
    ) -> Result<GroupHeartbeatReply, ErrorCode> {
        if self.refuses_members || !self.members.contains_key(&request.member_id) {
            return Err(ErrorCode::UnknownMember);
        }
        let held = request.held.iter().copied().collect();
        self.members.insert(request.member_id.clone(), held);
        let names: Vec<String> = self.members.keys().cloned().collect();
        let mut assigned = Vec::new();
        for (place, (topic, key)) in partitions.iter().enumerate() {
            let target = match self.joined.last() {
                Some(newest) if self.favours_newest => newest,
                _ => &names[place % names.len()],
            };
            let held_by_another = self
                .members
                .iter()
                .any(|(member, held)| member != target && held.contains(key));
            if *target != request.member_id || held_by_another {
                continue;
            }
            let owner = self.owners.get(key).filter(|(owner, _)| owner == target);
            let token = owner.map(|(_, token)| *token).unwrap_or_else(|| {
                self.next_token += 1;
                FencingToken(self.next_token)
            });
            self.owners.insert(*key, (target.clone(), token));
            assigned.push(AssignedPartition {
                key: *key,
                topic: topic.clone(),
                token,
            });
        }
        Ok(GroupHeartbeatReply {
            generation: Generation(self.generation),
            assigned,
            rebalancing: false,
        })
    }

    pub(crate) fn may_read(&self, key: PartitionKey, token: FencingToken) -> bool {
        self.owners
            .get(&key)
            .is_some_and(|(_, current)| *current == token)
    }

    pub(crate) fn commit(&mut self, request: &CommitOffsets) -> Result<(), ErrorCode> {
        for offset in &request.offsets {
            match offset.token {
                Some(token) if !self.may_read(offset.key, token) => {
                    return Err(ErrorCode::FencedToken);
                }
                None if !self.members.is_empty() => return Err(ErrorCode::GroupNotEmpty),
                _ => {}
            }
        }
        for offset in &request.offsets {
            self.offsets.insert(offset.key, offset.offset);
        }
        Ok(())
    }

    pub(crate) fn committed(&self, wanted: Option<&[PartitionKey]>) -> Vec<CommittedOffset> {
        let offsets = self.offsets.iter();
        let offsets = offsets.filter(|(key, _)| wanted.is_none_or(|wanted| wanted.contains(key)));
        let committed = offsets.map(|(key, offset)| CommittedOffset {
            key: *key,
            offset: *offset,
            leader_epoch: floe_client::LeaderEpoch(-1),
        });
        committed.collect()
    }
}
