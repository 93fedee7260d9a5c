//! floe-record.
