//! The tree of commands, and the arguments that several of them share.
//!
//! Every command's own arguments stand beside its code. `docs/cli.md` is generated from this tree.

use std::time::Duration;

use clap::{Args, CommandFactory as _, Parser, Subcommand, ValueEnum};

use crate::config::value::parse_duration;
use crate::failure::CommandError;
use crate::{
    bench, chaos, cluster, completions, config, consume, demo, dev, group, log, produce, reference,
    serve, topic,
};

/// Floe: an event-streaming broker whose partitions are Raft groups.
#[derive(Debug, Parser)]
#[command(
    name = "floe",
    disable_version_flag = true,
    max_term_width = 100,
    after_help = "Exit codes: 0 ok, 1 failed, 2 usage, 3 not found, 4 unavailable or timed out, \
                  5 partial or unknown.\nStart here: floe dev"
)]
pub(crate) struct Cli {
    /// Print version, commit, disk format and wire format
    #[arg(short = 'V', long)]
    pub(crate) version: bool,
    /// What to do
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run a node
    Serve(serve::ServeArgs),
    /// Run a three-node cluster in this process, to try things
    Dev(dev::DevArgs),
    /// Run the delivery story on a cluster of real processes
    Demo(demo::DemoArgs),
    /// Create, list, describe, alter and delete topics
    #[command(subcommand)]
    Topic(topic::TopicCommand),
    /// Write records from stdin, one a line
    Produce(produce::ProduceArgs),
    /// Read records
    Consume(consume::ConsumeArgs),
    /// Consumer groups: who reads what, and how far
    #[command(subcommand)]
    Group(group::GroupCommand),
    /// State of the cluster
    #[command(subcommand)]
    Cluster(cluster::ClusterCommand),
    /// Measure
    #[command(subcommand)]
    Bench(bench::BenchCommand),
    /// Break a cluster that allows it, under load, and judge what clients saw
    Chaos(chaos::ChaosArgs),
    /// Look into the data directory of a stopped node
    #[command(subcommand)]
    Log(log::LogCommand),
    /// Configuration of a node
    #[command(subcommand)]
    Config(config::ConfigCommand),
    /// Print a completion script for a shell
    Completions(completions::CompletionsArgs),
    /// Print a generated page of the documentation
    #[command(subcommand, hide = true)]
    Reference(reference::ReferenceCommand),
}

/// Which cluster to talk to, and how long to wait for it.
#[derive(Args, Clone, Debug)]
pub(crate) struct ConnectArgs {
    /// Nodes to ask first, HOST:PORT[,HOST:PORT...]
    #[arg(
        long,
        env = "FLOE_SERVER",
        default_value = "localhost:9192",
        hide_env_values = true,
        value_name = "HOST:PORT"
    )]
    pub(crate) server: String,
    /// Give up when the cluster does not answer or finish for this long [default: 10s; 30s where
    /// the cluster has work to do]
    #[arg(long, value_parser = parse_duration, value_name = "TIME")]
    pub(crate) timeout: Option<Duration>,
}

/// How to print.
#[derive(Args, Clone, Copy, Debug)]
pub(crate) struct OutputArgs {
    /// Form of what goes to stdout
    #[arg(short = 'o', long, value_enum, default_value_t = OutputForm::Table, value_name = "FORM")]
    pub(crate) output: OutputForm,
}

/// Forms of output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum OutputForm {
    /// For people
    Table,
    /// For programs: one JSON document, or one a line for produce and consume
    Json,
}

/// What `floe` alone prints.
pub(crate) fn print_help() -> Result<(), CommandError> {
    let help = Cli::command().render_help();
    eprintln!("{help}");
    Err(CommandError::silent_usage())
}
