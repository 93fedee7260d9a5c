//! `floe produce`: records from stdin, one a line.

use std::time::Duration;

use clap::{Args, ValueEnum};

use crate::arguments::{ConnectArgs, OutputArgs};
use crate::config::value::parse_duration;
use crate::failure::CommandError;

/// Arguments of `floe produce`.
#[derive(Args, Debug)]
pub(crate) struct ProduceArgs {
    /// The topic
    topic: String,
    /// Split each line at the first SEP into key and value; \t, \n and \xNN are understood
    #[arg(long, value_name = "SEP")]
    key_separator: Option<String>,
    /// When a record counts as written. Only quorum never loses an acknowledged record
    #[arg(long, value_enum, default_value_t = AcksChoice::Quorum)]
    acks: AcksChoice,
    /// none, gzip, snappy, lz4 or zstd
    #[arg(long, default_value = "none", value_name = "CODEC")]
    compression: String,
    /// Give up on a record that is not acknowledged for this long
    #[arg(long, default_value = "2m", value_parser = parse_duration, value_name = "TIME")]
    delivery_timeout: Duration,
    #[command(flatten)]
    connect: ConnectArgs,
    #[command(flatten)]
    output: OutputArgs,
}

/// Levels of acknowledgement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum AcksChoice {
    /// On the disks of a majority
    Quorum,
    /// On the leader's disk; lost when the leader fails before a majority has it
    Leader,
    /// Not confirmed at all
    None,
}

/// Runs `floe produce`.
pub(crate) async fn run(_args: ProduceArgs) -> Result<(), CommandError> {
    Err(CommandError::failed("not connected to the client yet"))
}
