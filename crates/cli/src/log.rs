//! `floe log`: looks into the data directory of a stopped node.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use crate::arguments::OutputArgs;
use crate::failure::CommandError;

/// Subcommands of `floe log`.
#[derive(Debug, Subcommand)]
pub(crate) enum LogCommand {
    /// Print the entries of the log
    Dump(DumpArgs),
    /// Check every checksum and every link between files; changes nothing
    Verify(DirArgs),
    /// Give up what is damaged, so that a single replica can serve again
    Repair(RepairArgs),
}

/// Arguments of `floe log verify`.
#[derive(Args, Debug)]
pub(crate) struct DirArgs {
    /// The data directory
    dir: PathBuf,
    #[command(flatten)]
    output: OutputArgs,
}

/// Arguments of `floe log dump`.
#[derive(Args, Debug)]
pub(crate) struct DumpArgs {
    /// The data directory
    dir: PathBuf,
    /// Only this Raft group
    #[arg(long, value_name = "ID")]
    group: Option<u64>,
    #[command(flatten)]
    output: OutputArgs,
}

/// Arguments of `floe log repair`.
#[derive(Args, Debug)]
pub(crate) struct RepairArgs {
    /// The data directory
    dir: PathBuf,
    /// Agree to lose the records behind the damage
    #[arg(long)]
    accept_loss: bool,
    #[command(flatten)]
    output: OutputArgs,
}

/// Runs `floe log`.
pub(crate) async fn run(_command: LogCommand) -> Result<(), CommandError> {
    Err(CommandError::failed("not connected to the journal yet"))
}
