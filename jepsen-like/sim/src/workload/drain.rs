//! The final reading: everything from the start of each partition to its end, and what the
//! group has committed.

use std::collections::BTreeMap;
use std::time::Duration;

use floe_client::{Client, Error, Offset, Start};
use floe_env::Env;
use floe_jepsen::{Action, Key, Stage};

use super::read::{Polled, begin, poll};
use super::{GROUP, RETRY, Topic, Workload};

/// Reads everything; `false` when it did not come to the end within `limit`.
pub async fn drain(workload: &Workload, env: &Env, limit: Duration) -> bool {
    let reading = async {
        loop {
            match everything(workload, env).await {
                Ok(()) => return,
                Err(error) => tracing::warn!(?error, "reading everything again"),
            }
            tokio::time::sleep(RETRY).await;
        }
    };
    tokio::time::timeout(limit, reading).await.is_ok()
}

async fn everything(workload: &Workload, env: &Env) -> Result<(), Option<Error>> {
    let client = Client::connect_in(env.clone(), &workload.seeds).await?;
    drain_topic(workload, &workload.topic, &client).await?;
    committed(workload, &client).await?;
    Ok(())
}

/// One reading of a topic from its start; an error leaves its operations open or failed.
pub async fn drain_topic(
    workload: &Workload,
    topic: &Topic,
    client: &Client,
) -> Result<(), Option<Error>> {
    let book = &workload.book;
    let ends = ends(topic, client).await?;
    let open = book.begin(book.new_process(), Action::Drain(BTreeMap::new()));
    let (mut reader, process) = begin(workload, topic, client).await.ok_or(None)?;
    let mut missing: BTreeMap<Key, Offset> = ends
        .iter()
        .filter(|(_, end)| **end > Offset::ZERO)
        .map(|(k, e)| (k.clone(), *e))
        .collect();
    while !missing.is_empty() {
        let polling = book.begin(process, Action::Poll(Polled::new()));
        let (polled, error) = poll(&mut reader, topic, book).await;
        for (key, values) in &polled {
            let Some((last, _)) = values.last() else {
                continue;
            };
            if missing.get(key).is_some_and(|end| *last + 1 >= *end) {
                missing.remove(key);
            }
        }
        let stage = if error.is_some() {
            Stage::Info
        } else {
            Stage::Ok
        };
        let text = error.as_ref().map(ToString::to_string);
        book.end(polling, stage, Action::Poll(polled), text);
        if let Some(error) = error {
            book.end(open, Stage::Fail, Action::Drain(BTreeMap::new()), None);
            return Err(Some(error));
        }
    }
    book.end(open, Stage::Ok, Action::Drain(ends), None);
    Ok(())
}

async fn ends(topic: &Topic, client: &Client) -> Result<BTreeMap<Key, Offset>, Error> {
    let found = client.admin().offsets(topic.name, Start::End).await?;
    let end = |partition: u32| {
        let place = found.iter().find(|(index, _)| index.0 == partition);
        place
            .and_then(|(_, offset)| *offset)
            .unwrap_or(Offset::ZERO)
    };
    Ok((0..topic.partitions)
        .map(|partition| (topic.key(partition), end(partition)))
        .collect())
}

async fn committed(workload: &Workload, client: &Client) -> Result<(), Error> {
    let book = &workload.book;
    let action = |offsets| Action::Committed {
        group: GROUP.to_owned(),
        offsets,
    };
    let open = book.begin(book.new_process(), action(BTreeMap::new()));
    match client.admin().group_offsets(GROUP).await {
        Ok(found) => {
            let offsets = found
                .iter()
                .map(|found| (workload.topic.key(found.key.partition.0), found.offset))
                .collect();
            book.end(open, Stage::Ok, action(offsets), None);
            Ok(())
        }
        Err(error) => {
            let text = Some(error.to_string());
            book.end(open, Stage::Fail, action(BTreeMap::new()), text);
            Err(error)
        }
    }
}
