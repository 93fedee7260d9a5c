//! The bytes of a partition's state, in state files and snapshots.
//!
//! Layout, little-endian: version u8 = 1; log_start_offset i64; next_offset i64; log_time_ms i64;
//! epoch_count u32, each {epoch i32, first_offset i64}; producer_count u32, each {id i64,
//! epoch i16, last_seen_ms i64, batch_count u8, each {base_sequence i32, last_sequence i32,
//! base_offset i64}}. Integrity is the store's business: state files carry a checksum.

use std::collections::VecDeque;

use bytes::{Buf, BufMut, Bytes};
use floe_model::limits::PRODUCER_BATCHES_KEPT;
use floe_model::{LeaderEpoch, Offset, ProducerEpoch, ProducerId, Sequence};

use super::producer::{KeptBatch, Producer, Producers};
use super::state::PartitionState;

const VERSION: u8 = 1;

/// Why state bytes cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SnapshotError {
    #[error("state of version {0}, this version reads {VERSION}")]
    Version(u8),
    #[error("state ends early")]
    Short,
    #[error("{0} bytes follow the state")]
    Trailing(usize),
    #[error("a producer has {0} batches")]
    Batches(u8),
}

pub(crate) fn encode(state: &PartitionState) -> Bytes {
    if floe_model::mutant!("dedupe-lost-in-snapshot") {
        let mut forgetful = state.clone();
        forgetful.producers = Producers::default();
        return encode_whole(&forgetful);
    }
    encode_whole(state)
}

pub(crate) fn encode_whole(state: &PartitionState) -> Bytes {
    let mut out = Vec::with_capacity(64 + state.epochs.len() * 12);
    out.put_u8(VERSION);
    out.put_i64_le(state.log_start_offset.0);
    out.put_i64_le(state.next_offset.0);
    out.put_i64_le(state.log_time_ms);
    out.put_u32_le(count(state.epochs.len()));
    for (epoch, first_offset) in &state.epochs {
        out.put_i32_le(epoch.0);
        out.put_i64_le(first_offset.0);
    }
    out.put_u32_le(count(state.producers.iter().len()));
    for (id, producer) in state.producers.iter() {
        out.put_i64_le(id.0);
        out.put_i16_le(producer.epoch.0);
        out.put_i64_le(producer.last_seen_ms);
        out.put_u8(u8::try_from(producer.batches.len()).expect("at most five are kept"));
        for batch in &producer.batches {
            out.put_i32_le(batch.base_sequence.0);
            out.put_i32_le(batch.last_sequence.0);
            out.put_i64_le(batch.base_offset.0);
        }
    }
    out.into()
}

pub(crate) fn decode(bytes: &[u8]) -> Result<PartitionState, SnapshotError> {
    let mut rest = bytes;
    let version = rest.try_get_u8().map_err(|_| SnapshotError::Short)?;
    if version != VERSION {
        return Err(SnapshotError::Version(version));
    }
    let state = read_state(&mut rest)?;
    match rest.len() {
        0 => Ok(state),
        excess => Err(SnapshotError::Trailing(excess)),
    }
}

fn read_state(rest: &mut &[u8]) -> Result<PartitionState, SnapshotError> {
    let mut state = PartitionState {
        log_start_offset: Offset(read_i64(rest)?),
        next_offset: Offset(read_i64(rest)?),
        log_time_ms: read_i64(rest)?,
        ..PartitionState::default()
    };
    for _ in 0..read_u32(rest)? {
        state
            .epochs
            .push((LeaderEpoch(read_i32(rest)?), Offset(read_i64(rest)?)));
    }
    state.producers = read_producers(rest)?;
    Ok(state)
}

fn read_producers(rest: &mut &[u8]) -> Result<Producers, SnapshotError> {
    let mut producers = Producers::default();
    for _ in 0..read_u32(rest)? {
        let id = ProducerId(read_i64(rest)?);
        let epoch = ProducerEpoch(rest.try_get_i16_le().map_err(|_| SnapshotError::Short)?);
        let last_seen_ms = read_i64(rest)?;
        let batch_count = rest.try_get_u8().map_err(|_| SnapshotError::Short)?;
        if usize::from(batch_count) > PRODUCER_BATCHES_KEPT {
            return Err(SnapshotError::Batches(batch_count));
        }
        let mut batches = VecDeque::with_capacity(usize::from(batch_count));
        for _ in 0..batch_count {
            batches.push_back(KeptBatch {
                base_sequence: Sequence(read_i32(rest)?),
                last_sequence: Sequence(read_i32(rest)?),
                base_offset: Offset(read_i64(rest)?),
            });
        }
        producers.restore(
            id,
            Producer {
                epoch,
                last_seen_ms,
                batches,
            },
        );
    }
    Ok(producers)
}

fn count(length: usize) -> u32 {
    u32::try_from(length).expect("a partition has fewer than 2^32 epochs and producers")
}

fn read_i64(rest: &mut &[u8]) -> Result<i64, SnapshotError> {
    rest.try_get_i64_le().map_err(|_| SnapshotError::Short)
}

fn read_i32(rest: &mut &[u8]) -> Result<i32, SnapshotError> {
    rest.try_get_i32_le().map_err(|_| SnapshotError::Short)
}

fn read_u32(rest: &mut &[u8]) -> Result<u32, SnapshotError> {
    rest.try_get_u32_le().map_err(|_| SnapshotError::Short)
}
