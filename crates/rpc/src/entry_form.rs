//! Raft entries and record batches on the wire.
//!
//! An entry is its fixed header and its parts, so that bodies travel from the sender's memory
//! to the frame and from the frame to the receiver's log without being joined in between.
//! Decoding checks all that `Entry::from_wire` checks: a damaged header ends the connection.

use bytes::Bytes;
use floe_record::{BATCH_PREFIX_BYTES, BatchError, Entry, EntryBody, StampedBatch};
use serde::de::Error as _;
use serde::ser::SerializeSeq;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::payload::held_by;
use crate::{Payload, WireBatch};

/// An entry that travels as header and parts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WireEntry(pub Entry);

impl From<Entry> for WireEntry {
    fn from(entry: Entry) -> Self {
        Self(entry)
    }
}

/// Writes bytes as bytes, not as a sequence of numbers.
struct AsBytes<'a>(&'a [u8]);

impl Serialize for AsBytes<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(self.0)
    }
}

/// The parts of an entry body, in order.
struct PartsOf<'a>(&'a EntryBody);

impl Serialize for PartsOf<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            EntryBody::Blank => serializer.serialize_seq(Some(0))?.end(),
            EntryBody::Membership(body) | EntryBody::Control(body) => {
                let mut parts = serializer.serialize_seq(Some(1))?;
                parts.serialize_element(&(None::<AsBytes<'_>>, AsBytes(body)))?;
                parts.end()
            }
            EntryBody::Data(batches) => {
                let mut parts = serializer.serialize_seq(Some(batches.len()))?;
                for batch in batches {
                    let part = (Some(AsBytes(batch.prefix())), AsBytes(batch.body()));
                    parts.serialize_element(&part)?;
                }
                parts.end()
            }
        }
    }
}

impl Serialize for WireEntry {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let header = self.0.header_bytes();
        (AsBytes(&header), PartsOf(&self.0.body)).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for WireEntry {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        type Part = (Option<Payload>, Payload);
        let (header, parts) = <(Payload, Vec<Part>)>::deserialize(deserializer)?;
        let parts = parts
            .into_iter()
            .map(|(prefix, body)| {
                Ok((prefix.map(|prefix| prefix_of(&prefix)).transpose()?, body.0))
            })
            .collect::<Result<Vec<_>, BatchError>>()
            .map_err(D::Error::custom)?;
        let mut entry = Entry::from_wire(&header, parts).map_err(D::Error::custom)?;
        if let EntryBody::Data(batches) = &mut entry.body {
            for batch in batches {
                let buffer_bytes = held_by(batch.body());
                *batch = batch.clone().held_in(buffer_bytes);
            }
        }
        Ok(Self(entry))
    }
}

fn prefix_of(bytes: &[u8]) -> Result<[u8; BATCH_PREFIX_BYTES], BatchError> {
    bytes.try_into().map_err(|_| BatchError::Truncated {
        actual_bytes: bytes.len(),
        needed_bytes: BATCH_PREFIX_BYTES,
    })
}

impl WireBatch {
    /// The wire form; the body is shared.
    #[must_use]
    pub fn from_batch(batch: &StampedBatch) -> Self {
        Self {
            prefix: Payload(Bytes::copy_from_slice(batch.prefix())),
            body: Payload(batch.body().clone()),
        }
    }

    /// The batch again; the body is shared. Its CRC is unchecked.
    ///
    /// # Errors
    /// What `StampedBatch::from_parts` refuses, and a prefix of another length.
    pub fn into_batch(self) -> Result<StampedBatch, BatchError> {
        StampedBatch::from_parts(prefix_of(&self.prefix)?, self.body.0)
    }
}
