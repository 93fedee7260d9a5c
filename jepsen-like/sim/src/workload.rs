//! What clients do to the cluster while it breaks: append, read, consume as a group.
//!
//! Every operation goes into the [`Book`](crate::book::Book). An operation that failed counts as
//! not done only where the client says so for certain.

mod bytes_compared;
mod caller;
mod churn;
mod drain;
mod ghost;
mod group_member;
mod probe;
mod produce;
mod read;
mod setup;
mod storm;
mod trim;

pub use bytes_compared::compare_replicas;
pub use churn::churn;
pub use drain::drain;
pub use ghost::haunt;
pub use probe::probe;
pub use setup::make_topic;
pub use storm::storm;
pub use trim::trim;

use std::time::Duration;

use floe_client::{Client, Message};
use floe_env::{Env, Rng};
use floe_jepsen::{Key, Value};

use crate::book::Book;
use crate::signals::{Phase, Signals};

/// The topic under test.
pub const TOPIC: &str = "log";
/// The group under test.
pub const GROUP: &str = "tally";

/// Between two attempts of something that did not work.
const RETRY: Duration = Duration::from_millis(100);

/// What all workers of a client host share.
#[derive(Clone)]
pub struct Workload {
    /// Where everything is written down.
    pub book: Book,
    /// The course of the run.
    pub signals: Signals,
    /// Addresses of all nodes.
    pub seeds: String,
    /// The topic that everybody uses.
    pub topic: Topic,
}

/// One life of a topic: made again under the same name, it is another one in the history.
#[derive(Clone)]
pub struct Topic {
    /// The name in the cluster.
    pub name: &'static str,
    /// The name in the history.
    pub label: String,
    /// How many partitions it has.
    pub partitions: u32,
}

impl Topic {
    /// The log of a partition.
    fn key(&self, partition: u32) -> Key {
        Key(format!("{}/{partition}", self.label))
    }

    fn keys(&self) -> Vec<Key> {
        (0..self.partitions)
            .map(|partition| self.key(partition))
            .collect()
    }
}

impl Workload {
    fn is_over(&self) -> bool {
        self.signals.phase() >= Phase::Stop
    }

    /// Connects, however long it takes; none when the run ends first.
    async fn connect(&self, env: &Env) -> Option<Client> {
        while !self.is_over() {
            match Client::connect_in(env.clone(), &self.seeds).await {
                Ok(client) => return Some(client),
                Err(error) => tracing::debug!(%error, "not connected"),
            }
            tokio::time::sleep(RETRY).await;
        }
        None
    }
}

/// Everything a client host does, until the run says stop.
pub async fn client_host(workload: Workload, env: Env) {
    workload.signals.until(Phase::Faults).await;
    if let Some(client) = workload.connect(&env).await {
        let rng = |_worker: &str| env.rng.fork();
        let (first, second, reader, member) = (
            rng("producer"),
            rng("producer"),
            rng("reader"),
            rng("member"),
        );
        tokio::join!(
            produce::run(&workload, &client, &first),
            produce::run(&workload, &client, &second),
            read::run(&workload, &client, &reader),
            group_member::run(&workload, &client, &member),
        );
    }
    workload.signals.worker_finished();
}

/// A record's bytes: the value, then padding, so that sizes differ.
fn bytes_of(value: Value, rng: &Rng) -> Vec<u8> {
    let padding = match rng.below(10) {
        0 => rng.below(8_000),
        _ => rng.below(300),
    };
    let mut bytes = value.to_be_bytes().to_vec();
    bytes.resize(8 + usize::try_from(padding).unwrap_or(0), 0);
    bytes
}

/// The value of a record; none when it is not one of ours.
fn value_of(message: &Message) -> Option<Value> {
    let bytes = message.value.as_ref()?;
    Some(Value::from_be_bytes(*bytes.first_chunk::<8>()?))
}
