//! How much a connection may hold, by its kind.

use std::time::Duration;

use floe_model::limits::{CONTROL_FRAME_BYTES_MAX, FRAME_BYTES_MAX};

use crate::Channel;

/// Time for a peer to say who it is, and for a node to answer.
pub(crate) const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(2);
/// Time for a connection to be made, handshake not included: one SYN and its first repeat.
pub(crate) const CONNECT_TIMEOUT: Duration = Duration::from_millis(1500);
/// Longest that a request may ask a server to work on it.
pub(crate) const TTL_MAX: Duration = Duration::from_secs(120);
/// Bytes read from a socket at once, and written bytes that may wait before more are encoded.
pub(crate) const BUFFER_BYTES: usize = 64 << 10;

/// Bounds of one accepted connection. Reading stops at either, so TCP pushes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServerLimits {
    /// Requests worked on at once.
    pub requests_in_flight: usize,
    /// Frame bytes of the requests worked on at once. One request is always admitted.
    pub bytes_in_flight: usize,
}

impl Default for ServerLimits {
    fn default() -> Self {
        Self {
            requests_in_flight: 256,
            bytes_in_flight: 32 << 20,
        }
    }
}

/// Bounds of a link to one peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LinkLimits {
    /// Bytes of appends that wait for a call or for its reply.
    pub append_bytes: usize,
    /// Time for an append call to be answered.
    pub append_timeout: Duration,
    /// Append calls in flight.
    pub append_calls: usize,
    /// Appends in one call.
    pub call_appends: usize,
    /// Bytes in one call, exceeded only by a single append.
    pub call_bytes: usize,
}

impl Default for LinkLimits {
    fn default() -> Self {
        Self {
            append_bytes: 64 << 20,
            append_timeout: Duration::from_secs(5),
            append_calls: 4,
            call_appends: 512,
            call_bytes: 1 << 20,
        }
    }
}

impl Channel {
    /// Largest frame on a connection of this kind.
    pub(crate) fn frame_bytes_max(self) -> usize {
        match self {
            Self::Data => FRAME_BYTES_MAX,
            Self::Control | Self::Bulk => CONTROL_FRAME_BYTES_MAX,
        }
    }
}
