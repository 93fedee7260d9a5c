//! Reads entries from a partition segment. Blocking: runs on the blocking pool.
//!
//! Invariant: never reads beyond the length that was written when the read was planned, and
//! every byte that is handed out passed its checksum. A bad checksum is damage, not an end.

use std::ops::ControlFlow;

use bytes::Bytes;
use floe_env::VfsFile;
use floe_record::{Entry, EntryError};

use crate::Damage;

const CHUNK_BYTES: u64 = 256 << 10;

/// Why a scan stopped early.
pub(crate) enum ScanError {
    Io(std::io::Error),
    Damage(Damage),
}

/// Visits the entries in `range` of the file in order until `visit` breaks. Returns where the
/// next entry would start.
pub(crate) fn scan(
    file: &dyn VfsFile,
    range: std::ops::Range<u64>,
    mut visit: impl FnMut(Entry, u64) -> ControlFlow<()>,
) -> Result<u64, ScanError> {
    let mut position = range.start;
    let mut chunk_bytes = CHUNK_BYTES;
    while position < range.end {
        let damage = ScanError::Damage(Damage::Checksum { position });
        let want = chunk_bytes.min(range.end - position);
        let mut chunk = vec![0; usize::try_from(want).unwrap_or(usize::MAX)];
        let read = file.read_at(&mut chunk, position).map_err(ScanError::Io)?;
        if read < chunk.len() {
            return Err(damage);
        }
        let mut rest = Bytes::from(chunk);
        let mut used = 0;
        loop {
            match Entry::decode(&rest) {
                Ok((entry, size_bytes)) => {
                    if !entry.verify_bodies() {
                        let position = position + used;
                        return Err(ScanError::Damage(Damage::Checksum { position }));
                    }
                    let at = position + used;
                    used += size_bytes as u64;
                    rest = rest.slice(size_bytes..);
                    if visit(entry, at).is_break() {
                        return Ok(position + used);
                    }
                }
                Err(EntryError::Incomplete { needed }) => {
                    let needed = needed as u64;
                    if rest.is_empty() && position + used == range.end {
                        return Ok(range.end);
                    }
                    if position + used + needed > range.end {
                        let position = position + used;
                        return Err(ScanError::Damage(Damage::Checksum { position }));
                    }
                    chunk_bytes = needed.max(CHUNK_BYTES);
                    break;
                }
                Err(_) => {
                    let position = position + used;
                    return Err(ScanError::Damage(Damage::Checksum { position }));
                }
            }
        }
        position += used;
    }
    Ok(position)
}
