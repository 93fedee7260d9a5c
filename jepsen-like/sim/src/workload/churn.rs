//! A topic that is made, written, read and deleted again and again under one name.
//!
//! Every life of it is a log of its own in the history: what is read in one and was sent to
//! another is a phantom.

use std::time::Duration;

use floe_client::{Client, ErrorKind, Producer, Record};
use floe_env::{Env, Rng};
use floe_jepsen::{Action, Sent, Stage};

use super::drain::drain_topic;
use super::produce::{build, choose, send, values_of};
use super::{RETRY, Topic, Workload, bytes_of};
use crate::signals::Phase;

const NAME: &str = "churn";
/// After all was healed a life may take this long.
const LIFE_LIMIT: Duration = Duration::from_secs(60);

/// Lives until the run is over; the last life is lived to its end.
pub async fn churn(workload: &Workload, env: &Env) {
    workload.signals.until(Phase::Faults).await;
    let Some(client) = workload.connect(env).await else {
        return;
    };
    let rng = env.rng.fork();
    let mut old: Option<Producer> = None;
    for life in 1.. {
        let topic = Topic {
            name: NAME,
            label: format!("{NAME}#{life}"),
            partitions: 1 + u32::try_from(rng.below(3)).unwrap_or(0),
        };
        let living = async {
            make(workload, &topic, &client).await;
            let producer = write(workload, &topic, &client, &rng).await;
            if let Some(old) = old.take() {
                write_late(workload, &topic, &old, &rng).await;
            }
            while let Err(error) = drain_topic(workload, &topic, &client).await {
                tracing::debug!(?error, "reading the life of a topic again");
                tokio::time::sleep(RETRY).await;
            }
            delete(workload, &client).await;
            old = producer;
        };
        let patience = async {
            workload.signals.until(Phase::Converge).await;
            tokio::time::sleep(LIFE_LIMIT).await;
        };
        tokio::select! {
            biased;
            () = living => {}
            () = patience => {
                workload.book.trouble(format!("{} did not come to its end", topic.label));
                return;
            }
        }
        if workload.is_over() {
            return;
        }
        tokio::time::sleep(rng.jitter(Duration::ZERO, Duration::from_secs(2))).await;
    }
}

/// Makes the topic. The one before was deleted for certain.
async fn make(workload: &Workload, topic: &Topic, client: &Client) {
    let mut is_unsure = false;
    loop {
        let request = client.admin().create_topic(topic.name);
        match request
            .partitions(topic.partitions)
            .replication(3)
            .send()
            .await
        {
            Ok(_) => return,
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                if !is_unsure {
                    let label = &topic.label;
                    workload
                        .book
                        .trouble(format!("what was deleted before {label} is back"));
                }
                return;
            }
            Err(error) => {
                tracing::debug!(%error, "topic not made");
                // Whatever the error: an earlier attempt may have been carried out.
                is_unsure = true;
            }
        }
        tokio::time::sleep(RETRY).await;
    }
}

/// Sends some records; the producer is kept for later.
async fn write(workload: &Workload, topic: &Topic, client: &Client, rng: &Rng) -> Option<Producer> {
    let mut process = workload.book.new_process();
    let mut values = values_of(process);
    let producer = build(client, topic, rng).await?;
    for _ in 0..3 + rng.below(10) {
        let count = usize::try_from(1 + rng.below(8)).unwrap_or(1);
        let sends = choose(topic, values.by_ref().take(count), rng);
        if !send(workload, topic, &producer, process, sends, rng).await {
            process = workload.book.new_process();
        }
    }
    Some(producer)
}

/// Sends with a producer from before the topic was deleted and made again. It goes by the name:
/// the record gets into the new topic or, at a node that has not heard of the deletion, nowhere.
async fn write_late(workload: &Workload, topic: &Topic, producer: &Producer, rng: &Rng) {
    let process = workload.book.new_process();
    for (partition, value) in choose(topic, values_of(process).take(2), rng) {
        let action = || {
            let key = topic.key(partition);
            let offset = None;
            Action::Send(vec![Sent { key, value, offset }])
        };
        let open = workload.book.begin(process, action());
        let record = Record::new(bytes_of(value, rng)).partition(partition);
        let error = producer
            .send(record)
            .await
            .err()
            .map(|error| error.to_string());
        workload.book.end(open, Stage::Info, action(), error);
    }
}

/// Deletes the topic for certain.
async fn delete(workload: &Workload, client: &Client) {
    loop {
        match client.admin().delete_topic(NAME).await {
            Ok(_) => return,
            Err(error) if error.kind() == ErrorKind::NotFound => return,
            Err(error) => tracing::debug!(%error, "topic not deleted"),
        }
        if workload.signals.phase() >= Phase::Drain {
            return;
        }
        tokio::time::sleep(RETRY).await;
    }
}
