//! `floe group`: who reads what, and how far.

mod lag;

use std::collections::BTreeMap;

use clap::{Args, Subcommand};
use floe_client::{GroupListing, GroupPhase, Offset, PartitionIndex, Start, TopicPartition};
use serde::Serialize;

use crate::arguments::{ConnectArgs, OutputArgs, OutputForm};
use crate::connection::{Connection, topic_name};
use crate::failure::{CommandError, ExitStatus};
use crate::offset::Place;
use crate::output::Stdout;
use crate::serve::real_env;

/// Subcommands of `floe group`.
#[derive(Debug, Subcommand)]
pub(crate) enum GroupCommand {
    /// All groups
    List(ListArgs),
    /// Members, committed offsets and lag of a group
    Describe(NamedArgs),
    /// Move the committed offsets of a group without members
    Seek(SeekArgs),
    /// Delete a group without members
    Delete(NamedArgs),
}

/// Arguments of `floe group list`.
#[derive(Args, Debug)]
pub(crate) struct ListArgs {
    #[command(flatten)]
    connect: ConnectArgs,
    #[command(flatten)]
    output: OutputArgs,
}

/// Arguments of `floe group describe` and `floe group delete`.
#[derive(Args, Debug)]
pub(crate) struct NamedArgs {
    /// The group
    group: String,
    #[command(flatten)]
    connect: ConnectArgs,
    #[command(flatten)]
    output: OutputArgs,
}

/// Arguments of `floe group seek`.
#[derive(Args, Debug)]
pub(crate) struct SeekArgs {
    /// The group
    group: String,
    /// The topic
    #[arg(long)]
    topic: String,
    /// Only this partition [default: all]
    #[arg(long, value_name = "N")]
    partition: Option<u32>,
    /// Where to: start, end, an offset, or @TIME (epoch ms, RFC 3339, or -10m)
    #[arg(long, value_name = "PLACE")]
    to: Place,
    #[command(flatten)]
    connect: ConnectArgs,
    #[command(flatten)]
    output: OutputArgs,
}

#[derive(Serialize)]
struct GroupRow {
    group: String,
    phase: &'static str,
    members: u32,
}

#[derive(Serialize)]
struct SeekRow {
    topic: String,
    partition: u32,
    offset: i64,
}

/// Runs `floe group`.
pub(crate) async fn run(command: GroupCommand) -> Result<(), CommandError> {
    match command {
        GroupCommand::List(args) => list(args).await,
        GroupCommand::Describe(args) => lag::describe(args).await,
        GroupCommand::Seek(args) => seek(args).await,
        GroupCommand::Delete(args) => delete(args).await,
    }
}

/// The word for a phase.
fn phase_name(phase: GroupPhase) -> &'static str {
    match phase {
        GroupPhase::Empty => "empty",
        GroupPhase::Rebalancing => "rebalancing",
        GroupPhase::Stable => "stable",
    }
}

async fn list(args: ListArgs) -> Result<(), CommandError> {
    let connection = Connection::open(&args.connect).await?;
    let groups = connection.admin().groups().await;
    let groups = groups.map_err(|error| connection.explain(&error))?;
    let row = |listing: &GroupListing| GroupRow {
        group: listing.group.to_string(),
        phase: phase_name(listing.phase),
        members: listing.members,
    };
    let rows: Vec<_> = groups.iter().map(row).collect();
    Stdout::new().rows(
        args.output.output,
        &rows,
        &["GROUP", "PHASE", "MEMBERS"],
        |row| {
            vec![
                row.group.clone(),
                row.phase.to_owned(),
                row.members.to_string(),
            ]
        },
    )
}

async fn seek(args: SeekArgs) -> Result<(), CommandError> {
    let topic = topic_name(&args.topic)?;
    let connection = Connection::open(&args.connect).await?;
    let now_ms = real_env()?.clock.wall_ms();
    let found = find_offsets(&connection, &args.topic, args.to.at(now_ms)).await;
    let mut offsets = match found {
        Ok(offsets) => offsets,
        Err(error) => {
            return Err(connection.explain_existing_topic(&error, &args.topic).await);
        }
    };
    if let Some(partition) = args.partition {
        let partition_count = offsets.len();
        offsets.retain(|index, _| index.0 == partition);
        if offsets.is_empty() {
            let what = format!(
                "topic '{topic}' has partitions 0 to {}",
                partition_count - 1
            );
            return Err(CommandError::new(ExitStatus::NotFound, what)
                .next(format!("see them:  floe topic describe {topic}")));
        }
    }
    let to_commit: Vec<_> = offsets
        .iter()
        .map(|(&partition, &offset)| {
            let topic = topic.clone();
            (TopicPartition { topic, partition }, offset)
        })
        .collect();
    let moved = connection
        .working_admin()
        .seek_group(args.group.as_str(), &to_commit)
        .await;
    if let Err(error) = moved {
        return Err(connection.explain_group(&error, &args.group).await);
    }
    let rows: Vec<_> = offsets
        .iter()
        .map(|(partition, offset)| SeekRow {
            topic: topic.to_string(),
            partition: partition.0,
            offset: offset.0,
        })
        .collect();
    Stdout::new().rows(
        args.output.output,
        &rows,
        &["TOPIC", "PARTITION", "OFFSET"],
        |row| {
            vec![
                row.topic.clone(),
                row.partition.to_string(),
                row.offset.to_string(),
            ]
        },
    )
}

/// The offset of `place` in every partition; a time after the last record is the end.
pub(crate) async fn find_offsets(
    connection: &Connection,
    topic: &str,
    place: Place,
) -> Result<BTreeMap<PartitionIndex, Offset>, floe_client::Error> {
    let admin = connection.admin();
    let ends = admin.offsets(topic, Start::End).await?;
    let end = |index: PartitionIndex| ends.get(&index).copied().flatten().unwrap_or(Offset::ZERO);
    let start = match place {
        Place::Start => Start::Start,
        Place::End => Start::End,
        Place::Time(time_ms) => Start::Timestamp(time_ms),
        Place::Ago(_) => unreachable!("turned into a time by the caller"),
        Place::Offset(offset) => {
            return Ok(ends.keys().map(|&index| (index, Offset(offset))).collect());
        }
    };
    let found = admin.offsets(topic, start).await?;
    let found = found.into_iter();
    Ok(found
        .map(|(index, offset)| (index, offset.unwrap_or_else(|| end(index))))
        .collect())
}

async fn delete(args: NamedArgs) -> Result<(), CommandError> {
    let connection = Connection::open(&args.connect).await?;
    if let Err(error) = connection
        .working_admin()
        .delete_group(args.group.as_str())
        .await
    {
        return Err(connection.explain_group(&error, &args.group).await);
    }
    eprintln!("group '{}' deleted", args.group);
    let mut out = Stdout::new();
    if args.output.output == OutputForm::Json {
        out.json(&serde_json::json!({ "group": args.group, "deleted": true }))?;
    }
    out.flush()
}
