//! `floe bench failover`: how long partitions cannot be written while a command breaks something.
//!
//! Every partition gets a record at a steady interval. When the command has ended, one record
//! goes to each partition at once: the time from the start of the command to that record's
//! acknowledgement is the partition's time without service. A partition counts as affected when
//! its leader or leader epoch changed. Afterwards everything is read again: an acknowledged
//! record that is not there is lost.

mod lane;
mod verdict;

use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use floe_client::{Producer, TopicInfo};
use floe_env::{Clock, Env};
use futures::StreamExt as _;
use tokio::process::Command;

use self::lane::Lanes;
use self::verdict::{Verdict, count_lost};
use super::FailoverArgs;
use super::topic::BenchTopic;
use crate::connection::Connection;
use crate::failure::CommandError;
use crate::progress;
use crate::serve::real_env;

/// How often partitions that are due get their record.
const TICK: Duration = Duration::from_millis(5);
/// Steady records per second over all partitions, unless an interval is given.
const RATE_MAX: u64 = 2000;
/// Producing goes on for this long after every partition was heard of again, so that a later
/// disturbance shows.
const SETTLE: Duration = Duration::from_secs(2);

/// Runs `floe bench failover`.
pub(super) async fn run(args: FailoverArgs) -> Result<(), CommandError> {
    let env = real_env()?;
    let connection = Connection::open(&args.connect).await?;
    let topic = BenchTopic::prepare(&connection, &args.topic, &env).await?;
    let built = connection
        .client
        .producer(topic.name.as_str())
        .linger(Duration::ZERO)
        .build()
        .await;
    let producer = built.map_err(|error| connection.explain(&error))?;
    let before = layout(&connection, &topic).await?;
    let mut run = Run::new(&env, producer, topic.partitions, &args);
    let outcome = run.all(&args).await;
    let verdict = match outcome {
        Ok(()) => {
            let after = layout(&connection, &topic).await?;
            let lost = count_lost(&connection, &topic, &run.lanes).await;
            let lost = lost.map_err(|error| connection.explain(&error))?;
            Ok(Verdict::new(&run.lanes, &before, &after, lost))
        }
        Err(error) => Err(error),
    };
    topic.clean_up(&connection).await;
    verdict?.finish(args.output.output)
}

async fn layout(connection: &Connection, topic: &BenchTopic) -> Result<TopicInfo, CommandError> {
    let described = connection.admin().describe_topic(topic.name.as_str()).await;
    described.map_err(|error| connection.explain(&error))
}

/// One measurement.
struct Run {
    lanes: Lanes,
    clock: Arc<dyn Clock>,
    interval: Duration,
}

impl Run {
    fn new(env: &Env, producer: Producer, partitions: u32, args: &FailoverArgs) -> Self {
        let spread = Duration::from_millis(u64::from(partitions) * 1000 / RATE_MAX);
        let interval = args
            .interval
            .unwrap_or(spread.max(Duration::from_millis(100)));
        Self {
            lanes: Lanes::new(producer, partitions, env.clock.clone()),
            clock: env.clock.clone(),
            interval,
        }
    }

    /// Steady producing, the command, and steady producing until all is well again.
    async fn all(&mut self, args: &FailoverArgs) -> Result<(), CommandError> {
        let bar = progress::bar("producing steadily", None);
        let began = self.clock.now();
        self.produce_until(|_, now| now >= began + args.before)
            .await?;
        if let Some(partition) = self.lanes.first_unheard() {
            let what = format!("partition {partition} took no record before the command");
            return Err(CommandError::failed(what).next("floe cluster status"));
        }
        bar.set_message("running the command");
        self.lanes.command_began(self.clock.now());
        let mut command = spawn_shell(&args.exec)?;
        let ended = loop {
            tokio::select! {
                ended = command.wait() => break ended,
                step = self.step() => step?,
            }
        };
        let ended =
            ended.map_err(|error| CommandError::failed(format!("{}: {error}", args.exec)))?;
        if !ended.success() {
            return Err(CommandError::failed(format!(
                "'{}' ended with {ended}",
                args.exec
            )));
        }
        bar.set_message("waiting for all partitions");
        let probed = self.clock.now();
        self.lanes.probe_all().await?;
        let mut all_heard = None;
        self.produce_until(|lanes, now| {
            if all_heard.is_none() && lanes.probes_are_acked() {
                all_heard = Some(now);
            }
            let settled = all_heard.is_some_and(|heard| now >= heard + SETTLE);
            settled || now >= probed + args.after
        })
        .await?;
        bar.finish_and_clear();
        self.lanes.drain(args.after).await;
        Ok(())
    }

    async fn produce_until(
        &mut self,
        mut is_enough: impl FnMut(&Lanes, Duration) -> bool,
    ) -> Result<(), CommandError> {
        while !is_enough(&self.lanes, self.clock.now()) {
            self.step().await?;
        }
        Ok(())
    }

    /// Sends what is due, then takes acknowledgements for a moment.
    async fn step(&mut self) -> Result<(), CommandError> {
        self.lanes.send_due(self.interval).await?;
        let pause = tokio::time::sleep(TICK);
        tokio::pin!(pause);
        loop {
            tokio::select! {
                () = &mut pause => return Ok(()),
                Some(done) = self.lanes.in_flight.next() => self.lanes.settle(done),
            }
        }
    }
}

/// What the command prints goes to stderr: stdout is for the result.
fn spawn_shell(command: &str) -> Result<tokio::process::Child, CommandError> {
    use std::os::fd::AsFd as _;
    let cannot = |error| CommandError::failed(format!("cannot run '{command}': {error}"));
    let stderr = std::io::stderr()
        .as_fd()
        .try_clone_to_owned()
        .map_err(cannot)?;
    Command::new("sh")
        .args(["-c", command])
        .stdin(Stdio::null())
        .stdout(Stdio::from(stderr))
        .spawn()
        .map_err(cannot)
}
