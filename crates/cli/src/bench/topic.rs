//! The topic of a benchmark, and values to fill it with.

use bytes::Bytes;
use floe_env::{Env, Rng};

use super::TopicArgs;
use crate::connection::{Connection, topic_name};
use crate::failure::CommandError;

/// A topic that is ready to be written.
pub(super) struct BenchTopic {
    pub(super) name: String,
    pub(super) partitions: u32,
    /// Whether it is new, so that nothing is in it.
    pub(super) is_own: bool,
    delete_afterwards: bool,
}

impl BenchTopic {
    /// Makes the topic if needed.
    pub(super) async fn prepare(
        connection: &Connection,
        args: &TopicArgs,
        env: &Env,
    ) -> Result<Self, CommandError> {
        let own_name = || format!("floe-bench-{:08x}", env.rng.next_u64() >> 32);
        let name = args.topic.clone().unwrap_or_else(own_name);
        topic_name(&name)?;
        let is_own = args.topic.is_none();
        let mut request = connection
            .working_admin()
            .create_topic(name.as_str())
            .partitions(args.partitions);
        if let Some(replication) = args.replication {
            request = request.replication(replication);
        }
        if !is_own {
            request = request.if_not_exists();
        }
        let made = request
            .send()
            .await
            .map_err(|error| connection.explain(&error))?;
        let partitions = u32::try_from(made.partitions.len()).unwrap_or(u32::MAX);
        Ok(Self {
            name,
            partitions,
            is_own,
            delete_afterwards: is_own && !args.keep,
        })
    }

    /// Deletes it if it was made for this run only.
    pub(super) async fn clean_up(&self, connection: &Connection) {
        if self.delete_afterwards {
            let deleted = connection
                .working_admin()
                .delete_topic(self.name.as_str())
                .await;
            if let Err(error) = deleted {
                eprintln!("topic '{}' is left behind: {error}", self.name);
            }
        }
    }
}

/// Values that do not compress, cut from one random block.
#[derive(Clone)]
pub(super) struct Values {
    block: Bytes,
    size_bytes: usize,
    next: usize,
}

/// Length of the random block beyond one value.
const BLOCK_BYTES: usize = 1 << 20;

impl Values {
    /// Values of `size_bytes`.
    pub(super) fn new(rng: &Rng, size_bytes: usize) -> Self {
        let mut block = Vec::with_capacity(size_bytes + BLOCK_BYTES + 16);
        while block.len() < size_bytes + BLOCK_BYTES {
            block.extend_from_slice(&rng.bytes16());
        }
        Self {
            block: block.into(),
            size_bytes,
            next: 0,
        }
    }

    /// The next one. Shares the block.
    pub(super) fn take(&mut self) -> Bytes {
        // A prime step reaches every place of the block.
        self.next = (self.next + 1009) % BLOCK_BYTES;
        self.block.slice(self.next..self.next + self.size_bytes)
    }
}
