//! What a peer may use of the gateway. Every number is a bound on memory, time or count that holds
//! whatever the peer sends.

use std::time::Duration;

/// Bounds of one gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GatewayLimits {
    /// Open connections; more are closed at once.
    pub connections_max: usize,
    /// Largest request frame, bytes. Kafka's own default.
    pub frame_bytes_max: usize,
    /// Largest frame until a connection has sent one good request, bytes. Producers that never
    /// ask for versions start with a full batch, so one of the default size fits.
    pub first_frame_bytes_max: usize,
    /// Requests of one connection that are read and not answered yet.
    pub pipeline_max: usize,
    /// Bytes of all requests in progress that are no larger than `first_frame_bytes_max`; readers
    /// wait for room. Larger ones share room of `frame_bytes_max` besides.
    pub in_progress_bytes_max: usize,
    /// How long a produce waits for room in the node before it is refused.
    pub produce_room_limit: Duration,
    /// How long a new connection may take for its first request.
    pub first_request_limit: Duration,
    /// How long a connection may be silent with nothing in progress. Kafka's own default.
    pub idle_limit: Duration,
    /// The stretch of time in which a frame must have come on by its share at
    /// `bytes_per_second_min`; also how long a peer may take nothing of an answer.
    pub stall_limit: Duration,
    /// Slowest sender of a frame.
    pub bytes_per_second_min: usize,
    /// How long requests that were read may go on after their connection ends or the node stops.
    pub drain_limit: Duration,
}

impl Default for GatewayLimits {
    fn default() -> Self {
        Self {
            connections_max: 4096,
            frame_bytes_max: 100 << 20,
            first_frame_bytes_max: 2 << 20,
            pipeline_max: 64,
            in_progress_bytes_max: 64 << 20,
            produce_room_limit: Duration::from_secs(10),
            first_request_limit: Duration::from_secs(30),
            idle_limit: Duration::from_secs(600),
            stall_limit: Duration::from_secs(30),
            bytes_per_second_min: 64 << 10,
            drain_limit: Duration::from_secs(2),
        }
    }
}
