//! What is shown of topics and partitions.

use std::collections::BTreeMap;

use floe_client::{Offset, PartitionIndex, PartitionInfo, TopicInfo};
use serde::Serialize;

use crate::failure::CommandError;
use crate::output::Stdout;

/// A topic in a list.
#[derive(Debug, Serialize)]
pub(crate) struct TopicRow {
    /// Name.
    pub(crate) name: String,
    /// Identity.
    pub(crate) topic_id: String,
    /// Number of partitions.
    pub(crate) partitions: usize,
    /// Replicas of a partition.
    pub(crate) replication: usize,
    /// Partitions that cannot be written now.
    pub(crate) without_leader: usize,
}

impl TopicRow {
    /// From a layout.
    pub(crate) fn new(info: &TopicInfo) -> Self {
        let leaderless = info.partitions.iter().filter(|p| p.leader.is_none());
        Self {
            name: info.name.to_string(),
            topic_id: info.topic_id.to_string(),
            partitions: info.partitions.len(),
            replication: replication_of(info),
            without_leader: leaderless.count(),
        }
    }

    /// In the order of the list's header.
    pub(crate) fn cells(&self) -> Vec<String> {
        vec![
            self.name.clone(),
            self.partitions.to_string(),
            self.replication.to_string(),
            self.without_leader.to_string(),
            self.topic_id.clone(),
        ]
    }
}

/// Replicas of each partition.
fn replication_of(info: &TopicInfo) -> usize {
    info.partitions
        .iter()
        .map(|p| p.replicas.len())
        .max()
        .unwrap_or(0)
}

/// A partition.
#[derive(Debug, Serialize)]
pub(crate) struct PartitionRow {
    /// Topic name.
    pub(crate) topic: String,
    /// Index.
    pub(crate) partition: u32,
    /// Leader, if any.
    pub(crate) leader: Option<u32>,
    /// Its epoch.
    pub(crate) leader_epoch: i32,
    /// Nodes, the preferred leader first.
    pub(crate) replicas: Vec<u32>,
    /// Those that are alive.
    pub(crate) alive_replicas: Vec<u32>,
    /// First offset, where known.
    pub(crate) log_start_offset: Option<i64>,
    /// First uncommitted offset, where known.
    pub(crate) high_watermark: Option<i64>,
}

impl PartitionRow {
    /// Names of the cells.
    pub(crate) const HEADER: [&'static str; 8] = [
        "TOPIC",
        "PARTITION",
        "LEADER",
        "EPOCH",
        "REPLICAS",
        "ALIVE",
        "START",
        "END",
    ];

    /// From a layout.
    pub(crate) fn new(topic: &str, info: &PartitionInfo) -> Self {
        Self {
            topic: topic.to_owned(),
            partition: info.partition.0,
            leader: info.leader.map(|node| node.0),
            leader_epoch: info.leader_epoch.0,
            replicas: info.replicas.iter().map(|node| node.0).collect(),
            alive_replicas: info.alive_replicas.iter().map(|node| node.0).collect(),
            log_start_offset: info.log_start_offset.map(|offset| offset.0),
            high_watermark: info.high_watermark.map(|offset| offset.0),
        }
    }

    /// Whether it has a leader and all its replicas.
    pub(crate) fn is_healthy(&self) -> bool {
        self.leader.is_some() && self.alive_replicas.len() == self.replicas.len()
    }

    /// In the order of [`PartitionRow::HEADER`].
    pub(crate) fn cells(&self) -> Vec<String> {
        let list = |nodes: &[u32]| {
            let nodes: Vec<_> = nodes.iter().map(u32::to_string).collect();
            nodes.join(",")
        };
        let known = |offset: Option<i64>| offset.map_or_else(|| "?".to_owned(), |o| o.to_string());
        vec![
            self.topic.clone(),
            self.partition.to_string(),
            self.leader
                .map_or_else(|| "none".to_owned(), |node| node.to_string()),
            self.leader_epoch.to_string(),
            list(&self.replicas),
            list(&self.alive_replicas),
            known(self.log_start_offset),
            known(self.high_watermark),
        ]
    }
}

/// A topic in full.
#[derive(Debug, Serialize)]
pub(crate) struct TopicDocument {
    name: String,
    topic_id: String,
    replication: usize,
    configs: BTreeMap<String, String>,
    partitions: Vec<PartitionRow>,
}

impl TopicDocument {
    /// From a layout.
    pub(crate) fn new(info: &TopicInfo) -> Self {
        let name = info.name.to_string();
        Self {
            topic_id: info.topic_id.to_string(),
            replication: replication_of(info),
            configs: info.configs.clone(),
            partitions: info
                .partitions
                .iter()
                .map(|p| PartitionRow::new(&name, p))
                .collect(),
            name,
        }
    }

    /// Replaces offsets by what the leaders say.
    pub(crate) fn add_offsets(
        &mut self,
        starts: &BTreeMap<PartitionIndex, Option<Offset>>,
        ends: &BTreeMap<PartitionIndex, Option<Offset>>,
    ) {
        for row in &mut self.partitions {
            let index = PartitionIndex(row.partition);
            let of = |offsets: &BTreeMap<PartitionIndex, Option<Offset>>| {
                offsets
                    .get(&index)
                    .copied()
                    .flatten()
                    .map(|offset| offset.0)
            };
            row.log_start_offset = of(starts).or(row.log_start_offset);
            row.high_watermark = of(ends).or(row.high_watermark);
        }
    }

    /// Prints it for people.
    pub(crate) fn print(&self, out: &mut Stdout) -> Result<(), CommandError> {
        let partitions = self.partitions.len();
        out.line(&format!("topic        {}", self.name))?;
        out.line(&format!("topic id     {}", self.topic_id))?;
        out.line(&format!("partitions   {partitions}"))?;
        out.line(&format!("replication  {}", self.replication))?;
        for (key, value) in &self.configs {
            out.line(&format!("setting      {key}={value}"))?;
        }
        out.line("")?;
        out.table(
            &PartitionRow::HEADER,
            self.partitions.iter().map(PartitionRow::cells),
        )
    }
}
