//! Millions of damaged frames through every request decoder, on stable Rust:
//!
//! `cargo run --release -p floe-kafka-codec --example fuzz -- [INPUTS] [SEED]`
//!
//! The inputs are shared out over the targets; INPUTS defaults to five million. Prints what became of them and
//! the most memory the process had. A violation panics and the frame is printed.
#![allow(clippy::print_stdout, clippy::expect_used, reason = "a command")]

#[path = "../fuzz/corpus.rs"]
mod corpus;
#[path = "../fuzz/mutation.rs"]
mod mutation;
#[path = "../fuzz/target.rs"]
mod target;

use std::error::Error;
use std::sync::{Arc, Mutex};

use mutation::Mutator;
use target::{Outcome, TARGETS};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let inputs: u64 = arguments
        .next()
        .map_or(Ok(5_000_000), |text| text.parse())?;
    let seed: u64 = arguments.next().map_or(Ok(1), |text| text.parse())?;
    let corpus = corpus::all()?;
    let last = Arc::new(Mutex::new(Vec::new()));
    print_on_panic(&last);
    let (mut decoded, mut refused, mut headless) = (0u64, 0u64, 0u64);
    let share = inputs.div_ceil(TARGETS.len() as u64);
    for target in TARGETS {
        let own = corpus::of(target.api, &corpus);
        let mut mutator = Mutator::new(&own, &corpus, seed ^ (target.api.number() as u64) << 32);
        for _ in 0..share {
            let frame = mutator.input();
            last.lock().expect("one thread").clone_from(&frame);
            match target.run(&frame) {
                Outcome::Decoded => decoded += 1,
                Outcome::Refused => refused += 1,
                Outcome::NoHeader => headless += 1,
            }
        }
    }
    println!("{} frames in the corpus, seed {seed}", corpus.len());
    println!(
        "{} inputs: {decoded} decoded, {refused} refused, {headless} without a header",
        decoded + refused + headless
    );
    println!("peak memory {} KiB", peak_memory_kib()?);
    Ok(())
}

/// Shows the frame in work when something panics.
fn print_on_panic(last: &Arc<Mutex<Vec<u8>>>) {
    let (last, usual) = (Arc::clone(last), std::panic::take_hook());
    std::panic::set_hook(Box::new(move |panic| {
        usual(panic);
        println!("{:02x?}", last.lock().expect("one thread"));
    }));
}

/// The most memory this process ever had resident.
fn peak_memory_kib() -> Result<u64, Box<dyn Error>> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let number = line.and_then(|line| line.split_whitespace().next());
    Ok(number.ok_or("no VmHWM in /proc/self/status")?.parse()?)
}
