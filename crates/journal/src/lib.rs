//! The durable store of a node: one journal for all Raft groups, partition segments behind it.
//!
//! Invariant: an acknowledgement ([`Durable`]) can be made only by a finished sync, and nothing
//! is retried over a failed one. This is the only crate that touches the data directory; it knows
//! groups, log indexes, terms and offsets, and nothing of Raft roles, topics or Kafka.
//!
//! A Raft entry goes to the journal (synced, all groups in one file) and stays readable in the
//! *tail* in memory; once committed and locally durable it is copied to the group's partition
//! segment, and a paced checkpoint syncs those files so that journal segments can be recycled.

mod aligned_buffer;
pub mod bench;
mod checkpoint_image;
mod checkpointer;
mod cold_reads;
mod commit_group;
mod config;
mod durable;
mod error;
mod file_removal;
mod frame;
mod group_core;
mod group_encoder;
mod group_log;
mod group_read;
mod group_recovery;
mod group_start;
mod group_table;
mod health;
mod index_file;
mod io_failure;
mod journal;
mod journal_file;
mod journal_queue;
mod journal_scan;
mod journal_space;
mod log_position;
mod log_state;
mod metrics;
mod node;
mod node_meta;
pub mod offline;
mod opening;
mod partition_segment;
mod prewriter;
mod recovery;
mod renewal;
pub mod repair;
mod replay;
mod rescue;
mod segment_cache;
mod segment_header;
mod segment_list;
mod segment_machine;
mod segment_reader;
mod segment_recovery;
mod segment_work;
mod segment_write;
mod sparse_index;
mod state_file;
mod sync_latency;
mod tail;
mod tail_budget;
mod term_index;
mod writer;

pub use config::{GroupKind, JournalConfig, NodeIdentity};
pub use durable::{Durable, OnDurable};
pub use error::{AppendError, Damage, OpenError, PoisonCause, ReadError, StoreError, StoreStatus};
pub use group_log::{GroupLog, LogProgress, SegmentInfo};
pub use journal::Journal;
pub use journal_file::JournalWrites;
pub use metrics::JournalMetrics;
pub use node_meta::DIRECTORY_VERSION;
pub use partition_segment::SEGMENT_VERSION;
pub use segment_header::JOURNAL_VERSION;
pub use sync_latency::{SYNC_BUCKETS_S, SyncLatency};
