//! The disk of a node: ext4 in a file, whose power can be cut.
//!
//! A power cut is the filesystem's own shutdown without a last flush: from that moment nothing
//! gets to the device any more, and what was not synced is gone when it is mounted again. What
//! had been written to the device but not flushed stays: the device has no cache to lose.
//!
//! Invariant: it is mounted whenever the node runs, and never twice.

use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::{FallocateFlags, fallocate, statvfs};

use crate::doctor::CUT_POWER;
use crate::failure::Failure;
use crate::tool;

const SIZE: &str = "320M";
/// Files that a dying process still has open keep the filesystem busy.
const UNMOUNT_LIMIT: Duration = Duration::from_secs(10);
const UNMOUNT_PAUSE: Duration = Duration::from_millis(20);
const BALLAST: &str = "ballast";
/// Less than this cannot take any write of a node.
const ROOM_LEFT_BYTES_MAX: u64 = 64 * 1024;
/// Pieces of the ballast, from large to small.
const PIECES_BYTES: [u64; 4] = [16 << 20, 1 << 20, 64 << 10, 4 << 10];

/// The disk of one node.
#[derive(Clone, Debug)]
pub(crate) struct Volume {
    image: PathBuf,
    place: PathBuf,
}

impl Volume {
    /// Makes it in `home` and mounts it.
    pub(crate) async fn make(home: &Path) -> Result<Self, Failure> {
        let volume = Self {
            image: home.join("disk.img"),
            place: home.join("disk"),
        };
        std::fs::create_dir_all(&volume.place).map_err(Failure::of_file(&volume.place))?;
        let image = volume.image.display();
        tool::run(&format!("truncate -s {SIZE} {image}")).await?;
        tool::run(&format!("mkfs.ext4 -q -m 0 {image}")).await?;
        volume.mount().await?;
        Ok(volume)
    }

    /// Where the node keeps its data.
    pub(crate) fn data_dir(&self) -> PathBuf {
        self.place.join("data")
    }

    /// Nothing gets to the device from now on.
    pub(crate) async fn cut_power(&self) -> Result<(), Failure> {
        let place = self.place.display().to_string();
        let words = ["perl", "-e", CUT_POWER, &place];
        tool::run_words(&words, "").await.map(drop)
    }

    /// The machine is on again; the node must be gone.
    pub(crate) async fn power_on(&self) -> Result<(), Failure> {
        let line = format!("umount {}", self.place.display());
        let deadline = tokio::time::Instant::now() + UNMOUNT_LIMIT;
        loop {
            match tool::run(&line).await {
                Ok(_) => break,
                Err(error) if tokio::time::Instant::now() >= deadline => return Err(error),
                Err(_) => tokio::time::sleep(UNMOUNT_PAUSE).await,
            }
        }
        self.mount().await
    }

    async fn mount(&self) -> Result<(), Failure> {
        let (image, place) = (self.image.display(), self.place.display());
        tool::run(&format!("mount -o loop {image} {place}"))
            .await
            .map(drop)
    }

    /// Takes all room. Whether none is left.
    pub(crate) fn fill(&self) -> bool {
        let Ok(ballast) = std::fs::File::create(self.place.join(BALLAST)) else {
            return false;
        };
        let mut end = 0;
        for piece in PIECES_BYTES {
            while fallocate(&ballast, FallocateFlags::empty(), end, piece).is_ok() {
                end += piece;
            }
        }
        self.room_bytes() <= ROOM_LEFT_BYTES_MAX
    }

    /// Whether there is still no room.
    pub(crate) fn is_full(&self) -> bool {
        self.room_bytes() <= ROOM_LEFT_BYTES_MAX
    }

    /// Gives the room back.
    pub(crate) fn empty(&self) {
        drop(std::fs::remove_file(self.place.join(BALLAST)));
    }

    fn room_bytes(&self) -> u64 {
        statvfs(&self.place).map_or(u64::MAX, |found| found.f_bavail * found.f_frsize)
    }
}
