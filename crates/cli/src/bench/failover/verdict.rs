//! What the command cost: time without service, and acknowledged records that are gone.

use std::collections::BTreeMap;
use std::time::Duration;

use floe_client::{Offset, PartitionInfo, Start, TopicInfo};
use serde::Serialize;

use super::lane::{Lane, Lanes};
use crate::arguments::OutputForm;
use crate::bench::topic::BenchTopic;
use crate::connection::Connection;
use crate::failure::CommandError;
use crate::group::find_offsets;
use crate::offset::Place;
use crate::output::Stdout;

/// The result.
#[derive(Serialize)]
pub(super) struct Verdict {
    partitions: usize,
    /// Partitions whose leader or epoch changed, or that never came back.
    affected: usize,
    /// From the start of the command to the next acknowledgement, over the affected ones.
    p50_ms: f64,
    max_ms: f64,
    /// Longest time to an acknowledgement on the others since the command began.
    unaffected_max_ms: f64,
    /// Partitions that could not be written again in the time given.
    unavailable: usize,
    acked: u64,
    errors: u64,
    /// Acknowledged records that reading from the start does not return.
    lost: u64,
}

impl Verdict {
    pub(super) fn new(lanes: &Lanes, before: &TopicInfo, after: &TopicInfo, lost: u64) -> Self {
        let lanes = &lanes.lanes;
        let mut outages_ms = Vec::new();
        let mut unaffected_max_ms: f64 = 0.0;
        let mut affected = 0;
        let layouts = before.partitions.iter().zip(&after.partitions);
        for (lane, (then, now)) in lanes.iter().zip(layouts) {
            if is_affected(lane, then, now) {
                affected += 1;
                outages_ms.extend(lane.outage.map(as_ms));
            } else {
                unaffected_max_ms = unaffected_max_ms.max(as_ms(lane.slowest));
            }
        }
        outages_ms.sort_by(f64::total_cmp);
        Self {
            partitions: lanes.len(),
            affected,
            p50_ms: outages_ms.get(outages_ms.len() / 2).copied().unwrap_or(0.0),
            max_ms: outages_ms.last().copied().unwrap_or(0.0),
            unaffected_max_ms,
            unavailable: lanes.iter().filter(|lane| lane.outage.is_none()).count(),
            acked: lanes.iter().map(|lane| lane.acked.len() as u64).sum(),
            errors: lanes.iter().map(|lane| lane.errors).sum(),
            lost,
        }
    }

    /// Prints it; a lost record or a partition that stayed away is a failure.
    pub(super) fn finish(&self, form: OutputForm) -> Result<(), CommandError> {
        Stdout::new().document(form, self, |verdict| {
            let count = |number: u64| number.to_string();
            vec![
                (
                    "affected",
                    format!("{} of {} partitions", verdict.affected, verdict.partitions),
                ),
                ("p50", format!("{:.0} ms", verdict.p50_ms)),
                ("max", format!("{:.0} ms", verdict.max_ms)),
                (
                    "others, max",
                    format!("{:.0} ms", verdict.unaffected_max_ms),
                ),
                ("unavailable", verdict.unavailable.to_string()),
                ("acknowledged", count(verdict.acked)),
                ("errors", count(verdict.errors)),
                ("lost", count(verdict.lost)),
            ]
        })?;
        if self.lost > 0 {
            let what = format!("{} acknowledged records are lost", self.lost);
            return Err(CommandError::failed(what));
        }
        match self.unavailable {
            0 => Ok(()),
            away => Err(CommandError::failed(format!(
                "{away} partitions did not come back"
            ))),
        }
    }
}

fn is_affected(lane: &Lane, before: &PartitionInfo, after: &PartitionInfo) -> bool {
    let moved = before.leader != after.leader || before.leader_epoch != after.leader_epoch;
    moved || lane.outage.is_none()
}

fn as_ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

/// Reads the topic from the start and counts acknowledged records that are not where their
/// acknowledgement said.
pub(super) async fn count_lost(
    connection: &Connection,
    topic: &BenchTopic,
    lanes: &Lanes,
) -> Result<u64, floe_client::Error> {
    let mut missing: BTreeMap<(u32, i64), u64> = BTreeMap::new();
    for (partition, lane) in (0..).zip(&lanes.lanes) {
        let acked = lane.acked.iter();
        missing.extend(acked.map(|&(offset, number)| ((partition, offset), number)));
    }
    // Two acknowledgements with one offset: one of the records cannot be there.
    let acked: usize = lanes.lanes.iter().map(|lane| lane.acked.len()).sum();
    let doubled = (acked - missing.len()) as u64;
    let mut ends = find_offsets(connection, &topic.name, Place::End).await?;
    ends.retain(|_, end| *end > Offset::ZERO);
    let builder = connection
        .client
        .reader()
        .topic(topic.name.as_str(), Start::Start);
    let mut reader = builder.build().await?;
    while !ends.is_empty() {
        let Some(message) = reader.next().await else {
            break;
        };
        let message = message?;
        let key = (message.partition.0, message.offset.0);
        let number = message
            .value
            .as_ref()
            .and_then(|value| value.first_chunk().copied());
        if number.map(u64::from_le_bytes) == missing.get(&key).copied() {
            missing.remove(&key);
        }
        if ends
            .get(&message.partition)
            .is_some_and(|end| message.offset + 1 >= *end)
        {
            ends.remove(&message.partition);
        }
    }
    Ok(doubled + missing.len() as u64)
}
