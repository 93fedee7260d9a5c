//! What the journal's frames add up to, group by group, on top of a checkpoint image.
//!
//! Frames are replayed in journal order. An APPEND asserts that its entry stands at its index; a
//! re-append says so again from a newer place; only TRUNCATE_FROM, LOG_START, DELETE and RENEW
//! take entries away. Entries may arrive with gaps (a re-append comes after what it precedes);
//! whether the result is contiguous is judged at the end.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use floe_model::{LogIndex, RaftGroupId};

use crate::checkpoint_image::{CheckpointImage, GroupImage};
use crate::frame::{FLAG_RESET, FrameHeader, FrameKind, read_create, read_log_start};
use crate::log_position::LogPosition;
use crate::{Damage, GroupKind};

/// Where an entry's newest frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Locator {
    pub(crate) slot: u32,
    pub(crate) seg_seq: u64,
    pub(crate) position: u64,
    pub(crate) len: u32,
}

/// One group as far as image and journal know it.
pub(crate) struct GroupReplay {
    pub(crate) image: GroupImage,
    pub(crate) entries: BTreeMap<LogIndex, Locator>,
    pub(crate) damage: Option<Damage>,
}

/// All groups.
#[derive(Default)]
pub(crate) struct Replay {
    /// The groups as the image has them, for those that the journal begins anew.
    images: BTreeMap<RaftGroupId, GroupImage>,
    pub(crate) groups: BTreeMap<RaftGroupId, GroupReplay>,
    pub(crate) deleted: BTreeSet<RaftGroupId>,
    /// Groups with frames but without a creation: that frame is lost.
    pub(crate) lost: BTreeMap<RaftGroupId, Damage>,
}

impl Replay {
    /// Starts from an image.
    pub(crate) fn new(image: CheckpointImage) -> Self {
        let groups = image.groups.into_iter();
        let images: BTreeMap<_, _> = groups.map(|group| (group.id, group)).collect();
        let groups = images.values().cloned();
        Self {
            groups: groups
                .map(|group| (group.id, GroupReplay::new(group)))
                .collect(),
            images,
            deleted: image.deleted.into_iter().collect(),
            lost: image
                .lost
                .into_iter()
                .map(|id| (id, Damage::Recorded))
                .collect(),
        }
    }

    /// Applies one frame.
    pub(crate) fn frame(&mut self, frame: &FrameHeader, payload: &[u8], locator: Locator) {
        let id = frame.group;
        if self.deleted.contains(&id) {
            return;
        }
        let malformed = Damage::Journal {
            seg_seq: locator.seg_seq,
            position: locator.position,
        };
        match frame.kind {
            FrameKind::Create => match read_create(&Bytes::copy_from_slice(payload)) {
                Some((kind, meta)) => {
                    if !self.lost.contains_key(&id) {
                        let fresh = || GroupReplay::new(fresh_image(id, kind, meta));
                        self.groups.entry(id).or_insert_with(fresh);
                    }
                }
                None => self.damage(id, malformed),
            },
            FrameKind::Renew => match read_create(&Bytes::copy_from_slice(payload)) {
                Some((kind, meta)) => self.renew(id, kind, meta),
                None => self.damage(id, malformed),
            },
            FrameKind::Delete => {
                self.groups.remove(&id);
                self.lost.remove(&id);
                self.deleted.insert(id);
            }
            FrameKind::Append | FrameKind::TruncateFrom | FrameKind::Vote | FrameKind::LogStart => {
                let known = self.groups.get_mut(&id);
                if !known.is_some_and(|group| group.frame(frame, payload, locator)) {
                    self.damage(id, malformed);
                }
            }
        }
    }

    /// Forgets what the frames before said of a group. An image that has the new life was taken
    /// after this frame: it stands, and only what those frames did to it is undone.
    fn renew(&mut self, id: RaftGroupId, kind: GroupKind, meta: Bytes) {
        let taken = self.images.get(&id).filter(|image| image.meta == meta);
        let image = taken.cloned();
        let image = image.unwrap_or_else(|| fresh_image(id, kind, meta));
        self.lost.remove(&id);
        self.groups.insert(id, GroupReplay::new(image));
    }

    /// Notes that a frame of `id` is lost.
    pub(crate) fn damage(&mut self, id: RaftGroupId, damage: Damage) {
        match self.groups.get_mut(&id) {
            Some(group) => {
                group.damage.get_or_insert(damage);
            }
            None if self.deleted.contains(&id) => {}
            None => {
                self.lost.entry(id).or_insert(damage);
            }
        }
    }

    /// Notes that a frame of any group may be lost.
    pub(crate) fn damage_all(&mut self, damage: Damage) {
        for group in self.groups.values_mut() {
            group.damage.get_or_insert(damage);
        }
    }
}

fn fresh_image(id: RaftGroupId, kind: GroupKind, meta: Bytes) -> GroupImage {
    GroupImage {
        id,
        kind,
        meta,
        vote: None,
        start: LogPosition::ORIGIN,
        synced: LogPosition::ORIGIN,
        applied: 0,
        growing: None,
        state: None,
        damaged: false,
    }
}

impl GroupReplay {
    fn new(image: GroupImage) -> Self {
        Self {
            damage: image.damaged.then_some(Damage::Recorded),
            image,
            entries: BTreeMap::new(),
        }
    }

    /// `false` when the payload makes no sense.
    fn frame(&mut self, frame: &FrameHeader, payload: &[u8], locator: Locator) -> bool {
        self.image.applied = self.image.applied.max(frame.applied);
        let index = frame.id.index;
        match frame.kind {
            FrameKind::Append => {
                let kept = self
                    .image
                    .start
                    .next_index()
                    .max(self.image.synced.next_index());
                if index >= kept {
                    self.entries.insert(index, locator);
                }
            }
            FrameKind::TruncateFrom => {
                if !floe_model::mutant!("truncation-lost") {
                    self.entries.split_off(&index);
                }
            }
            FrameKind::Vote => self.image.vote = Some(Bytes::copy_from_slice(payload)),
            FrameKind::LogStart => {
                let Some(position) = read_log_start(frame.id, payload) else {
                    return false;
                };
                if frame.flags & FLAG_RESET != 0 {
                    self.entries.clear();
                }
                if position.next_index() > self.image.start.next_index() {
                    self.image.start = position;
                }
                self.entries = self.entries.split_off(&self.image.start.next_index());
            }
            FrameKind::Create | FrameKind::Delete | FrameKind::Renew => {}
        }
        true
    }
}
