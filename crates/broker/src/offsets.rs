//! Looks offsets up and moves log starts.

use floe_model::{ErrorCode, Offset};
use floe_rpc::{Failure, ListOffsets, ListOffsetsPart, ListedOffset, OffsetAt, Trim};

use crate::Broker;
use crate::fetch::read_failure;
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
            let outcome = self.find_offset(&part).await;
            listed.push(ListedOffset {
                key: part.key,
                outcome,
            });
        }
        Ok(listed)
    }

    async fn find_offset(&self, part: &ListOffsetsPart) -> Result<Option<Offset>, Failure> {
        let (partition, epoch) = self.led(part.key).await?;
        if !partition.leads_for_certain(epoch).await {
            return Err(ErrorCode::NotLeader.into());
        }
        let log_start_offset = partition.log_start_offset();
        match part.at {
            OffsetAt::Start => Ok(Some(log_start_offset)),
            OffsetAt::End => Ok(Some(partition.log().high_watermark())),
            OffsetAt::Timestamp(timestamp_ms) => {
                let found = partition.log().offset_for_timestamp(timestamp_ms).await;
                let found = found.map_err(|error| read_failure(&partition, &error))?;
                let committed = partition.log().high_watermark();
                let offset = found.map(|(offset, _)| offset.max(log_start_offset));
                Ok(offset.filter(|&offset| offset < committed))
            }
        }
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
