//! `floe demo`: runs the delivery story and shows where it stands, or only prints its records.

use std::io::IsTerminal as _;
use std::time::Duration;

use clap::Args;
use floe_demo::{DemoOptions, Positions, Report, Snapshot, Verdict};
use tokio_util::sync::CancellationToken;

use crate::arguments::{OutputArgs, OutputForm};
use crate::failure::CommandError;
use crate::output::Stdout;
use crate::serve::{Signals, real_env};

/// Longest run that can be asked for, seconds.
const SECONDS_MAX: f64 = 86_400.0;

/// Arguments of `floe demo`.
#[derive(Args, Debug)]
pub(crate) struct DemoArgs {
    /// Stop after S seconds and judge the run [default: run until Ctrl-C]
    #[arg(long, value_name = "S", value_parser = seconds)]
    seconds: Option<f64>,
    /// Number of couriers
    #[arg(long, value_name = "C", default_value_t = 500, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    couriers: u32,
    /// Positions a courier sends per second; each is one second of the story
    #[arg(long, value_name = "X", default_value_t = 1.0, value_parser = speed)]
    speed: f64,
    /// Seed of all movement
    #[arg(long, value_name = "N", default_value_t = 42)]
    seed: u64,
    /// Kill the node that leads most partitions (SIGKILL) T seconds into the run
    #[arg(long, value_name = "T", value_parser = seconds)]
    kill_leader_at: Option<f64>,
    /// Run no cluster: print the positions of S seconds, key and value with a tab between them
    #[arg(long, requires = "seconds", conflicts_with = "kill_leader_at")]
    print: bool,
    #[command(flatten)]
    output: OutputArgs,
}

fn seconds(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(seconds) if (0.0..=SECONDS_MAX).contains(&seconds) => Ok(seconds),
        _ => Err(format!("expected seconds, 0 to {SECONDS_MAX}")),
    }
}

fn speed(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(speed) if speed > 0.0 && speed <= 1_000.0 => Ok(speed),
        _ => Err("expected a number above 0, at most 1000".to_owned()),
    }
}

/// Runs the demo; a run that fails its own judgement is exit code 1.
pub(crate) async fn run(args: DemoArgs) -> Result<(), CommandError> {
    let options = DemoOptions {
        length: args.seconds.map(Duration::from_secs_f64),
        couriers: args.couriers,
        speed: args.speed,
        seed: args.seed,
        kill_leader_at: args.kill_leader_at.map(Duration::from_secs_f64),
    };
    if args.print {
        return print_positions(&options);
    }
    let program = std::env::current_exe()
        .map_err(|error| CommandError::failed(format!("cannot find this program: {error}")))?;
    let env = real_env()?;
    let mut signals = Signals::install()?;
    let stop = CancellationToken::new();
    let mut screen = Screen::new();
    let mut show = |snapshot: &Snapshot| screen.show(snapshot);
    let story = floe_demo::run(&env, &program, &options, stop.clone(), &mut show);
    tokio::pin!(story);
    let outcome = tokio::select! {
        outcome = &mut story => outcome,
        () = signals.next() => {
            stop.cancel();
            // A second signal ends the wait for the judgement.
            tokio::select! {
                outcome = &mut story => outcome,
                () = signals.next() => return Err(CommandError::failed("interrupted")),
            }
        }
    };
    let report = outcome.map_err(|error| CommandError::failed(with_causes(&error)))?;
    print(&report, args.output.output)?;
    match report.verdict {
        Verdict::Pass => Ok(()),
        Verdict::Fail => Err(CommandError::failed(
            "the demo failed: see the figures above",
        )),
    }
}

/// One line a record, in the order of sending: what other producers can be fed with.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a count of positions, bounded by the arguments"
)]
fn print_positions(options: &DemoOptions) -> Result<(), CommandError> {
    let seconds = options.length.unwrap_or_default().as_secs_f64();
    let count = (seconds * options.speed * f64::from(options.couriers)) as usize;
    let mut stdout = Stdout::new();
    for position in Positions::new(options).take(count) {
        let key = position.key();
        stdout.bytes(&[key.as_bytes(), b"\t", &position.to_json(), b"\n"].concat())?;
    }
    stdout.flush()
}

/// An error and what led to it, in one line.
fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

fn print(report: &Report, form: OutputForm) -> Result<(), CommandError> {
    let mut stdout = Stdout::new();
    stdout.document(form, report, |report| {
        let verdict = match report.verdict {
            Verdict::Pass => "pass",
            Verdict::Fail => "fail",
        };
        let mut lines = vec![
            ("verdict", verdict.to_owned()),
            ("produced", report.produced.to_string()),
            ("acknowledged", report.acked.to_string()),
            ("lost", report.lost.to_string()),
            ("kills", report.kills.to_string()),
            (
                "unavailable",
                format!("{} ms at most", report.unavailable_ms_max),
            ),
        ];
        for (name, group) in &report.groups {
            let text = format!(
                "{} received, {} missing, {} duplicates, {} out of order, {} effects, {} wrong",
                group.received,
                group.missing,
                group.duplicates,
                group.out_of_order,
                group.effects,
                group.effects_wrong
            );
            lines.push((*name, text));
        }
        lines
    })
}

/// The live view on stderr: redrawn in place on a terminal, one line now and then elsewhere.
struct Screen {
    terminal: bool,
    lines: usize,
    last: Option<(Duration, u64)>,
}

/// Between two lines where there is no terminal.
const LINE_INTERVAL: Duration = Duration::from_secs(5);

impl Screen {
    fn new() -> Self {
        Self {
            terminal: std::io::stderr().is_terminal(),
            lines: 0,
            last: None,
        }
    }

    fn show(&mut self, snapshot: &Snapshot) {
        let (at, acked) = self.last.unwrap_or_default();
        let passed = snapshot.elapsed.saturating_sub(at);
        if !self.terminal && self.last.is_some() && passed < LINE_INTERVAL {
            return;
        }
        #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
        let rate = match passed.as_secs_f64() {
            0.0 => 0.0,
            seconds => snapshot.acked.saturating_sub(acked) as f64 / seconds,
        };
        self.last = Some((snapshot.elapsed, snapshot.acked));
        if self.terminal {
            let text = snapshot.render(rate);
            if self.lines > 0 {
                anstream::eprint!("\x1b[{}A\x1b[J", self.lines);
            }
            anstream::eprint!("{text}");
            self.lines = text.lines().count();
        } else {
            if at.is_zero() {
                let nodes = snapshot.nodes.iter().map(|node| node.client_addr.as_str());
                let nodes: Vec<_> = nodes.collect();
                anstream::eprintln!("nodes: {}", nodes.join(","));
            }
            anstream::eprintln!(
                "{:>6.1} s  {} acknowledged  {rate:.0}/s",
                snapshot.elapsed.as_secs_f64(),
                snapshot.acked
            );
        }
    }
}
