//! floe-journal.
