//! floe-testkit.
