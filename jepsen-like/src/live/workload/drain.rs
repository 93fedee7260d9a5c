//! The final reading: everything from the beginning of the run to the end of each partition, and
//! what the group has committed.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::{Action, Key, Stage};
use floe_client::{Error, Offset, Start};

use super::read::{Polled, begin, poll};
use super::{RETRY, Workload};

/// Reads everything; `false` when it did not come to the end within `limit`.
pub async fn drain(workload: &Workload, limit: Duration) -> bool {
    let reading = async {
        loop {
            match everything(workload).await {
                Ok(()) => return,
                Err(error) => tracing::debug!(?error, "reading everything again"),
            }
            tokio::time::sleep(RETRY).await;
        }
    };
    tokio::time::timeout(limit, reading).await.is_ok()
}

/// One reading from the beginning; an error leaves its operations failed or unknown.
async fn everything(workload: &Workload) -> Result<(), Option<Error>> {
    let book = &workload.book;
    let ends = ends(workload).await?;
    let open = book.begin(book.new_process(), Action::Drain(BTreeMap::new()));
    let Some((mut reader, process)) = begin(workload).await else {
        book.end(open, Stage::Fail, Action::Drain(BTreeMap::new()), None);
        return Err(None);
    };
    let is_reached = |reader: &floe_client::Consumer| {
        reader.assignment().iter().all(|place| {
            let end = ends.get(&workload.target.key(place.partition));
            let position = reader.position(place);
            end.is_none_or(|end| position.is_some_and(|position| position >= *end))
        })
    };
    while !is_reached(&reader) {
        let polling = book.begin(process, Action::Poll(Polled::new()));
        let (polled, error) = poll(workload, &mut reader).await;
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
    committed(workload).await?;
    Ok(())
}

async fn ends(workload: &Workload) -> Result<BTreeMap<Key, Offset>, Error> {
    let target = &workload.target;
    let admin = workload.client.admin();
    let found = admin.offsets(target.topic.as_str(), Start::End).await?;
    let ends = target.begin.iter().map(|(partition, begin)| {
        let end = found.get(partition).copied().flatten();
        (target.key(*partition), end.unwrap_or(*begin))
    });
    Ok(ends.collect())
}

async fn committed(workload: &Workload) -> Result<(), Error> {
    let book = &workload.book;
    let action = |offsets| Action::Committed {
        group: workload.group(),
        offsets,
    };
    let open = book.begin(book.new_process(), action(BTreeMap::new()));
    match workload
        .client
        .admin()
        .group_offsets(workload.group())
        .await
    {
        Ok(found) => {
            let offsets = found
                .iter()
                .map(|found| (workload.target.key(found.key.partition), found.offset))
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
