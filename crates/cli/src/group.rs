//! `floe group`: who reads what, and how far.

use clap::{Args, Subcommand};

use crate::arguments::{ConnectArgs, OutputArgs};
use crate::failure::CommandError;
use crate::offset::Place;

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

/// Runs `floe group`.
pub(crate) async fn run(_command: GroupCommand) -> Result<(), CommandError> {
    Err(CommandError::failed("not connected to the client yet"))
}
