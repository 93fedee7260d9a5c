//! floe-metadata.
