//! floe-client.
