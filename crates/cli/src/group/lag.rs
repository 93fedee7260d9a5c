//! `floe group describe`: members, committed offsets, and how far they are behind.

use std::collections::BTreeMap;

use floe_client::{Assignor, GroupDescription, PartitionKey, Start, TopicInfo};
use serde::Serialize;

use super::{NamedArgs, phase_name};
use crate::arguments::OutputForm;
use crate::connection::Connection;
use crate::failure::CommandError;
use crate::output::Stdout;

#[derive(Serialize)]
struct GroupDocument {
    group: String,
    phase: &'static str,
    generation: i32,
    assignor: &'static str,
    coordinator: u32,
    lag: i64,
    members: Vec<MemberRow>,
    partitions: Vec<PartitionLag>,
}

#[derive(Serialize)]
struct MemberRow {
    member_id: String,
    instance_id: Option<String>,
    topics: Vec<String>,
    partitions: usize,
}

#[derive(Serialize)]
struct PartitionLag {
    topic: String,
    partition: u32,
    committed_offset: Option<i64>,
    end_offset: Option<i64>,
    lag: Option<i64>,
    member_id: Option<String>,
}

/// Runs `floe group describe`.
pub(super) async fn describe(args: NamedArgs) -> Result<(), CommandError> {
    let connection = Connection::open(&args.connect).await?;
    let admin = connection.admin();
    let group = match admin.describe_group(args.group.as_str()).await {
        Ok(group) => group,
        Err(error) => return Err(connection.explain_group(&error, &args.group).await),
    };
    let topics = admin
        .topics()
        .await
        .map_err(|error| connection.explain(&error))?;
    let partitions = partition_lags(&connection, &group, &topics).await?;
    let document = GroupDocument {
        group: group.group.to_string(),
        phase: phase_name(group.phase),
        generation: group.generation.0,
        assignor: match group.assignor {
            Assignor::Range => "range",
            Assignor::StickyCooperative => "sticky-cooperative",
            Assignor::Members => "members",
        },
        coordinator: group.coordinator.0,
        lag: partitions.iter().filter_map(|row| row.lag).sum(),
        members: group
            .members
            .into_iter()
            .map(|member| MemberRow {
                member_id: member.member_id,
                instance_id: member.instance_id,
                topics: member.topics.iter().map(ToString::to_string).collect(),
                partitions: member.partitions.len(),
            })
            .collect(),
        partitions,
    };
    let mut out = Stdout::new();
    match args.output.output {
        OutputForm::Json => out.json(&document)?,
        OutputForm::Table => print(&document, &mut out)?,
    }
    out.flush()
}

/// One row for each partition that is committed or owned.
async fn partition_lags(
    connection: &Connection,
    group: &GroupDescription,
    topics: &[TopicInfo],
) -> Result<Vec<PartitionLag>, CommandError> {
    let mut committed: BTreeMap<PartitionKey, Option<i64>> = BTreeMap::new();
    let mut owners = BTreeMap::new();
    for member in &group.members {
        for key in &member.partitions {
            committed.insert(*key, None);
            owners.insert(*key, member.member_id.clone());
        }
    }
    for stored in &group.offsets {
        committed.insert(stored.key, Some(stored.offset.0));
    }
    let mut rows = Vec::new();
    for topic in topics {
        let of_topic = committed
            .iter()
            .filter(|(key, _)| key.topic_id == topic.topic_id);
        let of_topic: Vec<_> = of_topic.collect();
        if of_topic.is_empty() {
            continue;
        }
        let ends = connection
            .admin()
            .offsets(topic.name.as_str(), Start::End)
            .await;
        let ends = ends.map_err(|error| connection.explain(&error))?;
        for (key, &offset) in of_topic {
            let end = ends.get(&key.partition).copied().flatten().map(|end| end.0);
            rows.push(PartitionLag {
                topic: topic.name.to_string(),
                partition: key.partition.0,
                committed_offset: offset,
                end_offset: end,
                // Nothing committed: everything is still to be read, as far as one can tell.
                lag: end.map(|end| (end - offset.unwrap_or(0)).max(0)),
                member_id: owners.get(key).cloned(),
            });
        }
    }
    Ok(rows)
}

fn print(document: &GroupDocument, out: &mut Stdout) -> Result<(), CommandError> {
    out.line(&format!("group        {}", document.group))?;
    out.line(&format!("phase        {}", document.phase))?;
    out.line(&format!("generation   {}", document.generation))?;
    out.line(&format!("coordinator  node {}", document.coordinator))?;
    out.line(&format!("members      {}", document.members.len()))?;
    out.line(&format!("lag          {}", document.lag))?;
    if document.partitions.is_empty() {
        return Ok(());
    }
    out.line("")?;
    let shown = |offset: Option<i64>| offset.map_or_else(|| "-".to_owned(), |o| o.to_string());
    let rows = document.partitions.iter().map(|row| {
        vec![
            row.topic.clone(),
            row.partition.to_string(),
            shown(row.committed_offset),
            shown(row.end_offset),
            shown(row.lag),
            row.member_id.clone().unwrap_or_else(|| "-".to_owned()),
        ]
    });
    out.table(
        &["TOPIC", "PARTITION", "COMMITTED", "END", "LAG", "MEMBER"],
        rows,
    )
}
