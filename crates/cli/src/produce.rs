//! `floe produce`: records from stdin, one a line.

mod input;

use std::time::Duration;

use bytes::Bytes;
use clap::{Args, ValueEnum};
use floe_client::{Ack, Acks, Compression, Error, ErrorKind, Producer, Record};
use futures::StreamExt as _;
use futures::future::BoxFuture;
use futures::stream::FuturesOrdered;
use serde::Serialize;

use crate::arguments::{ConnectArgs, OutputArgs, OutputForm};
use crate::config::value::parse_duration;
use crate::connection::{Connection, status_of, topic_name};
use crate::escape::unescape;
use crate::failure::{CommandError, ExitStatus};
use crate::output::Stdout;
use crate::progress;
use crate::serve::real_env;

/// Arguments of `floe produce`.
#[derive(Args, Debug)]
pub(crate) struct ProduceArgs {
    /// The topic
    topic: String,
    /// Split each line at the first SEP into key and value; \t, \n and \xNN are understood
    #[arg(long, value_parser = parse_separator, value_name = "SEP")]
    key_separator: Option<Separator>,
    /// When a record counts as written. Only quorum never loses an acknowledged record
    #[arg(long, value_enum, default_value_t = AcksChoice::Quorum)]
    acks: AcksChoice,
    /// none, gzip, snappy, lz4 or zstd
    #[arg(long, default_value = "none", value_parser = parse_compression, value_name = "CODEC")]
    compression: Compression,
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

impl From<AcksChoice> for Acks {
    fn from(choice: AcksChoice) -> Self {
        match choice {
            AcksChoice::Quorum => Self::Quorum,
            AcksChoice::Leader => Self::Leader,
            AcksChoice::None => Self::None,
        }
    }
}

/// Reads the name of a compression.
pub(crate) fn parse_compression(name: &str) -> Result<Compression, String> {
    name.parse()
        .map_err(|_| "expected none, gzip, snappy, lz4 or zstd".to_owned())
}

fn parse_separator(text: &str) -> Result<Separator, String> {
    match unescape(text)? {
        empty if empty.is_empty() => Err("must not be empty".to_owned()),
        bytes => Ok(Separator(bytes)),
    }
}

/// Stands between key and value.
#[derive(Clone, Debug)]
struct Separator(Vec<u8>);

impl Separator {
    /// Key and value of `line`; `None` when the separator is not there.
    fn split(&self, line: &Bytes) -> Option<(Bytes, Bytes)> {
        let width = self.0.len();
        let place = line.windows(width).position(|window| window == self.0)?;
        Some((line.slice(..place), line.slice(place + width..)))
    }
}

#[derive(Serialize)]
struct AckRow<'a> {
    topic: &'a str,
    partition: u32,
    offset: i64,
}

/// Runs `floe produce`.
pub(crate) async fn run(args: ProduceArgs) -> Result<(), CommandError> {
    topic_name(&args.topic)?;
    let env = real_env()?;
    let connection = Connection::open(&args.connect).await?;
    let building = connection
        .client
        .producer(args.topic.as_str())
        .acks(args.acks.into())
        .compression(args.compression)
        .delivery_timeout(args.delivery_timeout)
        .build();
    let producer = match building.await {
        Ok(producer) => producer,
        Err(error) => return Err(connection.explain_topic(&error, &args.topic).await),
    };
    let mut sending = Sending {
        producer,
        in_flight: FuturesOrdered::new(),
        sent: 0,
        acked: 0,
        failure: None,
        out: Stdout::new(),
        form: args.output.output,
        progress: progress::bar("acknowledged", None),
    };
    let fault = sending
        .send_all(input::read_stdin(&env), args.key_separator.as_ref())
        .await;
    sending.finish(fault.err(), &connection).await
}

/// Records on their way. Acknowledgements are reported in the order of the lines.
struct Sending {
    producer: Producer,
    in_flight: FuturesOrdered<BoxFuture<'static, Result<Ack, Error>>>,
    sent: u64,
    acked: u64,
    /// The first line that was not acknowledged, and why.
    failure: Option<(u64, Error)>,
    out: Stdout,
    form: OutputForm,
    progress: indicatif::ProgressBar,
}

impl Sending {
    /// Sends lines until they end, one is bad, or a record fails.
    async fn send_all(
        &mut self,
        mut lines: input::Lines,
        separator: Option<&Separator>,
    ) -> Result<(), CommandError> {
        loop {
            tokio::select! {
                biased;
                Some(outcome) = self.in_flight.next() => self.settle(outcome)?,
                chunk = lines.recv() => match chunk {
                    None => return Ok(()),
                    Some(chunk) => {
                        for line in chunk? {
                            self.send(line, separator).await?;
                        }
                    }
                },
            }
            if self.failure.is_some() {
                return Ok(());
            }
        }
    }

    async fn send(
        &mut self,
        line: Bytes,
        separator: Option<&Separator>,
    ) -> Result<(), CommandError> {
        let number = self.sent + 1;
        let record = match separator {
            None => Record::new(line),
            Some(separator) => {
                let (key, value) = separator.split(&line).ok_or_else(|| {
                    CommandError::usage(format!("line {number} has no key separator"))
                        .at("nothing after it was sent")
                })?;
                Record::new(value).key(key)
            }
        };
        let accepting = self.producer.enqueue(record);
        match accepting.await {
            Ok(delivery) => {
                self.sent = number;
                self.in_flight.push_back(Box::pin(delivery));
                Ok(())
            }
            Err(error) => {
                let status = status_of(error.kind(), ExitStatus::Failed);
                let what = format!("line {number}: {error}");
                Err(CommandError::new(status, what).at("nothing after it was sent"))
            }
        }
    }

    fn settle(&mut self, outcome: Result<Ack, Error>) -> Result<(), CommandError> {
        match outcome {
            Ok(ack) => {
                self.acked += 1;
                self.progress.inc(1);
                if self.form == OutputForm::Json {
                    let row = AckRow {
                        topic: self.producer.topic().as_str(),
                        partition: ack.partition.0,
                        offset: ack.offset.0,
                    };
                    self.out.json(&row)?;
                    if self.in_flight.is_empty() {
                        self.out.flush()?;
                    }
                }
            }
            Err(error) => {
                let line = self.acked + 1;
                self.failure.get_or_insert((line, error));
            }
        }
        Ok(())
    }

    /// Waits for everything that was sent, then says how it went.
    async fn finish(
        mut self,
        fault: Option<CommandError>,
        connection: &Connection,
    ) -> Result<(), CommandError> {
        while let Some(outcome) = self.in_flight.next().await {
            self.settle(outcome)?;
        }
        self.progress.finish_and_clear();
        self.out.flush()?;
        let topic = self.producer.topic().as_str().to_owned();
        // Every delivery was awaited above: nothing can be left undelivered unnoticed.
        drop(self.producer.close().await);
        if let Some((line, error)) = self.failure {
            let what = format!(
                "{} of {} records were acknowledged; line {line}: {error}",
                self.acked, self.sent
            );
            let unsure = error.kind() == ErrorKind::TimedOut || self.acked > 0;
            let status = match unsure {
                true => ExitStatus::Partial,
                false => status_of(error.kind(), ExitStatus::Failed),
            };
            let mut shown = connection.explain_topic(&error, &topic).await;
            if error.kind() == ErrorKind::TooLarge {
                shown = shown
                    .at("the topic's max.message.bytes is the limit of a batch [default: 1 MiB]")
                    .next(format!("see it:  floe topic describe {topic}"));
            }
            return Err(shown.replace(status, what));
        }
        match fault {
            None => Ok(()),
            Some(fault) => Err(fault),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_split_at_the_first_separator() {
        let separator = parse_separator("::").unwrap();
        let split = |line: &'static [u8]| separator.split(&Bytes::from_static(line));
        let pair = |key: &'static str, value: &'static str| {
            Some((
                Bytes::from_static(key.as_bytes()),
                Bytes::from_static(value.as_bytes()),
            ))
        };
        assert_eq!(split(b"k::a::b"), pair("k", "a::b"));
        assert_eq!(split(b"::v"), pair("", "v"));
        assert_eq!(split(b"k::"), pair("k", ""));
        assert_eq!(split(b"k:v"), None);
        assert_eq!(split(b""), None);
        assert_eq!(parse_separator("\\t").unwrap().0, b"\t");
        assert!(parse_separator("").is_err());
    }
}
