//! The smart client of Floe: producers, consumers and administration over the native protocol.
//!
//! A [`Client`] knows some addresses of a cluster, learns the rest, and routes every request to
//! the node that can answer it. Leader moves, lost connections and restarts are retried inside
//! the time that the caller allows; what reaches the caller is an [`Error`] with a
//! [kind](Error::kind). Invariants: an acknowledged record was committed once and in order; all
//! memory is bounded by what the builders say; nothing blocks in `Drop`.
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use floe_client::{Client, Record};
//!
//! let client = Client::connect("localhost:9192").await?;
//! client.admin().create_topic("orders").partitions(6).send().await?;
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
//! }
//! # Ok(())
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
    Assignor, ClusterInfo, CommittedOffset, ElectLeaders, FailureDetail, GroupDescription,
    GroupListing, GroupMember, GroupPhase, NodeInfo, NodeStats, PROTOCOL_VERSION, PartitionInfo,
    PartitionKey, TopicInfo,
};

/// The example of the README compiles.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
struct Readme;
