//! What the sender sends next, and when it has to look again.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use floe_model::{NodeId, PartitionIndex, limits};
use floe_rpc::{PartitionKey, ProducePart};

use super::Sender;
use crate::producer::buffers::Offered;
use crate::producer::lane::Lane;

/// Requests in flight to one node.
const REQUESTS_PER_NODE_MAX: usize = 5;
/// About the most record bytes in one request; one batch is always allowed.
const REQUEST_BYTES_MAX: usize = 4 << 20;

/// The request that takes shape for one node.
pub(super) struct Draft {
    pub(super) id: u64,
    pub(super) addr: String,
    pub(super) parts: Vec<ProducePart>,
    bytes: usize,
}

/// When batches of a partition may go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Readiness {
    Now,
    /// Not before, whatever else happens.
    At(Duration),
    /// After an event: an answer, a new layout or identity.
    Later,
}

impl Sender {
    /// Sends every batch that may go. Returns when the next one may without an event.
    pub(super) fn send_ready(&mut self, now: Duration) -> Duration {
        let mut due = Duration::MAX;
        let mut drafts = BTreeMap::new();
        for partition in std::mem::take(&mut self.again) {
            match self.readiness(partition, now, &mut drafts) {
                Readiness::Now => {
                    self.draft_part(partition, &mut drafts);
                    continue;
                }
                Readiness::At(then) => due = due.min(then),
                Readiness::Later => {}
            }
            self.again.insert(partition);
        }
        due.min(self.send_gathered(now, drafts))
    }

    /// The second half of `send_ready`: what is still in the buffers.
    fn send_gathered(&mut self, now: Duration, mut drafts: BTreeMap<NodeId, Draft>) -> Duration {
        let mut due = Duration::MAX;
        let linger = self.shared.linger;
        let idle = self.idle_leaders();
        let offered = {
            let buffers = self.shared.buffers.lock();
            let opened_by = match buffers.flushes {
                0 => now.saturating_sub(linger),
                _ => Duration::MAX,
            };
            if let Some(opened_at) = buffers.oldest_after(opened_by) {
                due = opened_at.saturating_add(linger);
            }
            buffers.offered(opened_by, !idle.is_empty())
        };
        for Offered { partition, is_ripe } in offered {
            let leader = self.layout.leadership(partition).leader;
            if !is_ripe && leader.is_none_or(|leader| !idle.contains(&leader)) {
                continue;
            }
            match self.readiness(partition, now, &mut drafts) {
                Readiness::Now => {
                    self.seal_gathered(partition, &drafts);
                    self.draft_part(partition, &mut drafts);
                }
                Readiness::At(then) => due = due.min(then),
                Readiness::Later => {}
            }
        }
        for (node, draft) in drafts {
            if !draft.parts.is_empty() {
                self.start_request(node, draft, now);
            }
        }
        due
    }

    /// Leaders without a request in flight.
    fn idle_leaders(&self) -> BTreeSet<NodeId> {
        let is_idle = |node: &&NodeId| self.busy.get(node).is_none_or(|&count| count == 0);
        self.leaders.iter().filter(is_idle).copied().collect()
    }

    /// Whether a partition's batches may go now, with a draft for its leader if so.
    fn readiness(
        &mut self,
        partition: PartitionIndex,
        now: Duration,
        drafts: &mut BTreeMap<NodeId, Draft>,
    ) -> Readiness {
        let compression = self.shared.compression;
        let lane = self.lanes.entry(partition);
        let lane = lane.or_insert_with(|| Lane::new(compression));
        if lane.not_before() > now {
            return Readiness::At(lane.not_before());
        }
        let Some(node) = self.layout.leadership(partition).leader else {
            self.wants_layout = true;
            return Readiness::Later;
        };
        if self
            .busy
            .get(&node)
            .is_some_and(|&count| count >= REQUESTS_PER_NODE_MAX)
        {
            return Readiness::Later;
        }
        let is_idempotent = self.shared.acks == floe_model::Acks::Quorum;
        if is_idempotent && !lane.identify(self.identity) {
            self.wants_identity = true;
            return Readiness::Later;
        }
        if let Some(draft) = drafts.get(&node) {
            return if draft.bytes < REQUEST_BYTES_MAX {
                Readiness::Now
            } else {
                // Another request, right after this one.
                Readiness::At(now)
            };
        }
        let Some(addr) = self.shared.client.core.layouts.addr(node) else {
            self.wants_layout = true;
            return Readiness::Later;
        };
        let draft = Draft {
            id: self.next_request,
            addr,
            parts: Vec::new(),
            bytes: 0,
        };
        self.next_request += 1;
        drafts.insert(node, draft);
        Readiness::Now
    }

    /// Moves batches of a partition from the buffer to its lane.
    fn seal_gathered(&mut self, partition: PartitionIndex, drafts: &BTreeMap<NodeId, Draft>) {
        let node = self.layout.leadership(partition).leader;
        let draft = node.and_then(|node| drafts.get(&node));
        let bytes_max = REQUEST_BYTES_MAX - draft.map_or(0, |draft| draft.bytes);
        let mut buffers = self.shared.buffers.lock();
        let taken = buffers.take(partition, limits::PRODUCER_BATCHES_KEPT, bytes_max);
        drop(buffers);
        if let Some(lane) = self.lanes.get_mut(&partition) {
            taken.into_iter().for_each(|gathered| lane.seal(gathered));
        }
    }

    /// Adds the lane's batches to the draft for its leader.
    fn draft_part(&mut self, partition: PartitionIndex, drafts: &mut BTreeMap<NodeId, Draft>) {
        let leadership = self.layout.leadership(partition);
        let draft = leadership.leader.and_then(|node| drafts.get_mut(&node));
        let (Some(draft), Some(lane)) = (draft, self.lanes.get_mut(&partition)) else {
            return;
        };
        if lane.is_empty() {
            return;
        }
        let bytes_max = REQUEST_BYTES_MAX - draft.bytes.min(REQUEST_BYTES_MAX);
        let known = self.layout.batch_bytes_max;
        let batch_bytes_max = known.unwrap_or(limits::BATCH_BYTES_DEFAULT);
        let batches = lane.send(draft.id, leadership.epoch, bytes_max, batch_bytes_max);
        draft.bytes += batches.iter().map(|batch| batch.len()).sum::<usize>();
        let key = PartitionKey {
            topic_id: self.layout.topic_id,
            partition,
        };
        draft.parts.push(ProducePart { key, batches });
    }
}
