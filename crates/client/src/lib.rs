//! The smart client of Floe: producers, consumers and administration over the native protocol.
//!
//! A [`Client`] knows some addresses of a cluster, learns the rest, and routes every request to
//! the node that can answer it. Leader moves, lost connections and restarts are retried inside
//! the time that the caller allows; what reaches the caller is an [`Error`] with a
//! [kind](Error::kind). Invariants: an acknowledged record was committed once and in order; all
//! memory is bounded by what the builders say; nothing blocks in `Drop`.
//!
//! ```
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # // Runs where a cluster does; scripts/test starts one for it.
//! # let Ok(server) = std::env::var("FLOE_EXAMPLE_SERVER") else { return Ok(()) };
//! # tokio::runtime::Runtime::new()?.block_on(async {
//! use floe_client::{Client, Record};
//!
//! let client = Client::connect(&server).await?; // "localhost:9192", or several with commas
//! let topic = client.admin().create_topic("orders").partitions(6);
//! topic.if_not_exists().send().await?;
//!
//! let producer = client.producer("orders").build().await?;
//! let ack = producer.send(Record::new("espresso").key("table 4")).await?;
//! println!("committed at {}/{}", ack.partition, ack.offset);
//! producer.close().await?;
//!
//! let mut orders = client.consumer("kitchen").topics(["orders"]).build().await?;
//! while let Some(message) = orders.next().await {
//!     let message = message?;
//!     println!("{:?}", message.value);
//!     break; // or read on: the stream has no end
//! }
//! orders.close().await?; // commits what was read and leaves the group at once
//! # Ok(())
//! # })
//! # }
//! ```

mod admin;
mod backoff;
mod client;
mod connection;
mod consumer;
mod error;
mod layout;
mod message;
mod partitioner;
mod producer;
mod record;
mod routing;
mod seeds;

pub use admin::{Admin, AlterTopicRequest, CreateTopicRequest};
pub use client::{Client, ClientStats};
pub use consumer::{
    Consumer, ConsumerBuilder, OutOfRange, ReaderBuilder, RebalanceEvent, RebalanceEvents, Start,
};
pub use error::{Error, ErrorKind};
pub use message::Message;
pub use partitioner::{murmur2, partition_for_key};
pub use producer::{Ack, Delivery, Producer, ProducerBuilder, Undelivered, UndeliveredRecord};
pub use record::Record;

pub use floe_model::{
    Acks, ErrorCode, Generation, GroupName, LeaderEpoch, NodeId, Offset, PartitionIndex, TopicId,
    TopicName, TopicPartition,
};
pub use floe_record::{Compression, Header};
pub use floe_rpc::{
    Assignor, ChaosFault, ChaosHits, ChaosRequest, ChaosState, ClusterInfo, CommittedOffset,
    ElectLeaders, FailureDetail, GroupDescription, GroupListing, GroupMember, GroupPhase, NodeInfo,
    NodeStats, PROTOCOL_VERSION, PartitionInfo, PartitionKey, StoreHealth, TopicInfo,
};

/// The example of the README compiles.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
struct Readme;
