//! floe-console.
