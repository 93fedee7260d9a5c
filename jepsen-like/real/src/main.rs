//! `floe-real`: real nodes on a real machine, broken on purpose.
//!
//! `real` runs rounds, `doctor` says what the machine can do; `scripts/jepsen` is how people call
//! it. Clients are those of `floe_jepsen::live`, and Kafka's; the history they write is judged by
//! the checkers that judge the simulator too.

mod arguments;
mod cluster;
mod doctor;
mod failure;
mod fault;
mod isolation;
mod kafka;
mod matrix;
mod nemesis;
mod network;
mod node;
mod order;
mod plan;
mod proxy;
mod round;
mod series;
mod summary;
mod tool;
mod volume;

use std::io::{Read as _, Write as _};
use std::process::ExitCode;

use serde::Serialize;

use crate::arguments::Arguments;
use crate::doctor::Diagnosis;
use crate::failure::Failure;
use crate::order::Order;
use crate::summary::RoundDocument;

/// Something is not as it should be.
const FAILED: u8 = 1;
/// The command line says nothing that can be done.
const USAGE: u8 = 2;
/// The machine cannot do everything.
const PARTIAL: u8 = 5;

fn main() -> ExitCode {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build();
    let outcome = match runtime {
        Ok(runtime) => {
            let outcome = runtime.block_on(act());
            // A read of stdin may wait for ever.
            runtime.shutdown_background();
            outcome
        }
        Err(error) => Err(Failure::of_file("runtime")(error)),
    };
    match outcome {
        Ok(code) => ExitCode::from(code),
        Err(failure) => {
            say(&format!("floe-real: {failure}"));
            ExitCode::from(match failure {
                Failure::Usage(_) => USAGE,
                _ => FAILED,
            })
        }
    }
}

async fn act() -> Result<u8, Failure> {
    match Arguments::parse(std::env::args().skip(1))? {
        Arguments::Real(series) => {
            let summary = series::run(&series, say).await?;
            print(&summary)?;
            Ok(if summary.is_success() { 0 } else { FAILED })
        }
        Arguments::Doctor { root } => {
            let diagnosis = Diagnosis::make(&root).await;
            print(&diagnosis)?;
            Ok(if diagnosis.is_complete() { 0 } else { PARTIAL })
        }
        Arguments::Round(order) => {
            print(&while_wanted(&order).await?)?;
            Ok(0)
        }
    }
}

/// A round, as long as the one who started it is there and nobody wants it to end.
#[expect(clippy::disallowed_methods, reason = "no simulator runs this")]
async fn while_wanted(order: &Order) -> Result<RoundDocument, Failure> {
    let input_ends = tokio::task::spawn_blocking(|| std::io::stdin().read(&mut [0]));
    tokio::select! {
        round = round::run(order) => round,
        _ = input_ends => Err(Failure::Interrupted),
        () = series::interrupted() => Err(Failure::Interrupted),
    }
}

/// One document, one line.
fn print(document: &impl Serialize) -> Result<(), Failure> {
    let text = serde_json::to_string(document)?;
    let written = writeln!(std::io::stdout(), "{text}");
    written.map_err(Failure::of_file("stdout"))
}

/// For people.
fn say(line: &str) {
    // Nobody is left to be told if this fails.
    drop(writeln!(std::io::stderr(), "{line}"));
}
