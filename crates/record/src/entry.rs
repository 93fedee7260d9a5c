//! A Raft entry and its bytes: the same in the journal, in partition segments and on the wire.
//!
//! The layout is final; another one gets another version byte. Integers are little-endian.
//!
//! | byte | field | |
//! |---|---|---|
//! | 0 | version u8 | 1; 0 never occurs, so that zeroes are not an entry |
//! | 1 | kind u8 | 0 Blank, 1 Membership, 2 Data, 3 Control |
//! | 2 | batch_count u16 | 1 to 256 for Data, else 0 |
//! | 4 | size_bytes u32 | of the whole entry, this header included |
//! | 8 | term u64 | |
//! | 16 | index u64 | |
//! | 24 | base_offset i64 | offset of the first record; of the next one for other kinds |
//! | 32 | offset_count u64 | sum over the batches; 0 for other kinds |
//! | 40 | appended_at_ms i64 | log time, stamped by the proposing leader |
//! | 48 | body_crc u32 | CRC-32C of the body of Membership and Control, else 0 |
//! | 52 | header_crc u32 | CRC-32C of bytes 0..52, then of the 21-byte prefix of every batch |
//! | 56 | body | Data: `batch_count` whole Kafka batches, one after the other; Blank: nothing |
//!
//! So every byte is covered: sizes, counts and prefixes (a batch's length, stamps and CRC among
//! them) by `header_crc`, which is checked before an entry is believed; the rest of a batch by
//! its own CRC, the other bodies by `body_crc`. A batch states its own length, which must lead
//! exactly to `size_bytes`, so a flipped length reads as damage and not as a torn end. The
//! batches are contiguous as Kafka has them: a file range of them can be sent as it is.

use bytes::Bytes;
use floe_model::{LeaderEpoch, LogId, LogIndex, Offset, Term, limits};

use crate::{BATCH_PREFIX_BYTES, BatchError, EntryError, StampedBatch};

mod layout;

use layout::EntryHeader;
pub use layout::{ENTRY_HEADER_BYTES, ENTRY_VERSION};

/// What an entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum EntryKind {
    /// Nothing: a new leader's first entry.
    Blank = 0,
    /// A Raft membership, opaque here.
    Membership = 1,
    /// Record batches.
    Data = 2,
    /// A command to the group's state machine, opaque here.
    Control = 3,
}

/// What an entry carries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EntryBody {
    /// Nothing.
    Blank,
    /// An encoded Raft membership.
    Membership(Bytes),
    /// 1 to `limits::ENTRY_BATCHES_MAX` batches, in offset order.
    Data(Vec<StampedBatch>),
    /// An encoded command.
    Control(Bytes),
}

/// One entry of the log of one Raft group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Term of the leader that proposed it.
    pub term: Term,
    /// Place in the log.
    pub index: LogIndex,
    /// Offset of its first record, or of the next record if it has none.
    pub base_offset: Offset,
    /// Log time, milliseconds since the epoch; never below the entry before.
    pub appended_at_ms: i64,
    /// What it carries.
    pub body: EntryBody,
}

impl Entry {
    /// What the entry is.
    #[must_use]
    pub fn kind(&self) -> EntryKind {
        match self.body {
            EntryBody::Blank => EntryKind::Blank,
            EntryBody::Membership(_) => EntryKind::Membership,
            EntryBody::Data(_) => EntryKind::Data,
            EntryBody::Control(_) => EntryKind::Control,
        }
    }

    /// Term and index.
    #[must_use]
    pub fn log_id(&self) -> LogId {
        LogId {
            term: self.term,
            index: self.index,
        }
    }

    /// The batches of a Data entry, none of other kinds.
    #[must_use]
    pub fn batches(&self) -> &[StampedBatch] {
        match &self.body {
            EntryBody::Data(batches) => batches,
            EntryBody::Blank | EntryBody::Membership(_) | EntryBody::Control(_) => &[],
        }
    }

    /// Offsets the entry takes.
    #[must_use]
    pub fn offset_count(&self) -> u64 {
        self.batches()
            .iter()
            .map(|batch| u64::from(batch.offset_count()))
            .sum()
    }

    /// The offset that follows the entry.
    #[must_use]
    pub fn next_offset(&self) -> Offset {
        Offset(
            self.base_offset
                .0
                .saturating_add_unsigned(self.offset_count()),
        )
    }

    /// Gives the entry the offset `base` and each batch its share of what follows, with the
    /// entry's term as leader epoch. A term without an epoch leaves -1, which `verify_offsets`
    /// refuses: such a leader must not propose.
    pub fn stamp_offsets(&mut self, base: Offset) {
        let epoch = LeaderEpoch::from_term(self.term).unwrap_or(LeaderEpoch(-1));
        self.base_offset = base;
        if let EntryBody::Data(batches) = &mut self.body {
            let mut next = base;
            for batch in batches {
                batch.stamp(next, epoch);
                next = batch.next_offset();
            }
        }
    }

    /// Checks that every stamp is what `stamp_offsets(base)` would write.
    ///
    /// # Errors
    /// The first stamp that differs.
    pub fn verify_offsets(&self, base: Offset) -> Result<(), EntryError> {
        check_base(base, self.base_offset)?;
        let epoch = LeaderEpoch::from_term(self.term);
        let mut next = base;
        for batch in self.batches() {
            check_base(next, batch.base_offset())?;
            if Some(batch.leader_epoch()) != epoch {
                return Err(EntryError::Epoch {
                    expected: epoch,
                    found: batch.leader_epoch(),
                });
            }
            next = batch.next_offset();
        }
        Ok(())
    }

    /// Checks what `decode` will demand of sizes and counts. To be asked before proposing.
    ///
    /// # Errors
    /// `BatchCount` or `Size`.
    pub fn check_limits(&self) -> Result<(), EntryError> {
        let count = self.batches().len();
        layout::check_count(self.kind(), count)?;
        layout::check_size(self.encoded_len())
    }

    /// Bytes that `encode_into` appends.
    #[must_use]
    pub fn encoded_len(&self) -> usize {
        ENTRY_HEADER_BYTES
            + match &self.body {
                EntryBody::Blank => 0,
                EntryBody::Membership(body) | EntryBody::Control(body) => body.len(),
                EntryBody::Data(batches) => batches.iter().map(StampedBatch::size_bytes).sum(),
            }
    }

    /// Appends the entry's bytes to `out`. An entry that breaks `check_limits` encodes to bytes
    /// that `decode` refuses.
    pub fn encode_into(&self, out: &mut Vec<u8>) {
        out.reserve(self.encoded_len());
        out.extend_from_slice(&self.header_bytes());
        match &self.body {
            EntryBody::Blank => {}
            EntryBody::Membership(body) | EntryBody::Control(body) => out.extend_from_slice(body),
            EntryBody::Data(batches) => {
                for batch in batches {
                    out.extend_from_slice(batch.prefix());
                    out.extend_from_slice(batch.body());
                }
            }
        }
    }

    /// Reads the entry at the start of `bytes` and how many bytes it takes. Bodies are slices of
    /// `bytes`. Checks everything but the CRCs of batches, see `verify_bodies`.
    ///
    /// # Errors
    /// `Incomplete` if the bytes are a proper prefix of what may be an entry; otherwise what is
    /// wrong with it. Damage to the size field alone can look like either.
    pub fn decode(bytes: &Bytes) -> Result<(Self, usize), EntryError> {
        let header = EntryHeader::read(bytes)?;
        let size_bytes = header.size_bytes;
        if bytes.len() < size_bytes {
            return Err(EntryError::Incomplete { needed: size_bytes });
        }
        let body = bytes.slice(ENTRY_HEADER_BYTES..size_bytes);
        let body = match header.kind {
            EntryKind::Data => EntryBody::Data(split_batches(&body, header.batch_count)?),
            EntryKind::Blank => EntryBody::Blank,
            EntryKind::Membership => EntryBody::Membership(body),
            EntryKind::Control => EntryBody::Control(body),
        };
        Ok((header.into_entry(body)?, size_bytes))
    }

    /// Whether every batch has the body its producer checksummed. True for other kinds, whose
    /// bodies `decode` and `from_wire` have checked.
    #[must_use]
    pub fn verify_bodies(&self) -> bool {
        self.batches().iter().all(StampedBatch::crc_is_valid)
    }

    /// The fixed header, checksum included: with the body parts it is the wire form.
    #[must_use]
    pub fn header_bytes(&self) -> [u8; ENTRY_HEADER_BYTES] {
        EntryHeader::of(self).write(self.batches())
    }

    /// Joins a header and its parts: (prefix, body) for every batch of a Data entry, one
    /// (none, body) for Membership and Control, nothing for Blank. Checks what `decode` does.
    ///
    /// # Errors
    /// What `decode` refuses, and parts that do not fit the kind.
    pub fn from_wire(
        header: &[u8],
        parts: Vec<(Option<[u8; BATCH_PREFIX_BYTES]>, Bytes)>,
    ) -> Result<Self, EntryError> {
        let header = EntryHeader::read(header)?;
        let body = match header.kind {
            EntryKind::Data => EntryBody::Data(join_batches(parts)?),
            EntryKind::Blank if parts.is_empty() => EntryBody::Blank,
            EntryKind::Blank => return Err(EntryError::BatchCount { count: parts.len() }),
            EntryKind::Membership => EntryBody::Membership(single_body(parts)?),
            EntryKind::Control => EntryBody::Control(single_body(parts)?),
        };
        header.into_entry(body)
    }
}

fn check_base(expected: Offset, found: Offset) -> Result<(), EntryError> {
    if expected == found {
        Ok(())
    } else {
        Err(EntryError::BaseOffset { expected, found })
    }
}

/// Takes `count` batches from `body` by the lengths they state. Reserves at most what `count`
/// batches need, which `EntryHeader::read` has bounded.
fn split_batches(body: &Bytes, count: usize) -> Result<Vec<StampedBatch>, EntryError> {
    let mut batches = Vec::with_capacity(count);
    let mut rest = body.clone();
    for place in 0..count {
        let fault = |source| EntryError::Batch { place, source };
        let truncated = BatchError::Truncated {
            actual_bytes: rest.len(),
            needed_bytes: crate::BATCH_HEADER_BYTES,
        };
        let Some(prefix) = rest.first_chunk::<BATCH_PREFIX_BYTES>() else {
            return Err(fault(truncated));
        };
        let size_bytes = match StampedBatch::stated_size(prefix) {
            Some(size_bytes) if size_bytes <= rest.len() => size_bytes,
            Some(_) | None => return Err(fault(truncated)),
        };
        let batch = rest.split_to(size_bytes);
        batches.push(StampedBatch::split(batch).map_err(fault)?);
    }
    Ok(batches)
}

fn join_batches(
    parts: Vec<(Option<[u8; BATCH_PREFIX_BYTES]>, Bytes)>,
) -> Result<Vec<StampedBatch>, EntryError> {
    let count = parts.len();
    if count > limits::ENTRY_BATCHES_MAX {
        return Err(EntryError::BatchCount { count });
    }
    let mut batches = Vec::with_capacity(count);
    for (place, (prefix, body)) in parts.into_iter().enumerate() {
        let prefix = prefix.ok_or(EntryError::BatchCount { count })?;
        let batch = StampedBatch::from_parts(prefix, body);
        batches.push(batch.map_err(|source| EntryError::Batch { place, source })?);
    }
    Ok(batches)
}

fn single_body(parts: Vec<(Option<[u8; BATCH_PREFIX_BYTES]>, Bytes)>) -> Result<Bytes, EntryError> {
    let count = parts.len();
    let mut parts = parts.into_iter();
    match (parts.next(), parts.next()) {
        (Some((None, body)), None) => Ok(body),
        _ => Err(EntryError::BatchCount { count }),
    }
}
