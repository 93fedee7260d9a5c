//! Looks offsets up and moves log starts.

use floe_rpc::{Failure, ListOffsets, ListedOffset, OffsetAt, Trim};

use crate::Broker;
use crate::offset_search::OffsetSought;
use crate::partition::Control;

impl Broker {
    /// Looks up offsets by time or at the ends.
    ///
    /// # Errors
    /// The whole request was refused.
    pub async fn list_offsets(&self, request: ListOffsets) -> Result<Vec<ListedOffset>, Failure> {
        self.check_serving()?;
        let mut listed = Vec::with_capacity(request.parts.len());
        for part in request.parts {
            let sought = match part.at {
                OffsetAt::Start => OffsetSought::Start,
                OffsetAt::End => OffsetSought::End,
                OffsetAt::Timestamp(at_ms) => OffsetSought::Timestamp(at_ms),
            };
            let found = self.find_offset(part.key, None, sought).await;
            let outcome = found.map(|found| found.map(|found| found.offset));
            listed.push(ListedOffset {
                key: part.key,
                outcome,
            });
        }
        Ok(listed)
    }

    /// Moves the log start of partitions forward.
    ///
    /// # Errors
    /// The first partition that failed; the ones before it are trimmed.
    pub async fn trim(&self, request: Trim) -> Result<(), Failure> {
        self.check_serving()?;
        for (key, offset) in request.parts {
            let (partition, _) = self.led(key).await?;
            partition.control(Control::TrimBefore(offset)).await?;
            self.core.due.add(partition.group());
        }
        Ok(())
    }
}
