//! Full checks of a batch, and its records.
use floe_model::Offset;

use crate::{BatchError, BatchHeader, Record, StampedBatch};

/// What a batch may cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Largest batch as stored, bytes.
    pub batch_bytes_max: usize,
    /// Largest total of its records when decompressed, bytes.
    pub decompressed_bytes_max: usize,
}

/// Checks everything a consumer will rely on.
///
/// # Errors
/// The first rule the batch breaks.
pub fn validate(_batch: &StampedBatch, _limits: &Limits) -> Result<BatchHeader, BatchError> {
    unimplemented!()
}

/// The records of a batch.
///
/// # Errors
/// What is wrong with it.
pub fn records(
    _batch: &StampedBatch,
    _limits: &Limits,
) -> Result<Vec<(Offset, Record)>, BatchError> {
    unimplemented!()
}
