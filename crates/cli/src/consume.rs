//! `floe consume`: reads records.

mod finish;
mod format;
mod printer;
mod source;

use std::time::Duration;

use clap::Args;
use floe_client::{Error, Message};
use futures::FutureExt as _;

use crate::arguments::{ConnectArgs, OutputArgs};
use crate::connection::{Connection, topic_name};
use crate::failure::CommandError;
use crate::offset::Place;
use crate::serve::{Signals, real_env};

use finish::Finish;
use printer::Printer;
use source::Source;

/// How often an idle reader looks whether it is done, and a busy one commits.
const TICK: Duration = Duration::from_millis(200);
/// How long every read may fail before the cluster counts as gone.
const PATIENCE: Duration = Duration::from_secs(60);
/// After this long without a record people are told what they are waiting for.
const QUIET_LIMIT: Duration = Duration::from_secs(2);

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
pub(crate) async fn run(args: ConsumeArgs) -> Result<(), CommandError> {
    topic_name(&args.topic)?;
    let env = real_env()?;
    let mut signals = Signals::install()?;
    let connection = Connection::open(&args.connect).await?;
    let place = args.offset.at(env.clock.wall_ms());
    let opened = Source::open(&connection, &args.topic, args.group.as_deref(), place);
    let source = tokio::select! {
        opened = opened => opened?,
        () = signals.next() => return Ok(()),
    };
    let finish = Finish::new(&source, args.number, args.until_end);
    let printer = Printer::new(&args);
    let mut reading = Reading {
        source,
        finish,
        printer,
        clock: env.clock,
        last_commit: Duration::ZERO,
        failing_since: None,
    };
    let outcome = tokio::select! {
        outcome = reading.run(&args.topic) => outcome,
        () = signals.next() => Ok(()),
    };
    reading.end(outcome, &connection).await
}

/// A read in progress. What is committed was printed and handed to the reader of stdout before.
struct Reading {
    source: Source,
    finish: Finish,
    printer: Printer,
    clock: std::sync::Arc<dyn floe_env::Clock>,
    last_commit: Duration,
    /// Since when every read fails.
    failing_since: Option<Duration>,
}

impl Reading {
    /// Reads until there is nothing more to read. Cancel safe between records.
    async fn run(&mut self, topic: &str) -> Result<(), CommandError> {
        let mut waiting_since = Some(self.clock.now());
        while !self.finish.is_done(&self.source).await {
            let next = match self.source.consumer.next().now_or_never() {
                Some(next) => Some(next),
                None => {
                    self.printer.flush()?;
                    self.commit_sometimes().await?;
                    tokio::time::timeout(TICK, self.source.consumer.next())
                        .await
                        .ok()
                }
            };
            match next {
                Some(Some(Ok(message))) => {
                    waiting_since = None;
                    self.failing_since = None;
                    self.take(&message)?;
                    self.commit_sometimes().await?;
                }
                Some(Some(Err(error))) => self.bear(&error)?,
                Some(None) => return Ok(()),
                None => {
                    let quiet = waiting_since.map(|since| self.clock.now().saturating_sub(since));
                    if quiet.is_some_and(|quiet| quiet >= QUIET_LIMIT) {
                        waiting_since = None;
                        self.source.say_what_is_awaited(topic);
                    }
                }
            }
        }
        Ok(())
    }

    fn take(&mut self, message: &Message) -> Result<(), CommandError> {
        if self.source.skips(message) || !self.finish.wants(message) {
            return Ok(());
        }
        self.printer.print(message)?;
        self.finish.count();
        Ok(())
    }

    async fn commit_sometimes(&mut self) -> Result<(), CommandError> {
        let now = self.clock.now();
        if self.source.is_member && now.saturating_sub(self.last_commit) >= TICK * 5 {
            self.last_commit = now;
            self.commit().await?;
        }
        Ok(())
    }

    async fn commit(&mut self) -> Result<(), CommandError> {
        self.printer.flush()?;
        match self.source.consumer.commit().await {
            Ok(()) => Ok(()),
            // The next commit says the same again, or another member goes on from the last one.
            Err(error)
                if error.is_retriable() || error.kind() == floe_client::ErrorKind::Fenced =>
            {
                tracing::debug!(%error, "not committed");
                Ok(())
            }
            Err(error) => Err(CommandError::failed(format!("cannot commit: {error}"))),
        }
    }

    /// An error that may pass is borne for a while.
    fn bear(&mut self, error: &Error) -> Result<(), CommandError> {
        let now = self.clock.now();
        let since = *self.failing_since.get_or_insert(now);
        if error.is_retriable() && now.saturating_sub(since) < PATIENCE {
            return Ok(());
        }
        let status = crate::connection::status_of(error.kind(), crate::failure::ExitStatus::Failed);
        Err(
            CommandError::new(status, format!("cannot read on: {error}"))
                .next("see what is missing:  floe cluster status"),
        )
    }

    /// Hands over what is printed, commits it, and leaves the group.
    async fn end(
        mut self,
        outcome: Result<(), CommandError>,
        connection: &Connection,
    ) -> Result<(), CommandError> {
        let flushed = self.printer.flush();
        if self.source.is_member {
            if flushed.is_ok() && !self.source.is_untouched() {
                self.commit().await?;
            }
            let closed = self.source.consumer.close().await;
            flushed?;
            outcome?;
            return closed.map_err(|error| connection.explain(&error));
        }
        flushed.and(outcome)
    }
}
