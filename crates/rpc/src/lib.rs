//! floe-rpc.
