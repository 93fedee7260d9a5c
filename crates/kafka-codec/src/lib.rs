//! A bounded codec of the Kafka messages that Floe serves. Sans-I/O.
//!
//! Invariant: no bytes whatsoever make this crate panic or loop, and decoding `n` bytes takes at
//! most [`decoded_bytes_max`]`(n)` bytes of memory, doubled by growing vectors; nothing is reserved
//! for what the bytes do not show. Nesting is that of the message types, which is finite. Records
//! are slices of the input when decoded and shared slices of the output when encoded.
//!
//! [`APIS`] and [`ApiKey::versions`] say what is served; [`messages`] describes each message once
//! for all its versions; the traits [`Message`] and [`Request`] decode and encode them, in both
//! directions. The gateway decodes requests and encodes responses, Kafka test clients the reverse.

mod api;
mod consumer_protocol;
mod describe;
mod error;
mod frame;
mod header;
mod kafka_error;
mod message;
pub mod messages;
mod reader;
mod records;
#[cfg(test)]
mod tests;
mod wire;
mod writer;

pub use api::{APIS, ApiKey, ServedApi};
pub use consumer_protocol::{
    ConsumerProtocol, ConsumerProtocolAssignment, ConsumerProtocolSubscription,
    ConsumerProtocolTopic,
};
pub use error::{DecodeError, EncodeError};
pub use frame::Frame;
pub use header::{RequestHeader, ResponseHeader};
pub use kafka_error::KafkaError;
pub use message::{Message, Request};
pub use reader::decoded_bytes_max;
pub use records::RecordSlices;
