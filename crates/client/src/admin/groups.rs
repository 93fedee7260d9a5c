//! Consumer groups: list, describe, move, delete.

use std::collections::BTreeMap;

use floe_model::{Generation, GroupName, LeaderEpoch, Offset, TopicPartition};
use floe_rpc::{CommitOffsets, CommittedOffset, GroupDescription, GroupListing, OffsetToCommit};

use super::Admin;
use crate::routing::{Call, Coordinator, group_name};
use crate::{Error, ErrorKind};

impl Admin {
    /// All groups, by name. Every node is asked for those it coordinates.
    ///
    /// # Errors
    /// `Unavailable` when a living node does not answer in time.
    pub async fn groups(&self) -> Result<Vec<GroupListing>, Error> {
        let cluster = self.cluster().await?;
        let mut groups = BTreeMap::new();
        for node in cluster.nodes.iter().filter(|node| node.alive) {
            let ask = |call: Call| async move { call.api.list_groups(call.context).await };
            let listed = self
                .client
                .ask_addr(&node.client_addr, self.timeout, ask)
                .await?;
            groups.extend(listed.into_iter().map(|group| (group.group.clone(), group)));
        }
        Ok(groups.into_values().collect())
    }

    /// One group in full.
    ///
    /// # Errors
    /// `NotFound`, `Unavailable`.
    pub async fn describe_group(
        &self,
        group: impl Into<String>,
    ) -> Result<GroupDescription, Error> {
        let group = group_name(group)?;
        let ask = |call: Call| {
            let group = group.clone();
            async move { call.api.describe_group(call.context, group).await }
        };
        self.client
            .ask_coordinator(&Coordinator::new(group.clone()), self.timeout, ask)
            .await
    }

    /// Deletes a group without members, and its offsets.
    ///
    /// # Errors
    /// `NotFound`, `GroupNotEmpty`, `Unavailable`.
    pub async fn delete_group(&self, group: impl Into<String>) -> Result<(), Error> {
        let group = group_name(group)?;
        let mut asked_before = false;
        let ask = |call: Call| {
            asked_before |= call.is_unsure;
            let group = group.clone();
            async move { call.api.delete_group(call.context, group).await }
        };
        match self
            .client
            .ask_coordinator(&Coordinator::new(group.clone()), self.timeout, ask)
            .await
        {
            // An earlier attempt of ours has done it.
            Err(error) if asked_before && error.kind() == ErrorKind::NotFound => Ok(()),
            outcome => outcome,
        }
    }

    /// The committed offsets of a group.
    ///
    /// # Errors
    /// `NotFound`, `Unavailable`.
    pub async fn group_offsets(
        &self,
        group: impl Into<String>,
    ) -> Result<Vec<CommittedOffset>, Error> {
        let group = group_name(group)?;
        self.client
            .committed_offsets(&Coordinator::new(group), None, self.timeout)
            .await
    }

    /// Sets committed offsets of a group without members, making the group if needed.
    ///
    /// # Errors
    /// `GroupNotEmpty` or `Fenced` while it has members, `NotFound` for a missing partition,
    /// `Unavailable`.
    pub async fn seek_group(
        &self,
        group: impl Into<String>,
        offsets: &[(TopicPartition, Offset)],
    ) -> Result<(), Error> {
        let group: GroupName = group_name(group)?;
        let mut to_commit = Vec::with_capacity(offsets.len());
        for (place, offset) in offsets {
            let layout = self
                .client
                .layout_of(&place.topic, false, self.timeout)
                .await?;
            to_commit.push(OffsetToCommit {
                key: layout.key(place.partition)?,
                offset: *offset,
                leader_epoch: LeaderEpoch(-1),
                token: None,
            });
        }
        let request = CommitOffsets {
            group: group.clone(),
            member_id: String::new(),
            generation: Generation(-1),
            offsets: to_commit,
        };
        let ask = |call: Call| {
            let request = request.clone();
            async move { call.api.commit_offsets(call.context, request).await }
        };
        self.client
            .ask_coordinator(&Coordinator::new(group.clone()), self.timeout, ask)
            .await
    }
}
