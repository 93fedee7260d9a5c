//! What a partition takes from a producer: batches checked to their last record and brought into
//! the form that the topic's settings ask for.
//!
//! Ordinarily the bytes are stored as they came. A topic that stores another compression or the
//! broker's time gets a batch of its own, made before it is proposed, so that all replicas store
//! the same bytes.

use std::sync::Arc;

use floe_model::ErrorCode;
use floe_record::{
    BatchBuilder, BatchError, BatchHeader, Compression, StampedBatch, TimestampType, records,
    validate,
};
use floe_rpc::{Failure, Payload};

use crate::failure_facts::{batch_failure, batch_fault};
use crate::partition::BatchIdentity;
use crate::topic_rules::TopicRules;

/// The rules of one topic for one request.
pub(crate) struct Intake {
    rules: Arc<TopicRules>,
    /// The node's time.
    now_ms: i64,
    /// Memory that the request's batches are slices of.
    buffer_bytes: usize,
}

impl Intake {
    pub(crate) fn new(rules: Arc<TopicRules>, now_ms: i64, buffer_bytes: usize) -> Self {
        Self {
            rules,
            now_ms,
            buffer_bytes,
        }
    }

    /// The time that batches get, if it is not their own.
    pub(crate) fn append_time_ms(&self) -> Option<i64> {
        self.rules.stamps_append_time.then_some(self.now_ms)
    }

    /// Earliest and latest timestamps, if there are bounds.
    fn timestamps_ms(&self) -> Option<(i64, i64)> {
        let (before, after) = self.rules.timestamp_bounds_ms?;
        let earliest = before.map_or(i64::MIN, |bound| self.now_ms.saturating_sub(bound));
        let latest = after.map_or(i64::MAX, |bound| self.now_ms.saturating_add(bound));
        Some((earliest, latest))
    }

    /// Checks the batch at `place` of a request and gives it its stored form.
    pub(crate) fn take(
        &self,
        place: usize,
        batch: Payload,
    ) -> Result<(StampedBatch, Option<BatchIdentity>), Failure> {
        let refused = |error: BatchError| batch_failure(place, &error);
        let fault = |code, fault| Err(batch_fault(place, code, fault));
        let batch = StampedBatch::split(batch.0).map_err(refused)?;
        let header = validate(&batch, &self.rules.limits).map_err(refused)?;
        if header.is_control() || header.is_transactional() {
            let text = "control and transactional batches are not taken from producers";
            return fault(ErrorCode::InvalidRequest, text);
        }
        if header.timestamp_type() == TimestampType::LogAppendTime {
            return fault(
                ErrorCode::InvalidTimestamp,
                "producers do not set append time",
            );
        }
        let rules = &*self.rules;
        let recompress = rules
            .compression
            .filter(|&wanted| header.compression().ok() != Some(wanted));
        let mut batch = batch.held_in(self.buffer_bytes);
        if rules.requires_keys || rules.timestamp_bounds_ms.is_some() || recompress.is_some() {
            batch = self.look_inside(place, batch, &header, recompress)?;
        }
        if let Some(at_ms) = self.append_time_ms() {
            batch = batch.with_append_time(at_ms);
        }
        Ok((batch, BatchIdentity::of(&header)))
    }

    fn look_inside(
        &self,
        place: usize,
        batch: StampedBatch,
        header: &BatchHeader,
        recompress: Option<Compression>,
    ) -> Result<StampedBatch, Failure> {
        let refused = |error: BatchError| batch_failure(place, &error);
        let records = records(&batch, &self.rules.limits).map_err(refused)?;
        let bounds = self.timestamps_ms();
        for (_, record) in &records {
            if self.rules.requires_keys && record.key.is_none() {
                let text = "a record without a key in a compacted topic";
                return Err(batch_fault(place, ErrorCode::InvalidRecord, text));
            }
            let outside = |(earliest, latest): (i64, i64)| {
                record.timestamp_ms < earliest || record.timestamp_ms > latest
            };
            if bounds.is_some_and(outside) {
                let text = "a timestamp too far from the node's time";
                return Err(batch_fault(place, ErrorCode::InvalidTimestamp, text));
            }
        }
        let Some(compression) = recompress else {
            return Ok(batch);
        };
        let mut builder = BatchBuilder::new(compression);
        builder.producer(
            header.producer_id,
            header.producer_epoch,
            header.base_sequence,
        );
        for (_, record) in &records {
            builder.push(record);
        }
        StampedBatch::split(builder.build()).map_err(refused)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::collections::BTreeMap;

    use bytes::Bytes;
    use floe_metadata::TopicConfig;
    use floe_record::{Limits, Record};

    use super::*;

    const NOW_MS: i64 = 1_700_000_000_000;

    fn intake(settings: &[(&str, &str)]) -> Intake {
        let overrides: BTreeMap<_, _> = settings
            .iter()
            .map(|&(key, value)| (key.to_owned(), value.to_owned()))
            .collect();
        let rules = TopicRules::of(&TopicConfig::new(overrides, 3).unwrap());
        Intake::new(Arc::new(rules), NOW_MS, 0)
    }

    fn batch(key: Option<&'static str>, timestamp_ms: i64, compression: Compression) -> Payload {
        let mut builder = BatchBuilder::new(compression);
        builder.push(&Record {
            timestamp_ms,
            key: key.map(Bytes::from),
            value: Some(Bytes::from("v")),
            headers: Vec::new(),
        });
        builder.build().into()
    }

    fn refused(intake: &Intake, batch: Payload) -> ErrorCode {
        intake.take(0, batch).unwrap_err().code
    }

    #[test]
    fn an_ordinary_topic_stores_the_bytes_as_they_came() {
        let sent = batch(None, 5, Compression::Zstd);
        let (stored, _) = intake(&[]).take(0, sent.clone()).unwrap();
        assert_eq!(stored.to_bytes(), sent.0);
    }

    #[test]
    fn a_batch_answers_for_the_request_it_is_a_slice_of_or_leaves_it() {
        let rules = || Arc::new(TopicRules::of(&TopicConfig::default()));
        let sent = batch(None, 5, Compression::None);
        let held = |buffer_bytes| {
            let intake = Intake::new(rules(), NOW_MS, buffer_bytes);
            intake.take(0, sent.clone()).unwrap().0.held_bytes()
        };
        assert_eq!(held(2 * sent.len()), 2 * sent.len());
        assert!(held(1 << 20) < sent.len());
    }

    #[test]
    fn a_compacted_topic_takes_no_record_without_a_key() {
        let compacted = intake(&[("cleanup.policy", "compact")]);
        let bare = batch(None, NOW_MS, Compression::Gzip);
        assert_eq!(refused(&compacted, bare), ErrorCode::InvalidRecord);
        let keyed = batch(Some("k"), NOW_MS, Compression::Gzip);
        assert!(compacted.take(0, keyed).is_ok());
    }

    #[test]
    fn log_append_time_stamps_the_batch_and_its_checksum_holds() {
        let stamping = intake(&[("message.timestamp.type", "LogAppendTime")]);
        let sent = batch(None, 5, Compression::Lz4);
        let (stored, _) = stamping.take(0, sent).unwrap();
        assert!(stored.crc_is_valid());
        let header = stored.header();
        assert_eq!(header.timestamp_type(), TimestampType::LogAppendTime);
        assert_eq!(header.max_timestamp_ms, NOW_MS);
        assert_eq!(header.compression().unwrap(), Compression::Lz4);
        let limits = Limits {
            batch_bytes_max: 1 << 20,
            decompressed_bytes_max: 1 << 20,
        };
        assert_eq!(records(&stored, &limits).unwrap()[0].1.timestamp_ms, NOW_MS);
    }

    #[test]
    fn producers_may_not_claim_append_time() {
        let sent = batch(None, 5, Compression::None);
        let claimed = StampedBatch::split(sent.0).unwrap().with_append_time(7);
        let claimed = claimed.to_bytes().into();
        assert_eq!(refused(&intake(&[]), claimed), ErrorCode::InvalidTimestamp);
    }

    #[test]
    fn timestamps_outside_the_bounds_are_refused() {
        let bounded = intake(&[
            ("message.timestamp.before.max.ms", "1000"),
            ("message.timestamp.after.max.ms", "1000"),
        ]);
        for (delta_ms, is_taken) in [(-1001, false), (-1000, true), (1000, true), (1001, false)] {
            let sent = batch(None, NOW_MS + delta_ms, Compression::None);
            assert_eq!(bounded.take(0, sent).is_ok(), is_taken, "{delta_ms}");
        }
    }

    #[test]
    fn a_topic_with_a_compression_of_its_own_stores_that() {
        let zstd = intake(&[("compression.type", "zstd")]);
        let (stored, _) = zstd
            .take(0, batch(Some("k"), 5, Compression::Gzip))
            .unwrap();
        assert_eq!(stored.header().compression().unwrap(), Compression::Zstd);
        let same = batch(Some("k"), 5, Compression::Zstd);
        let (stored, _) = zstd.take(0, same.clone()).unwrap();
        assert_eq!(stored.to_bytes(), same.0);
    }
}
