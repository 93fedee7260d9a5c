//! floe-kafka-codec.
