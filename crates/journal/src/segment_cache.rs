//! Placeholder.
pub(crate) struct SegmentCache;
