//! The `floe` command: the one binary, and the only crate that prints.
//!
//! Invariants: stdout carries data only (with `-o json` exactly one document, or one per line for
//! `produce` and `consume`), everything else goes to stderr; every failure ends as one
//! [`failure::CommandError`], which decides the exit code; a broken pipe is a success.
#![expect(
    clippy::print_stderr,
    reason = "talking to people is what the command line is for"
)]

mod arguments;
mod bench;
mod chaos;
mod cluster;
mod completions;
mod config;
mod connection;
mod consume;
mod demo;
mod dev;
mod escape;
mod failure;
mod group;
mod log;
mod logging;
mod nearest;
mod offset;
mod output;
mod produce;
mod progress;
mod reference;
mod serve;
mod topic;
mod version;

use std::process::ExitCode;

use clap::Parser as _;

use crate::arguments::{Cli, Command};
use crate::failure::CommandError;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let outcome = run(cli);
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            if let Some(text) = error.message() {
                eprintln!("{text}");
            }
            error.exit_code()
        }
    }
}

fn run(cli: Cli) -> Result<(), CommandError> {
    if cli.version {
        return version::print();
    }
    let Some(command) = cli.command else {
        return arguments::print_help();
    };
    match command {
        Command::Completions(args) => return completions::run(&args),
        Command::Config(command) => return config::run(command),
        Command::Reference(command) => return reference::run(&command),
        _ => {}
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| CommandError::failed(format!("the runtime does not start: {error}")))?;
    let outcome = runtime.block_on(run_async(command));
    // A read of stdin that nobody waits for any more must not keep the process alive.
    runtime.shutdown_background();
    outcome
}

async fn run_async(command: Command) -> Result<(), CommandError> {
    match command {
        Command::Serve(args) => serve::run(args).await,
        Command::Dev(args) => dev::run(args).await,
        Command::Demo(args) => demo::run(args).await,
        Command::Topic(command) => topic::run(command).await,
        Command::Produce(args) => produce::run(args).await,
        Command::Consume(args) => consume::run(args).await,
        Command::Group(command) => group::run(command).await,
        Command::Cluster(command) => cluster::run(command).await,
        Command::Bench(command) => bench::run(command).await,
        Command::Chaos(args) => chaos::run(args).await,
        Command::Log(command) => log::run(command).await,
        Command::Completions(_) | Command::Config(_) | Command::Reference(_) => {
            unreachable!("handled without a runtime")
        }
    }
}
