//! floe-kafka.
