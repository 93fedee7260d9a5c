//! floe-group.
