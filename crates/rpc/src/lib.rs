//! Node-to-node and client-to-node calls: services, wire forms, connections.
//!
//! The services are tarpc's; the bytes are ours. A connection is a handshake (who, which
//! protocol version, which cluster), then frames of a length and a bincode body. Payloads are
//! slices of the frame they came in. Invariant: whatever bytes arrive end at most their own
//! connection; memory in use by a connection is bounded before anything is believed.
//!
//! Every call has a deadline and every connection an owner that joins its tasks.

mod call;
mod client_api;
mod client_connection;
mod cluster_api;
mod codec;
mod dial;
mod entry_form;
mod frame;
mod handshake;
mod in_flight;
mod limits;
mod line;
mod link;
mod payload;
mod peer_api;
mod pump;
#[cfg(test)]
mod samples;
mod server;
mod session;
pub mod wire;

pub use call::{CallError, CallStub, Timed};
pub use client_api::*;
pub use client_connection::{ClientCalls, ClientConnection, connect_client};
pub use cluster_api::{ClusterReply, ClusterRequest, Founder, Founding, SeedState};
pub use dial::ConnectError;
pub use entry_form::WireEntry;
pub use frame::FrameError;
pub use handshake::{Channel, HandshakeError, PROTOCOL_VERSION, PeerIdentity, Refusal};
pub use limits::{LinkLimits, ServerLimits};
pub use link::{LinkError, LinkState, PeerCalls, PeerLink, PeerTarget};
pub use payload::Payload;
pub use peer_api::*;
pub use server::{ConnectionError, serve_client, serve_peer};
pub use tarpc::ServerError;
pub use tarpc::context::Context;
pub use tarpc::server::Serve;
