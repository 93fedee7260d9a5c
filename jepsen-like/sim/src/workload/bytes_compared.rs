//! Compares what the replicas of each group store, entry by entry and byte by byte.

use std::collections::BTreeMap;
use std::time::Duration;

use floe_model::{LogIndex, RaftGroupId};
use floe_raft::GroupLog;

use crate::book::Book;
use crate::cluster::Seat;
use crate::verdict::Fnv64;

/// Bytes of one read.
const READ_BYTES: usize = 1 << 20;

/// Reads every committed entry of every replica that is open.
pub async fn compare_replicas(book: &Book, seats: &[Seat], limit: Duration) {
    let comparing = async {
        let mut first: BTreeMap<(RaftGroupId, LogIndex), (u64, String)> = BTreeMap::new();
        for seat in seats {
            let Some(broker) = seat.broker() else {
                continue;
            };
            for raft in broker.replicas() {
                if !compare(book, &seat.name(), raft.log(), &mut first).await {
                    return;
                }
            }
        }
    };
    if tokio::time::timeout(limit, comparing).await.is_err() {
        book.doubt("the replicas were not compared to the end".to_owned());
    }
}

async fn compare(
    book: &Book,
    node: &str,
    log: &GroupLog,
    first: &mut BTreeMap<(RaftGroupId, LogIndex), (u64, String)>,
) -> bool {
    let group = log.id();
    let progress = log.progress();
    let mut next = progress.start.map_or(LogIndex(0), |id| id.index.next());
    let end = progress.applied.map_or(LogIndex(0), |id| id.index.next());
    tracing::debug!(%group, node, %next, %end, "compared");
    while next < end {
        let entries = match log.read_entries(next..end, READ_BYTES).await {
            Ok(entries) => entries,
            // The node was stopped or the log purged or refilled meanwhile.
            Err(error) => {
                tracing::info!(%group, node, %error, "not compared");
                return true;
            }
        };
        if entries.is_empty() {
            // Purged or refilled meanwhile, or lost.
            let start = log.progress().start;
            let start = start.map_or(LogIndex(0), |id| id.index.next());
            if start <= next {
                book.trouble(format!(
                    "{group}: entry {next} is neither purged nor readable on {node}"
                ));
                return false;
            }
            next = start;
        }
        for entry in entries {
            next = entry.index.next();
            let mut bytes = Vec::new();
            entry.encode_into(&mut bytes);
            let mut digest = Fnv64::default();
            digest.add(&bytes);
            let known = first
                .entry((group, entry.index))
                .or_insert_with(|| (digest.0, node.to_owned()));
            if known.0 != digest.0 {
                let other = &known.1;
                let index = entry.index;
                book.trouble(format!(
                    "{group}: entry {index} has other bytes on {node} than on {other}"
                ));
                return false;
            }
        }
    }
    true
}
