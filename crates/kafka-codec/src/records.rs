//! The records of one partition in a Fetch response: batches as the journal gave them, uncopied.

use bytes::Bytes;
use floe_record::StampedBatch;

/// Record batches back to back, as a list of slices. Two values are equal if their bytes are.
#[derive(Clone, Debug, Default)]
pub struct RecordSlices {
    slices: Vec<Bytes>,
}

impl RecordSlices {
    /// Adds a batch: its 21-byte prefix by copy, its body by reference.
    pub fn push(&mut self, batch: &StampedBatch) {
        self.slices
            .extend([Bytes::copy_from_slice(batch.prefix()), batch.body().clone()]);
    }

    /// The bytes, in order.
    #[must_use]
    pub fn slices(&self) -> &[Bytes] {
        &self.slices
    }

    /// Size of all slices.
    #[must_use]
    pub fn size_bytes(&self) -> usize {
        self.slices.iter().map(Bytes::len).sum()
    }

    /// Whether there are no bytes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.size_bytes() == 0
    }
}

impl From<Bytes> for RecordSlices {
    fn from(batches: Bytes) -> Self {
        Self {
            slices: vec![batches],
        }
    }
}

impl FromIterator<StampedBatch> for RecordSlices {
    fn from_iter<I: IntoIterator<Item = StampedBatch>>(batches: I) -> Self {
        let mut records = Self::default();
        batches.into_iter().for_each(|batch| records.push(&batch));
        records
    }
}

impl PartialEq for RecordSlices {
    fn eq(&self, other: &Self) -> bool {
        let bytes = |records: &Self| records.slices.concat();
        self.size_bytes() == other.size_bytes() && bytes(self) == bytes(other)
    }
}

impl Eq for RecordSlices {}
