//! Kafka record batches (v2) and the Raft entries that carry them. Sans-I/O.
//!
//! Invariant: no bytes whatsoever make this crate panic, loop or allocate beyond the limits its
//! callers pass in; lengths and counts read from bytes are checked against the bytes that are
//! there before anything is reserved. Record payloads are slices of their input, never copied.
//!
//! `StampedBatch` is a batch whose broker-written prefix is held by value, so that leaders stamp
//! offsets without touching the shared body. `Entry` is the one form of a Raft entry in the
//! journal, in partition segments and on the wire; its byte layout is in [`entry`].

mod batch;
mod builder;
mod compression;
mod decode;
pub mod entry;
mod error;
mod header;
mod record;
mod validate;
mod varint;

pub use batch::{BATCH_PREFIX_BYTES, StampedBatch};
pub use builder::BatchBuilder;
pub use compression::{Compression, UnknownCompression};
pub use entry::{ENTRY_HEADER_BYTES, ENTRY_VERSION, Entry, EntryBody, EntryKind};
pub use error::{BatchError, EntryError, RecordFault};
pub use header::{BATCH_HEADER_BYTES, BatchHeader, TimestampType};
pub use record::{Header, Record};
pub use validate::{Limits, records, validate};
