//! Identities for idempotent producers, taken from metadata in blocks.

use std::ops::Range;

use floe_metadata::{Applied, Command};
use floe_model::{ErrorCode, ProducerEpoch, ProducerId};
use floe_rpc::{Failure, ProducerIdentity};
use parking_lot::Mutex;

use crate::Broker;
use crate::core::METADATA_TIMEOUT;

/// Ids taken at once. What a node does not hand out before it stops is never used.
const BLOCK: u32 = 1000;

/// Ids that this node may hand out.
#[derive(Default)]
pub(crate) struct ProducerIds {
    /// Held to take one or to put a block in.
    left: Mutex<Range<i64>>,
}

impl Broker {
    /// A fresh identity for an idempotent producer.
    ///
    /// # Errors
    /// The controller did not answer, or no ids are left.
    pub async fn init_producer(&self) -> Result<ProducerIdentity, Failure> {
        self.check_serving()?;
        let ids = &self.core.producer_ids;
        let taken = ids.left.lock().next();
        let id = match taken {
            Some(id) => id,
            None => {
                let command = Command::AllocateProducerIds { count: BLOCK };
                let block = self
                    .core
                    .controller
                    .propose(&command, METADATA_TIMEOUT)
                    .await?;
                let Applied::ProducerIds { first, count } = block else {
                    return Err(ErrorCode::Internal.into());
                };
                // Two may fetch a block at once; the one that is replaced is never used.
                *ids.left.lock() = first.0 + 1..first.0 + i64::from(count);
                first.0
            }
        };
        Ok(ProducerIdentity {
            producer_id: ProducerId(id),
            producer_epoch: ProducerEpoch(0),
        })
    }
}
