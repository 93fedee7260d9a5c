//! What a tenure tells of its groups.

use std::collections::BTreeMap;

use floe_metadata::offsets_partition_of;
use floe_model::{ErrorCode, GroupKind, GroupName};
use floe_rpc::Failure;

use super::Tenure;
use crate::coordinator::ask::{
    Described, DescribedMember, DescribedNative, GroupState, ListedGroup, Readership,
};
use crate::coordinator::membership::Membership;

impl Tenure {
    pub(super) fn describe(&mut self, name: &GroupName) -> Result<Described, Failure> {
        if !self.is_known(name) {
            return Err(ErrorCode::UnknownGroup.into());
        }
        self.find_as_it_is(name)?;
        let group = match self.groups.get(name).ok_or(ErrorCode::Internal)? {
            Membership::Native(group) => group,
            Membership::Classic(group) => return Ok(Described::Classic(group.describe())),
            Membership::Consumer(group) => return Ok(Described::Consumer(group.describe())),
        };
        let mut assignor = None;
        let members = group
            .members()
            .map(|(member_id, subscription, instance_id)| {
                assignor.get_or_insert(subscription.assignor);
                let owned = group
                    .owners()
                    .iter()
                    .filter(|(_, owned)| owned.member_id == *member_id);
                DescribedMember {
                    member_id: member_id.clone(),
                    instance_id: instance_id.map(str::to_owned),
                    subscription: subscription.clone(),
                    partitions: owned.map(|(&id, _)| id).collect(),
                }
            });
        let members = members.collect();
        Ok(Described::Native(DescribedNative {
            phase: group.phase(),
            generation: group.generation(),
            assignor: assignor.unwrap_or_default(),
            members,
        }))
    }

    /// Which of `topics` members of the group read. Of members that are no consumers nobody knows.
    pub(super) fn readership(
        &self,
        name: &GroupName,
        topics: &[String],
    ) -> Result<Readership, Failure> {
        let group = self.groups.get(name);
        let Some(group) = group.filter(|group| group.member_count() > 0) else {
            return Ok(Readership {
                generation: None,
                is_read: vec![false; topics.len()],
            });
        };
        if !group.is_of_consumers() {
            return Err(ErrorCode::GroupNotEmpty.into());
        }
        let is_read = topics.iter().map(|topic| group.is_subscribed(topic));
        Ok(Readership {
            generation: Some(group.generation()),
            is_read: is_read.collect(),
        })
    }

    pub(super) fn list(&self) -> Vec<ListedGroup> {
        let state = self.core.metadata.state();
        let mut listed: BTreeMap<GroupName, ListedGroup> = BTreeMap::new();
        let empty = |group: &GroupName, kind: GroupKind| ListedGroup {
            group: group.clone(),
            kind,
            protocol_type: String::new(),
            state: GroupState::Empty,
            members: 0,
        };
        for group in self.replica.state.lock().groups() {
            // Whoever only stores offsets is to Kafka a classic group of no type.
            listed.insert(group.clone(), empty(group, GroupKind::Classic));
        }
        for (name, record) in state.groups() {
            if offsets_partition_of(name) == self.replica.index {
                listed.insert(name.clone(), empty(name, record.kind));
            }
        }
        for (name, group) in &self.groups {
            let members = group.member_count();
            if members > 0 || listed.contains_key(name) {
                let group = ListedGroup {
                    group: name.clone(),
                    kind: group.kind(),
                    protocol_type: group.protocol_type().to_owned(),
                    state: group.state(),
                    members,
                };
                listed.insert(name.clone(), group);
            }
        }
        listed.into_values().collect()
    }
}
