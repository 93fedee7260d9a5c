//! `floe bench`: measures the journal alone, or a running cluster through the client.

mod consume;
mod failover;
mod journal;
mod latency;
mod produce;
mod report;
mod tally;
mod topic;

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};

use crate::arguments::{ConnectArgs, OutputArgs};
use crate::config::value::{parse_bytes, parse_duration};
use crate::failure::CommandError;

/// Subcommands of `floe bench`.
#[derive(Debug, Subcommand)]
pub(crate) enum BenchCommand {
    /// The journal of one node alone, without a cluster
    Journal(JournalArgs),
    /// Throughput of producing
    Produce(ProduceArgs),
    /// Throughput of reading what is there
    Consume(ConsumeArgs),
    /// Time to the acknowledgement at a fixed rate
    Latency(LatencyArgs),
    /// Time without service while a command breaks something
    Failover(FailoverArgs),
}

/// Arguments of `floe bench journal`.
#[derive(Args, Debug)]
pub(crate) struct JournalArgs {
    /// Raft groups that append side by side
    #[arg(long, default_value_t = 1, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) groups: u32,
    /// How long to append
    #[arg(long, default_value = "10s", value_parser = parse_duration, value_name = "TIME")]
    pub(crate) duration: Duration,
    /// Bytes of each batch
    #[arg(long, default_value = "1 KiB", value_parser = parse_bytes, value_name = "SIZE")]
    pub(crate) batch_size: u64,
    /// Appends that wait for their sync at a time [default: one for each group]
    #[arg(long, value_name = "N")]
    pub(crate) in_flight: Option<u32>,
    /// Where to write [default: a new directory below the working directory, removed afterwards]
    #[arg(long, value_name = "DIR")]
    pub(crate) dir: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

/// Which topic a benchmark uses.
#[derive(Args, Clone, Debug)]
pub(crate) struct TopicArgs {
    /// The topic; made when missing [default: one of its own, deleted afterwards]
    #[arg(long, value_name = "TOPIC")]
    pub(crate) topic: Option<String>,
    /// Partitions of the topic when it is made
    #[arg(long, default_value_t = 1, value_name = "N")]
    pub(crate) partitions: u32,
    /// Copies of each partition when it is made [default: 3, or the number of nodes]
    #[arg(long, value_name = "N")]
    pub(crate) replication: Option<u32>,
    /// Do not delete the topic afterwards
    #[arg(long)]
    pub(crate) keep: bool,
}

/// Arguments of `floe bench produce`.
#[derive(Args, Debug)]
pub(crate) struct ProduceArgs {
    #[command(flatten)]
    pub(crate) topic: TopicArgs,
    /// Records to write, spread over all partitions
    #[arg(long, default_value_t = 100_000, value_name = "N")]
    pub(crate) records: u64,
    /// Bytes of each value
    #[arg(long, default_value = "1 KiB", value_parser = parse_bytes, value_name = "SIZE")]
    pub(crate) record_size: u64,
    /// Producers side by side
    #[arg(long, default_value_t = 1, value_name = "N")]
    pub(crate) producers: u32,
    /// Bytes of one producer that may wait for their acknowledgement
    #[arg(long, default_value = "4 MiB", value_parser = parse_bytes, value_name = "SIZE")]
    pub(crate) in_flight: u64,
    /// How long a batch waits for company
    #[arg(long, default_value = "5ms", value_parser = parse_duration, value_name = "TIME")]
    pub(crate) linger: Duration,
    /// Largest batch
    #[arg(long, default_value = "64 KiB", value_parser = parse_bytes, value_name = "SIZE")]
    pub(crate) batch_size: u64,
    /// none, gzip, snappy, lz4 or zstd
    #[arg(long, default_value = "none", value_parser = crate::produce::parse_compression,
        value_name = "CODEC")]
    pub(crate) compression: floe_client::Compression,
    /// When a record counts as written
    #[arg(long, value_enum, default_value_t = crate::produce::AcksChoice::Quorum)]
    pub(crate) acks: crate::produce::AcksChoice,
    #[command(flatten)]
    pub(crate) connect: ConnectArgs,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

/// Arguments of `floe bench consume`.
#[derive(Args, Debug)]
pub(crate) struct ConsumeArgs {
    #[command(flatten)]
    pub(crate) topic: TopicArgs,
    /// Records to write first, not measured, when the topic is a new one
    #[arg(long, default_value_t = 100_000, value_name = "N")]
    pub(crate) records: u64,
    /// Bytes of each value written first
    #[arg(long, default_value = "1 KiB", value_parser = parse_bytes, value_name = "SIZE")]
    pub(crate) record_size: u64,
    #[command(flatten)]
    pub(crate) connect: ConnectArgs,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

/// Arguments of `floe bench latency`.
#[derive(Args, Debug)]
pub(crate) struct LatencyArgs {
    #[command(flatten)]
    pub(crate) topic: TopicArgs,
    /// Records per second, over all partitions
    #[arg(long, default_value_t = 1000, value_name = "N")]
    pub(crate) rate: u64,
    /// How long to measure
    #[arg(long, default_value = "10s", value_parser = parse_duration, value_name = "TIME")]
    pub(crate) duration: Duration,
    /// Bytes of each value
    #[arg(long, default_value = "1 KiB", value_parser = parse_bytes, value_name = "SIZE")]
    pub(crate) record_size: u64,
    #[command(flatten)]
    pub(crate) connect: ConnectArgs,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

/// Arguments of `floe bench failover`.
#[derive(Args, Debug)]
pub(crate) struct FailoverArgs {
    #[command(flatten)]
    pub(crate) topic: TopicArgs,
    /// What breaks something, as a shell command
    #[arg(long, value_name = "CMD")]
    pub(crate) exec: String,
    /// Steady producing before the command
    #[arg(long, default_value = "5s", value_parser = parse_duration, value_name = "TIME")]
    pub(crate) before: Duration,
    /// Longest wait for all partitions after the command
    #[arg(long, default_value = "30s", value_parser = parse_duration, value_name = "TIME")]
    pub(crate) after: Duration,
    /// Time between two records of one partition [default: 100ms, longer above 200 partitions]
    #[arg(long, value_parser = parse_duration, value_name = "TIME")]
    pub(crate) interval: Option<Duration>,
    #[command(flatten)]
    pub(crate) connect: ConnectArgs,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

/// Runs `floe bench`.
pub(crate) async fn run(command: BenchCommand) -> Result<(), CommandError> {
    match command {
        BenchCommand::Journal(args) => journal::run(args).await,
        BenchCommand::Produce(args) => produce::run(args).await,
        BenchCommand::Consume(args) => consume::run(args).await,
        BenchCommand::Latency(args) => latency::run(args).await,
        BenchCommand::Failover(args) => failover::run(args).await,
    }
}
