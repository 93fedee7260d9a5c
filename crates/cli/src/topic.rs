//! `floe topic`: create, list, describe, alter and delete.

use clap::{Args, Subcommand};

use crate::arguments::{ConnectArgs, OutputArgs};
use crate::failure::CommandError;

/// Subcommands of `floe topic`.
#[derive(Debug, Subcommand)]
pub(crate) enum TopicCommand {
    /// Make a topic; returns when each partition can be written
    Create(CreateArgs),
    /// All topics
    List(ListArgs),
    /// Partitions, leaders, offsets and settings of a topic
    Describe(DescribeArgs),
    /// Change settings or add partitions
    Alter(AlterArgs),
    /// Delete a topic and its records
    Delete(DeleteArgs),
}

/// Arguments of `floe topic create`.
#[derive(Args, Debug)]
pub(crate) struct CreateArgs {
    /// Name: letters, digits, '.', '_' and '-'
    topic: String,
    /// Number of partitions
    #[arg(long, default_value_t = 1, value_name = "N")]
    partitions: u32,
    /// Copies of each partition [default: 3, or the number of nodes if that is less]
    #[arg(long, value_name = "N")]
    replication: Option<u32>,
    /// A setting by Kafka's name, as retention.ms=3600000; can be repeated
    #[arg(long = "set", value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// Succeed when the topic exists already
    #[arg(long)]
    if_not_exists: bool,
    #[command(flatten)]
    connect: ConnectArgs,
    #[command(flatten)]
    output: OutputArgs,
}

/// Arguments of `floe topic list`.
#[derive(Args, Debug)]
pub(crate) struct ListArgs {
    #[command(flatten)]
    connect: ConnectArgs,
    #[command(flatten)]
    output: OutputArgs,
}

/// Arguments of `floe topic describe`.
#[derive(Args, Debug)]
pub(crate) struct DescribeArgs {
    /// The topic
    topic: String,
    #[command(flatten)]
    connect: ConnectArgs,
    #[command(flatten)]
    output: OutputArgs,
}

/// Arguments of `floe topic alter`.
#[derive(Args, Debug)]
pub(crate) struct AlterArgs {
    /// The topic
    topic: String,
    /// New total number of partitions; it can only grow
    #[arg(long, value_name = "N")]
    partitions: Option<u32>,
    /// Set a setting by Kafka's name; can be repeated
    #[arg(long = "set", value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// Put a setting back to its default; can be repeated
    #[arg(long = "unset", value_name = "KEY")]
    unset: Vec<String>,
    #[command(flatten)]
    connect: ConnectArgs,
    #[command(flatten)]
    output: OutputArgs,
}

/// Arguments of `floe topic delete`.
#[derive(Args, Debug)]
pub(crate) struct DeleteArgs {
    /// The topic
    topic: String,
    /// Succeed when there is no such topic
    #[arg(long)]
    if_exists: bool,
    #[command(flatten)]
    connect: ConnectArgs,
    #[command(flatten)]
    output: OutputArgs,
}

/// Runs `floe topic`.
pub(crate) async fn run(_command: TopicCommand) -> Result<(), CommandError> {
    Err(CommandError::failed("not connected to the client yet"))
}
