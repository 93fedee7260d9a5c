//! An idempotent producer by hand: repeats, leaves gaps, comes back as a zombie.
//!
//! The client library never does what a broken or paused producer does. This one speaks the
//! protocol itself. What must be refused and is not, or gets another place when it is repeated,
//! is a trouble of the run; everything it sends is in the history like any other send.

use std::collections::VecDeque;

use bytes::Bytes;
use floe_client::{Acks, ErrorCode, Offset, PartitionKey};
use floe_env::{Env, Rng};
use floe_jepsen::{Action, Sent, Stage, Value};
use floe_model::{ProducerEpoch, Sequence};
use floe_record::{BatchBuilder, Compression, Record};
use floe_rpc::{Produce, ProducePart, ProducerIdentity};

use super::caller::{Caller, TIMEOUT};
use super::produce::values_of;
use super::{RETRY, TOPIC, Workload, bytes_of};
use crate::signals::Phase;

/// Attempts at the nodes in turn.
const TRIES: u32 = 12;
/// Batches that are sent again later.
const REMEMBERED: usize = 6;

/// What came of a batch.
enum Outcome {
    Placed(Offset),
    /// Certainly not appended, because of its sequence or epoch.
    Refused(ErrorCode),
    Unknown,
}

/// A batch that can be sent again.
#[derive(Clone)]
struct Batch {
    identity: ProducerIdentity,
    sequence: i32,
    partition: u32,
    value: Value,
    bytes: Bytes,
}

struct Prober<'a> {
    workload: &'a Workload,
    key: PartitionKey,
    caller: Caller<'a>,
}

/// Probes until the run is over.
pub async fn probe(workload: &Workload, env: &Env) {
    workload.signals.until(Phase::Faults).await;
    let mut placed: VecDeque<(Batch, Offset)> = VecDeque::new();
    let Some(client) = workload.connect(env).await else {
        return;
    };
    let key = loop {
        if workload.is_over() {
            return;
        }
        let partition = u32::try_from(env.rng.below(u64::from(workload.topic.partitions)));
        match client.admin().describe_topic(TOPIC).await {
            Ok(topic) => {
                break PartitionKey {
                    topic_id: topic.topic_id,
                    partition: floe_client::PartitionIndex(partition.unwrap_or(0)),
                };
            }
            Err(_) => tokio::time::sleep(RETRY).await,
        }
    };
    drop(client);
    let mut prober = Prober {
        workload,
        key,
        caller: Caller::new(env, 3),
    };
    while !workload.is_over() {
        prober.round(&env.rng, &mut placed).await;
        prober.repeat(&placed).await;
        tokio::time::sleep(env.rng.jitter(RETRY, RETRY * 8)).await;
    }
}

impl Prober<'_> {
    /// A producer from its first batch to its zombie's last.
    async fn round(&mut self, rng: &Rng, placed: &mut VecDeque<(Batch, Offset)>) {
        let Some(identity) = self.identity().await else {
            return;
        };
        let process = self.workload.book.new_process();
        let mut values = values_of(process);
        let mut next = |identity, sequence| Batch {
            identity,
            sequence,
            partition: self.key.partition.0,
            value: values.next().unwrap_or_default(),
            bytes: Bytes::new(),
        };
        let [first, gap] = [next(identity, 0), next(identity, 5)];
        let newer = ProducerIdentity {
            producer_epoch: ProducerEpoch(identity.producer_epoch.0 + 1),
            ..identity
        };
        let [successor, zombie] = [next(newer, 0), next(identity, 1)];
        let first = first.filled(rng);
        let Some(offset) = self.send(process, &first).await else {
            return;
        };
        placed.push_back((first.clone(), offset));
        if placed.len() > REMEMBERED {
            placed.pop_front();
        }
        self.must_fail(process, &gap.filled(rng), "a batch behind a gap")
            .await;
        if self.send(process, &successor.filled(rng)).await.is_some() {
            self.must_fail(process, &zombie.filled(rng), "a batch of a fenced producer")
                .await;
            // The successor's epoch forgot what the former one sent.
            placed.pop_back();
        }
    }

    /// Batches of before are where they were.
    async fn repeat(&mut self, placed: &VecDeque<(Batch, Offset)>) {
        for (batch, offset) in placed {
            if let Outcome::Placed(again) = self.produce(batch).await
                && again != *offset
            {
                self.workload.book.trouble(format!(
                    "batch {} of producer {:?} was placed at {offset} and then at {again}",
                    batch.sequence, batch.identity.producer_id
                ));
            }
        }
    }

    async fn send(&mut self, process: u64, batch: &Batch) -> Option<Offset> {
        let outcome = self.record(process, batch).await;
        match outcome {
            Outcome::Placed(offset) => Some(offset),
            Outcome::Refused(_) | Outcome::Unknown => None,
        }
    }

    async fn must_fail(&mut self, process: u64, batch: &Batch, what: &str) {
        if let Outcome::Placed(offset) = self.record(process, batch).await {
            self.workload
                .book
                .trouble(format!("{what} was accepted at {offset}"));
        }
    }

    async fn record(&mut self, process: u64, batch: &Batch) -> Outcome {
        let action = |offset| {
            let key = self.workload.topic.key(batch.partition);
            let value = batch.value;
            Action::Send(vec![Sent { key, value, offset }])
        };
        let book = self.workload.book.clone();
        let (begun, placed) = (action(None), action(Some(Offset::ZERO)));
        let open = book.begin(process, begun.clone());
        let outcome = self.produce(batch).await;
        match &outcome {
            Outcome::Placed(offset) => {
                let Action::Send(mut sent) = placed else {
                    return outcome;
                };
                sent[0].offset = Some(*offset);
                book.end(open, Stage::Ok, Action::Send(sent), None);
            }
            Outcome::Refused(code) => {
                book.end(open, Stage::Fail, begun, Some(format!("{code:?}")));
            }
            Outcome::Unknown => book.end(open, Stage::Info, begun, None),
        }
        outcome
    }

    /// Tries the nodes in turn until one of them says something of the batch.
    async fn produce(&mut self, batch: &Batch) -> Outcome {
        let mut was_sent = false;
        for _ in 0..TRIES {
            if self.workload.is_over() {
                break;
            }
            let request = Produce {
                acks: Acks::Quorum,
                timeout_ms: 2_000,
                parts: vec![ProducePart {
                    key: self.key,
                    batches: vec![batch.bytes.clone().into()],
                }],
            };
            let Some(connection) = self.caller.connect().await else {
                continue;
            };
            let call = connection.call(TIMEOUT, |api, context| async move {
                api.produce(context, request).await
            });
            let code = match call.await {
                Ok(Ok(replies)) => match replies.into_iter().next().map(|reply| reply.outcome) {
                    Some(Ok(produced)) => match produced.base_offsets.first() {
                        Some(offset) => return Outcome::Placed(*offset),
                        None => return Outcome::Unknown,
                    },
                    Some(Err(failure)) => failure.code,
                    None => return Outcome::Unknown,
                },
                Ok(Err(failure)) => failure.code,
                Err(_) => {
                    was_sent = true;
                    self.caller.lose();
                    continue;
                }
            };
            match code {
                ErrorCode::OutOfOrderSequence
                | ErrorCode::ProducerFenced
                | ErrorCode::UnknownProducer
                    if !was_sent =>
                {
                    return Outcome::Refused(code);
                }
                ErrorCode::OutOfOrderSequence
                | ErrorCode::ProducerFenced
                | ErrorCode::UnknownProducer => return Outcome::Unknown,
                ErrorCode::NotLeader => self.caller.move_on(),
                _ => {
                    was_sent = true;
                    self.caller.move_on();
                }
            }
            tokio::time::sleep(RETRY).await;
        }
        Outcome::Unknown
    }

    async fn identity(&mut self) -> Option<ProducerIdentity> {
        let connection = self.caller.connect().await?;
        let call = connection.call(TIMEOUT, |api, context| async move {
            api.init_producer(context).await
        });
        match call.await {
            Ok(Ok(identity)) => Some(identity),
            Ok(Err(_)) | Err(_) => {
                self.caller.move_on();
                None
            }
        }
    }
}

impl Batch {
    fn filled(mut self, rng: &Rng) -> Self {
        let mut builder = BatchBuilder::new(Compression::None);
        builder.producer(
            self.identity.producer_id,
            self.identity.producer_epoch,
            Sequence(self.sequence),
        );
        builder.push(&Record {
            timestamp_ms: 0,
            key: None,
            value: Some(Bytes::from(bytes_of(self.value, rng))),
            headers: Vec::new(),
        });
        self.bytes = builder.build();
        self
    }
}
