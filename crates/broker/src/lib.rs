//! floe-broker.
