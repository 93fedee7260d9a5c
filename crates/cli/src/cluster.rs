//! `floe cluster`: state of the cluster.

use clap::{Args, Subcommand};

use crate::arguments::{ConnectArgs, OutputArgs};
use crate::failure::CommandError;

/// Subcommands of `floe cluster`.
#[derive(Debug, Subcommand)]
pub(crate) enum ClusterCommand {
    /// The cluster at a glance
    Status(StatusArgs),
    /// Nodes with their addresses and counters
    Nodes(StatusArgs),
    /// Partitions with their leaders and replicas
    Partitions(PartitionsArgs),
    /// Move leadership to the preferred replicas, or to one node
    Elect(ElectArgs),
}

/// Arguments of `floe cluster status` and `floe cluster nodes`.
#[derive(Args, Debug)]
pub(crate) struct StatusArgs {
    #[command(flatten)]
    connect: ConnectArgs,
    #[command(flatten)]
    output: OutputArgs,
}

/// Arguments of `floe cluster partitions`.
#[derive(Args, Debug)]
pub(crate) struct PartitionsArgs {
    /// Only of this topic
    #[arg(long)]
    topic: Option<String>,
    /// Only those without a leader or with a replica on a dead node
    #[arg(long)]
    unhealthy: bool,
    #[command(flatten)]
    connect: ConnectArgs,
    #[command(flatten)]
    output: OutputArgs,
}

/// Arguments of `floe cluster elect`.
#[derive(Args, Debug)]
pub(crate) struct ElectArgs {
    /// Only of this topic
    #[arg(long)]
    topic: Option<String>,
    /// Only this partition of the topic
    #[arg(long, value_name = "N", requires = "topic")]
    partition: Option<u32>,
    /// To this node [default: the preferred replica of each partition]
    #[arg(long, value_name = "NODE")]
    to: Option<u32>,
    #[command(flatten)]
    connect: ConnectArgs,
    #[command(flatten)]
    output: OutputArgs,
}

/// Runs `floe cluster`.
pub(crate) async fn run(_command: ClusterCommand) -> Result<(), CommandError> {
    Err(CommandError::failed("not connected to the client yet"))
}
