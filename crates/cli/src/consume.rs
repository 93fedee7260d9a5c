//! `floe consume`: reads records.

mod format;

use clap::Args;

use crate::arguments::{ConnectArgs, OutputArgs};
use crate::failure::CommandError;
use crate::offset::Place;

/// Arguments of `floe consume`.
#[derive(Args, Debug)]
pub(crate) struct ConsumeArgs {
    /// The topic
    topic: String,
    /// Where to begin in every partition: start, end, an offset, or @TIME (epoch ms, RFC 3339, or
    /// -10m). With a group only where nothing is committed
    #[arg(long, default_value = "start", value_name = "PLACE")]
    offset: Place,
    /// Read as a member of this consumer group, and commit what was printed
    #[arg(long)]
    group: Option<String>,
    /// Stop after this many records
    #[arg(short = 'n', long = "number", value_name = "N")]
    number: Option<u64>,
    /// Stop at the ends that the partitions have at the start
    #[arg(long)]
    until_end: bool,
    /// How to print a record: %t topic, %p partition, %o offset, %T timestamp (ms), %k key, %v
    /// value, %h headers, %% a percent sign; \n, \t, \xNN
    #[arg(long, default_value = "%v\\n", value_name = "FORMAT")]
    format: format::Format,
    /// Printed for a key or value that is null
    #[arg(long, default_value = "", value_name = "TEXT")]
    null: String,
    #[command(flatten)]
    connect: ConnectArgs,
    #[command(flatten)]
    output: OutputArgs,
}

/// Runs `floe consume`.
pub(crate) async fn run(_args: ConsumeArgs) -> Result<(), CommandError> {
    Err(CommandError::failed("not connected to the client yet"))
}
