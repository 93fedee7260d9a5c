//! floe-raft.
