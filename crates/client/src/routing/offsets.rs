//! Looking up offsets: of partitions at their leaders, of groups at their coordinator.

use std::collections::BTreeMap;
use std::time::Duration;

use floe_model::{ErrorCode, Offset, TopicName};
use floe_rpc::{
    CommittedOffset, FetchOffsets, ListOffsets, ListOffsetsPart, ListedOffset, OffsetAt,
    PartitionKey,
};

use super::{ATTEMPT_TIMEOUT, Call, Coordinator, Tries, is_final};
use crate::consumer::Start;
use crate::error::Cause;
use crate::{Client, Error};

impl Client {
    /// The offset of each place of one topic; none where no record is that late.
    pub(crate) async fn list_offsets(
        &self,
        topic: &TopicName,
        places: &[(PartitionKey, Start)],
        timeout: Duration,
    ) -> Result<BTreeMap<PartitionKey, Option<Offset>>, Error> {
        let mut found = BTreeMap::new();
        let mut wanted = BTreeMap::new();
        for (key, start) in places {
            match start {
                Start::Offset(offset) => drop(found.insert(*key, Some(*offset))),
                Start::Start => drop(wanted.insert(*key, OffsetAt::Start)),
                Start::End => drop(wanted.insert(*key, OffsetAt::End)),
                Start::Timestamp(ms) => drop(wanted.insert(*key, OffsetAt::Timestamp(*ms))),
            }
        }
        let mut tries = Tries::new(self, timeout);
        while !wanted.is_empty() {
            let Err(error) = self
                .list_once(topic, &mut wanted, &mut found, tries.left())
                .await
            else {
                continue;
            };
            if is_final(&error) && error.code() != Some(ErrorCode::UnknownTopicOrPartition) {
                return Err(error);
            }
            tries.pause(error).await?;
            // `NotFound` when the topic is gone; any other trouble shows at the next attempt.
            match self.fresh_layout_of(topic, false, tries.left()).await {
                Err(error) if is_final(&error) => return Err(error),
                Ok(_) | Err(_) => {}
            }
        }
        Ok(found)
    }

    /// Asks each leader once, moving what it answers from `wanted` to `found`. Fails with the last
    /// error if anything is left.
    async fn list_once(
        &self,
        topic: &TopicName,
        wanted: &mut BTreeMap<PartitionKey, OffsetAt>,
        found: &mut BTreeMap<PartitionKey, Option<Offset>>,
        timeout: Duration,
    ) -> Result<(), Error> {
        let mut by_addr: BTreeMap<String, Vec<ListOffsetsPart>> = BTreeMap::new();
        let mut last = None;
        for (key, at) in wanted.iter() {
            match self.core.layouts.leader(*key) {
                Some((_, _, addr)) => {
                    let part = ListOffsetsPart { key: *key, at: *at };
                    by_addr.entry(addr).or_default().push(part);
                }
                None => {
                    let error = Error::from(Cause::NoLeader);
                    last = Some(error.in_partition(topic, key.partition));
                }
            }
        }
        for (addr, parts) in by_addr {
            let ask = |call: Call| async move {
                call.api
                    .list_offsets(call.context, ListOffsets { parts })
                    .await
            };
            let timeout = timeout.min(ATTEMPT_TIMEOUT);
            match self.core.control.ask(&addr, timeout, false, ask).await {
                Err(error) => last = Some(error.in_topic(topic)),
                Ok(answers) => {
                    for ListedOffset { key, outcome } in answers {
                        match outcome {
                            Ok(offset) => {
                                wanted.remove(&key);
                                found.insert(key, offset);
                            }
                            Err(failure) => {
                                if let Some(hint) = &failure.leader {
                                    self.core.layouts.learn(key, hint);
                                }
                                let error = Error::refused(&failure, None);
                                last = Some(error.in_partition(topic, key.partition));
                            }
                        }
                    }
                }
            }
        }
        match last {
            Some(error) => Err(error),
            None if wanted.is_empty() => Ok(()),
            None => Err(Error::from(Cause::Answer)),
        }
    }

    /// Offsets that a group has committed, of some partitions or of all.
    pub(crate) async fn committed_offsets(
        &self,
        coordinator: &Coordinator,
        partitions: Option<Vec<PartitionKey>>,
        timeout: Duration,
    ) -> Result<Vec<CommittedOffset>, Error> {
        let ask = |call: Call| {
            let request = FetchOffsets {
                group: coordinator.group.clone(),
                partitions: partitions.clone(),
            };
            async move { call.api.fetch_offsets(call.context, request).await }
        };
        self.ask_coordinator(coordinator, timeout, ask).await
    }
}
