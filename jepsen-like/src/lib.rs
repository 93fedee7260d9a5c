//! floe-jepsen.
