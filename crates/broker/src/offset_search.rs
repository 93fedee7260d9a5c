//! Finds a place in a log together with what is known of the record there.
//!
//! Only a leader that a majority confirms answers: a position below what a reader already had
//! would look like lost records.

use floe_model::limits::BATCH_BYTES_MAX;
use floe_model::{LeaderEpoch, Offset};
use floe_record::{Limits, StampedBatch, records};
use floe_rpc::{Failure, PartitionKey};

use crate::Broker;
use crate::fetch::read_failure;
use crate::partition::Partition;

/// Read at once where records are looked through.
const READ_BYTES: usize = 1 << 20;
/// Of a stored batch that is opened.
const LIMITS: Limits = Limits {
    batch_bytes_max: BATCH_BYTES_MAX,
    decompressed_bytes_max: 4 * BATCH_BYTES_MAX,
};

/// What to find.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OffsetSought {
    /// The log start.
    Start,
    /// The high watermark.
    End,
    /// The first record with this timestamp or a later one, milliseconds since the epoch.
    Timestamp(i64),
    /// The first record with the largest timestamp of all.
    LargestTimestamp,
}

/// A place in a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FoundOffset {
    /// Where.
    pub offset: Offset,
    /// Of the record there, if one was sought.
    pub timestamp_ms: Option<i64>,
    /// The epoch that the record there has or, at the end, will have; `None` when unknown.
    pub leader_epoch: Option<LeaderEpoch>,
}

impl Broker {
    /// Finds a place; `None` when no record is that late. `current` is the epoch that the caller
    /// believes the leader to be in, if it knows one.
    ///
    /// # Errors
    /// This node does not lead the partition for certain, or `current` is not its epoch.
    pub async fn find_offset(
        &self,
        key: PartitionKey,
        current: Option<LeaderEpoch>,
        sought: OffsetSought,
    ) -> Result<Option<FoundOffset>, Failure> {
        self.check_serving()?;
        let (partition, epoch) = self.led_for_certain(key, current).await?;
        let found = match sought {
            OffsetSought::Start => Some(log_start(&partition)),
            OffsetSought::End => Some(FoundOffset {
                offset: match partition.epochs().last() {
                    Some(&(_, first)) if floe_model::mutant!("watermark-regresses") => first,
                    _ => partition.log().high_watermark(),
                },
                timestamp_ms: None,
                leader_epoch: Some(epoch),
            }),
            OffsetSought::Timestamp(at_ms) => record_at(&partition, at_ms).await?,
            OffsetSought::LargestTimestamp => largest(&partition).await?,
        };
        Ok(found)
    }
}

fn log_start(partition: &Partition) -> FoundOffset {
    let offset = partition.log_start_offset();
    let epochs = partition.epochs();
    let below = epochs.partition_point(|&(_, first)| first <= offset);
    let leader_epoch = below.checked_sub(1).map(|place| epochs[place].0);
    FoundOffset {
        offset,
        timestamp_ms: None,
        leader_epoch,
    }
}

/// The first committed record at or after the log start whose timestamp is `at_ms` or later.
async fn record_at(partition: &Partition, at_ms: i64) -> Result<Option<FoundOffset>, Failure> {
    let log = partition.log();
    let found = log.offset_for_timestamp(at_ms).await;
    let Some((offset, timestamp_ms)) = found.map_err(|error| read_failure(partition, &error))?
    else {
        return Ok(None);
    };
    if offset >= log.high_watermark() {
        return Ok(None);
    }
    let start = partition.log_start_offset();
    let (offset, timestamp_ms) = if offset >= start {
        (offset, timestamp_ms)
    } else {
        match first_kept_at(partition, start, at_ms).await? {
            Some(found) => found,
            None => return Ok(None),
        }
    };
    let epochs = partition.epochs();
    let below = epochs.partition_point(|&(_, first)| first <= offset);
    Ok(Some(FoundOffset {
        offset,
        timestamp_ms: Some(timestamp_ms),
        leader_epoch: below.checked_sub(1).map(|place| epochs[place].0),
    }))
}

/// The first record from `start` on whose timestamp is `at_ms` or later. Reads what it passes, but
/// no segment in which no record is that late.
async fn first_kept_at(
    partition: &Partition,
    start: Offset,
    at_ms: i64,
) -> Result<Option<(Offset, i64)>, Failure> {
    let log = partition.log();
    let segments = log.segments();
    let mut from = start;
    loop {
        let after = segments.partition_point(|segment| segment.base_offset <= from);
        if let Some(next) = segments.get(after)
            && after > 0
            && segments[after - 1].max_timestamp_ms < at_ms
        {
            from = next.base_offset;
            continue;
        }
        let batches = log.fetch(from, READ_BYTES, log.high_watermark()).await;
        let batches = batches.map_err(|error| read_failure(partition, &error))?;
        let Some(last) = batches.last() else {
            return Ok(None);
        };
        let late = |batch: &&StampedBatch| batch.header().max_timestamp_ms >= at_ms;
        let found = batches.iter().filter(late).find_map(|batch| {
            let mut kept = records(batch, &LIMITS).ok()?.into_iter();
            kept.find(|(offset, record)| *offset >= start && record.timestamp_ms >= at_ms)
                .map(|(offset, record)| (offset, record.timestamp_ms))
        });
        if found.is_some() {
            return Ok(found);
        }
        from = last.next_offset();
    }
}

/// Climbs from the largest timestamp of the written segments to that of the newest records.
async fn largest(partition: &Partition) -> Result<Option<FoundOffset>, Failure> {
    let segments = partition.log().segments();
    let written = segments.iter().map(|segment| segment.max_timestamp_ms);
    let mut sought_ms = written.max().unwrap_or(i64::MIN);
    let mut largest = None;
    while let Some(found) = record_at(partition, sought_ms).await? {
        let at_ms = batch_max(partition, &found).await?;
        if at_ms > sought_ms {
            // The batch holds a later record than the one that was found in it.
            sought_ms = at_ms;
            continue;
        }
        largest = Some(found);
        let Some(later_ms) = sought_ms.checked_add(1) else {
            break;
        };
        sought_ms = later_ms;
    }
    Ok(largest)
}

/// The largest timestamp in the batch of a record.
async fn batch_max(partition: &Partition, found: &FoundOffset) -> Result<i64, Failure> {
    let log = partition.log();
    let batches = log.fetch(found.offset, 1, log.high_watermark()).await;
    let batches = batches.map_err(|error| read_failure(partition, &error))?;
    let max_ms = batches.first().map(|batch| batch.header().max_timestamp_ms);
    Ok(max_ms.or(found.timestamp_ms).unwrap_or(i64::MIN))
}
