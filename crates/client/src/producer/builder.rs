//! Settings of a producer.

use std::time::Duration;

use floe_model::{Acks, limits};
use floe_record::Compression;

use super::Producer;
use crate::error::Cause;
use crate::{Client, Error};

/// Makes a [`Producer`]. Every setting has a default that is safe.
#[derive(Clone, Debug)]
#[must_use = "a producer exists only after build()"]
pub struct ProducerBuilder {
    pub(super) client: Client,
    pub(super) topic: String,
    pub(super) linger: Duration,
    pub(super) batch_bytes: usize,
    pub(super) compression: Compression,
    pub(super) acks: Acks,
    pub(super) delivery_timeout: Duration,
    pub(super) buffer_bytes: usize,
}

impl ProducerBuilder {
    pub(crate) fn new(client: Client, topic: String) -> Self {
        Self {
            client,
            topic,
            linger: Duration::from_millis(5),
            batch_bytes: 256 << 10,
            compression: Compression::None,
            acks: Acks::Quorum,
            delivery_timeout: Duration::from_secs(120),
            buffer_bytes: 32 << 20,
        }
    }

    /// How long a record may wait for company while its node is busy with earlier ones; an idle
    /// node gets it at once. Default 5 ms.
    pub fn linger(mut self, linger: Duration) -> Self {
        self.linger = linger;
        self
    }

    /// Size at which a batch is sent without waiting. Default 256 KiB; a larger record travels
    /// alone.
    pub fn batch_bytes(mut self, batch_bytes: usize) -> Self {
        self.batch_bytes = batch_bytes;
        self
    }

    /// How batches are compressed. Default not at all.
    pub fn compression(mut self, compression: Compression) -> Self {
        self.compression = compression;
        self
    }

    /// When a record counts as sent. The default, quorum, is the only level under which no
    /// acknowledged record is lost or doubled.
    pub fn acks(mut self, acks: Acks) -> Self {
        self.acks = acks;
        self
    }

    /// How long a record is tried before it fails. Default 120 s.
    pub fn delivery_timeout(mut self, delivery_timeout: Duration) -> Self {
        self.delivery_timeout = delivery_timeout;
        self
    }

    /// Memory for records not yet acknowledged; above it, `enqueue` and `send` wait. Default
    /// 32 MiB.
    pub fn buffer_bytes(mut self, buffer_bytes: usize) -> Self {
        self.buffer_bytes = buffer_bytes;
        self
    }

    /// Looks the topic up and starts the producer.
    ///
    /// # Errors
    /// `InvalidInput` for settings out of range, `NotFound` for a topic that does not exist and
    /// is not made on demand, `Unavailable` when no node answers.
    pub async fn build(self) -> Result<Producer, Error> {
        let check = |is_valid: bool, option, range| match is_valid {
            true => Ok(()),
            false => Err(Error::from(Cause::Option { option, range })),
        };
        let bytes = 1..=limits::BATCH_BYTES_MAX;
        check(
            bytes.contains(&self.batch_bytes),
            "batch_bytes",
            "1 byte to 8 MiB",
        )?;
        check(self.buffer_bytes > 0, "buffer_bytes", "at least 1")?;
        check(
            !self.delivery_timeout.is_zero(),
            "delivery_timeout",
            "positive",
        )?;
        Producer::start(self).await
    }
}
