//! What a producer may send for one partition: one batch of the current format.
//!
//! The fixed fields are looked at here, where the request's version is known; CRC, records and
//! the topic's settings are the partition's to check.

use std::sync::Arc;

use bytes::Bytes;
use floe_kafka_codec::KafkaError;
use floe_record::{BATCH_HEADER_BYTES, BatchHeader, Compression, TimestampType};

use crate::errors::{NO_TRANSACTIONS, NO_TRANSACTIONS_TEXT};

/// The first version of Produce whose clients know what zstd is.
const ZSTD_FROM: i16 = 7;
/// Bytes before those that the length field counts.
const LENGTH_END: usize = 12;

/// Why a partition's records are not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) error: KafkaError,
    /// For people.
    pub(crate) text: Option<Arc<str>>,
    /// Places of the records at fault, where it is single records.
    pub(crate) records: Vec<i32>,
}

impl Refusal {
    pub(crate) fn of(error: KafkaError) -> Self {
        Self {
            error,
            text: None,
            records: Vec::new(),
        }
    }

    pub(crate) fn new(error: KafkaError, text: impl Into<Arc<str>>) -> Self {
        Self {
            text: Some(text.into()),
            ..Self::of(error)
        }
    }
}

/// The one batch in `records`.
pub(crate) fn check(records: Option<Bytes>, version: i16) -> Result<Bytes, Refusal> {
    let invalid = |text: &str| Refusal::new(KafkaError::INVALID_RECORD, text);
    let records = records.filter(|records| !records.is_empty());
    let records = records.ok_or_else(|| invalid("no record batch"))?;
    // The magic of every format stands in the same place.
    match records.get(16) {
        None => return Err(corrupt("a record batch that is cut off")),
        Some(2) => {}
        Some(_) => return Err(invalid("only record batches of magic 2 are taken")),
    }
    let Ok(header) = BatchHeader::read(&records) else {
        return Err(corrupt("a record batch that is cut off"));
    };
    let stated = usize::try_from(header.batch_length).unwrap_or(0) + LENGTH_END;
    if stated > records.len() || stated < BATCH_HEADER_BYTES {
        return Err(corrupt("the length of the record batch is wrong"));
    }
    if stated < records.len() {
        return Err(invalid("one record batch per partition is taken"));
    }
    if header.is_control() {
        return Err(invalid("control batches are not taken from clients"));
    }
    if header.is_transactional() {
        return Err(Refusal::new(NO_TRANSACTIONS, NO_TRANSACTIONS_TEXT));
    }
    if header.has_producer() && header.base_sequence.0 < 0 {
        return Err(invalid("a producer id without a sequence"));
    }
    if header.timestamp_type() == TimestampType::LogAppendTime {
        let text = "clients may not set the timestamp type to LogAppendTime";
        return Err(Refusal::new(KafkaError::INVALID_TIMESTAMP, text));
    }
    match header.compression() {
        Err(_) => Err(invalid("unknown compression")),
        Ok(Compression::Zstd) if version < ZSTD_FROM => {
            let text = "zstd needs Produce version 7 or later";
            Err(Refusal::new(KafkaError::UNSUPPORTED_COMPRESSION_TYPE, text))
        }
        Ok(_) => Ok(records),
    }
}

fn corrupt(text: &str) -> Refusal {
    Refusal::new(KafkaError::CORRUPT_MESSAGE, text)
}
