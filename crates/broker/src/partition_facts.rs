//! What the leader of a partition knows beyond its records: where epochs ended, who writes; and
//! what a node keeps of each partition.

use floe_model::{
    ErrorCode, LeaderEpoch, NodeId, Offset, PartitionIndex, ProducerEpoch, ProducerId, Sequence,
    TopicName,
};
use floe_rpc::{Failure, PartitionKey};

use crate::Broker;
use crate::broker::wire_key;
use crate::failure_facts::out_of_range;
use crate::partition::Control;

/// Where a leader epoch ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EpochEnd {
    /// The largest epoch with records up to the one asked for.
    pub epoch: LeaderEpoch,
    /// The first offset that is not of it or an older one.
    pub end_offset: Offset,
}

/// A producer of a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ActiveProducer {
    /// Who.
    pub producer_id: ProducerId,
    /// In which epoch.
    pub producer_epoch: ProducerEpoch,
    /// Of its last record.
    pub last_sequence: Sequence,
    /// Log time of its last batch.
    pub last_seen_ms: i64,
}

/// A replica on this node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostedReplica {
    /// Its topic.
    pub topic: TopicName,
    /// Its partition.
    pub partition: PartitionIndex,
    /// Bytes of its log.
    pub size_bytes: u64,
}

impl Broker {
    /// Where `asked` ended, by the epochs that the leader's replicated state has; `None` for an
    /// epoch newer than any. The answer is never below what a reader can have received: the
    /// leader has applied all that was committed before it led, and asks a majority whether it
    /// still leads.
    ///
    /// # Errors
    /// This node does not lead the partition for certain, or `current` is not its epoch.
    pub async fn epoch_end(
        &self,
        key: PartitionKey,
        current: Option<LeaderEpoch>,
        asked: LeaderEpoch,
    ) -> Result<Option<EpochEnd>, Failure> {
        self.check_serving()?;
        let (partition, epoch) = self.led_for_certain(key, current).await?;
        let end = partition.log().high_watermark();
        Ok(end_of_epoch(&partition.epochs(), epoch, end, asked))
    }

    /// Where a reader's log parts from this one: what it has below `offset` ends with a record of
    /// epoch `last`. `None` while they agree, which this node may say alone: its epochs with records
    /// are committed. That they do not is for a majority to confirm.
    ///
    /// # Errors
    /// This node does not lead the partition for certain; out of range for an epoch newer than its
    /// own.
    pub async fn parting(
        &self,
        key: PartitionKey,
        last: LeaderEpoch,
        offset: Offset,
    ) -> Result<Option<EpochEnd>, Failure> {
        self.check_serving()?;
        let (partition, epoch) = self.led(key).await?;
        let look = || {
            let end = partition.log().high_watermark();
            end_of_epoch(&partition.epochs(), epoch, end, last)
        };
        let agrees = |end: &EpochEnd| end.epoch == last && offset <= end.end_offset;
        if look().as_ref().is_some_and(agrees) {
            return Ok(None);
        }
        if !partition.leads_for_certain(epoch).await {
            return Err(ErrorCode::NotLeader.into());
        }
        match look() {
            Some(end) if agrees(&end) => Ok(None),
            Some(end) => Ok(Some(end)),
            None => {
                let end = partition.log().high_watermark();
                Err(out_of_range(offset, partition.log_start_offset(), end))
            }
        }
    }

    /// The producers whose batches the partition remembers.
    ///
    /// # Errors
    /// This node does not lead the partition.
    pub async fn producers(&self, key: PartitionKey) -> Result<Vec<ActiveProducer>, Failure> {
        self.check_serving()?;
        let (partition, _) = self.led(key).await?;
        Ok(partition.active_producers())
    }

    /// Moves the log start of a partition to `before`, or to the high watermark; answers where
    /// it is then.
    ///
    /// # Errors
    /// This node does not lead the partition, or `before` is not committed yet.
    pub async fn delete_records(
        &self,
        key: PartitionKey,
        before: Option<Offset>,
    ) -> Result<Offset, Failure> {
        self.check_serving()?;
        let (partition, _) = self.led(key).await?;
        let end = partition.log().high_watermark();
        let before = before.unwrap_or(end);
        if before < Offset(0) || before > end {
            return Err(out_of_range(before, partition.log_start_offset(), end));
        }
        if before > partition.log_start_offset() {
            partition.control(Control::TrimBefore(before)).await?;
            self.core.due.add(partition.group());
        }
        Ok(partition.log_start_offset())
    }

    /// Every replica on this node.
    #[must_use]
    pub fn hosted_replicas(&self) -> Vec<HostedReplica> {
        let partitions = self.core.partitions.all();
        let mut replicas: Vec<_> = partitions
            .iter()
            .map(|partition| HostedReplica {
                topic: partition.topic.clone(),
                partition: partition.key.partition,
                size_bytes: partition.log().size_bytes(),
            })
            .collect();
        replicas.sort_by(|a, b| (&a.topic, a.partition).cmp(&(&b.topic, b.partition)));
        replicas
    }

    /// Moves leadership of a partition to its preferred replica and answers where it is then.
    /// `None` when it was there already.
    ///
    /// # Errors
    /// There is no such partition or nobody leads it.
    pub async fn prefer_leader(
        &self,
        topic: &TopicName,
        partition: PartitionIndex,
    ) -> Result<Option<NodeId>, Failure> {
        self.check_serving()?;
        let topic_id = self.known_topic(topic).await?;
        let state = self.core.metadata.state();
        let key = crate::broker::identity(PartitionKey {
            topic_id,
            partition,
        });
        let found = state
            .partition(&key)
            .ok_or(ErrorCode::UnknownTopicOrPartition)?;
        let set = &found.replica_set;
        let leader = || self.leader_of(&state, set.raft_group).map(|(node, _)| node);
        if leader().is_some() && leader() == set.preferred_leader() {
            return Ok(None);
        }
        let request = floe_rpc::ElectLeaders {
            topic: Some(topic.clone()),
            partition: Some(partition),
            to: None,
        };
        let moved = self.elect_leaders(request).await?;
        if moved > 0 {
            return Ok(set.preferred_leader());
        }
        match leader() {
            Some(node) => Ok(Some(node)),
            None => Err(ErrorCode::NotLeader.into()),
        }
    }

    /// Where a partition's leader should be when all is well, and whether that node is alive.
    #[must_use]
    pub fn preferred_leader(
        &self,
        topic: &TopicName,
        partition: PartitionIndex,
    ) -> Option<(NodeId, bool)> {
        let state = self.core.metadata.state();
        let found = state.topic_named(topic)?.partition(partition)?;
        let node = found.replica_set.preferred_leader()?;
        Some((node, self.core.is_alive(node)))
    }

    /// The keys of all partitions of a topic that this node knows, by name.
    #[must_use]
    pub fn partition_keys(&self, topic: &TopicName) -> Vec<PartitionKey> {
        let state = self.core.metadata.state();
        let Some(topic) = state.topic_named(topic) else {
            return Vec::new();
        };
        let keys = topic.partitions.iter().map(|partition| {
            wire_key(&floe_model::TopicIdPartition {
                topic_id: topic.topic_id,
                partition: partition.index,
            })
        });
        keys.collect()
    }
}

/// `starts` are the epochs with records, ascending, and where each began; `current` is the
/// leader's and reaches to `end`.
fn end_of_epoch(
    starts: &[(LeaderEpoch, Offset)],
    current: LeaderEpoch,
    end: Offset,
    asked: LeaderEpoch,
) -> Option<EpochEnd> {
    if asked > current {
        return None;
    }
    let after = starts.partition_point(|&(epoch, _)| epoch <= asked);
    let end_offset = match starts.get(after) {
        Some(&(_, next_start)) if asked < current => next_start,
        Some(_) | None => end,
    };
    let floor = after.checked_sub(1).map(|at| starts[at].0);
    let epoch = if asked == current {
        current
    } else {
        floor.unwrap_or(asked)
    };
    Some(EpochEnd { epoch, end_offset })
}

#[cfg(test)]
mod tests {
    use super::*;

    const STARTS: [(LeaderEpoch, Offset); 3] = [
        (LeaderEpoch(2), Offset(0)),
        (LeaderEpoch(5), Offset(10)),
        (LeaderEpoch(7), Offset(30)),
    ];

    fn ask(current: i32, asked: i32) -> Option<(i32, i64)> {
        let (current, asked) = (LeaderEpoch(current), LeaderEpoch(asked));
        let found = end_of_epoch(&STARTS, current, Offset(44), asked);
        found.map(|end| (end.epoch.0, end.end_offset.0))
    }

    #[test]
    fn an_epoch_ends_where_the_next_one_with_records_begins() {
        assert_eq!(ask(7, 2), Some((2, 10)));
        assert_eq!(ask(7, 5), Some((5, 30)));
        assert_eq!(ask(7, 7), Some((7, 44)));
    }

    #[test]
    fn an_epoch_without_records_is_answered_by_the_one_before_it() {
        assert_eq!(ask(7, 4), Some((2, 10)));
        assert_eq!(ask(7, 6), Some((5, 30)));
        // The leader's own epoch has written nothing yet.
        assert_eq!(ask(9, 8), Some((7, 44)));
        assert_eq!(ask(9, 9), Some((9, 44)));
    }

    #[test]
    fn an_epoch_older_than_the_log_ends_at_its_start_and_a_newer_one_is_unknown() {
        assert_eq!(ask(7, 1), Some((1, 0)));
        assert_eq!(ask(7, 8), None);
        let none = end_of_epoch(&[], LeaderEpoch(3), Offset(0), LeaderEpoch(1));
        assert_eq!(none.map(|end| end.end_offset), Some(Offset(0)));
    }
}
