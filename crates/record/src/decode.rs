//! Records from the uncompressed payload of a batch.
