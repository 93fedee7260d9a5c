//! floe-demo.
