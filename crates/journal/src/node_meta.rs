//! `node.meta`: whose data directory this is.
//!
//! Little-endian, 64 bytes: magic "FNOD" u32 | version u16 | has_cluster u8 | reserved u8 |
//! node_id u32 | reserved u32 | node_uuid 16 | cluster_id 16 | incarnation u64 | reserved u32 |
//! crc32c u32 of bytes 0..60. Replaced whole: temporary file, sync, rename, directory sync.

use std::io;
use std::path::Path;

use bytes::{Buf as _, BufMut as _};
use floe_env::{OpenMode, Vfs};
use floe_model::{ClusterId, Incarnation, NodeId, NodeUuid};

use crate::io_failure::IoFailure;
use crate::{Damage, NodeIdentity, OpenError};

/// Version of the data directory as a whole.
pub const DIRECTORY_VERSION: u16 = 1;
/// The file's name in the data directory.
pub(crate) const NODE_META: &str = "node.meta";

const MAGIC: u32 = u32::from_le_bytes(*b"FNOD");
const META_BYTES: usize = 64;

pub(crate) fn encode(identity: &NodeIdentity) -> [u8; META_BYTES] {
    let mut bytes = [0; META_BYTES];
    let mut out = &mut bytes[..];
    out.put_u32_le(MAGIC);
    out.put_u16_le(DIRECTORY_VERSION);
    out.put_u8(u8::from(identity.cluster_id.is_some()));
    out.put_u8(0);
    out.put_u32_le(identity.node_id.0);
    out.put_u32_le(0);
    out.put_slice(&identity.node_uuid.0);
    out.put_slice(&identity.cluster_id.unwrap_or_default().0);
    out.put_u64_le(identity.incarnation.0);
    out.put_u32_le(0);
    let crc = crc32c::crc32c(&bytes[..META_BYTES - 4]);
    bytes[META_BYTES - 4..].copy_from_slice(&crc.to_le_bytes());
    bytes
}

/// What the bytes say; `Err` with the version when it is a later one.
pub(crate) fn decode(bytes: &[u8]) -> Result<Option<NodeIdentity>, u16> {
    if bytes.len() != META_BYTES {
        return Ok(None);
    }
    let crc = crc32c::crc32c(&bytes[..META_BYTES - 4]);
    let mut fields = bytes;
    let magic = fields.get_u32_le();
    let version = fields.get_u16_le();
    let has_cluster = fields.get_u8() == 1;
    fields.advance(1);
    let node_id = NodeId(fields.get_u32_le());
    fields.advance(4);
    let (mut node_uuid, mut cluster_id) = ([0; 16], [0; 16]);
    fields.copy_to_slice(&mut node_uuid);
    fields.copy_to_slice(&mut cluster_id);
    let incarnation = Incarnation(fields.get_u64_le());
    fields.advance(4);
    if magic != MAGIC || fields.get_u32_le() != crc {
        return Ok(None);
    }
    if version != DIRECTORY_VERSION {
        return Err(version);
    }
    Ok(Some(NodeIdentity {
        cluster_id: has_cluster.then_some(ClusterId(cluster_id)),
        node_id,
        node_uuid: NodeUuid(node_uuid),
        incarnation,
    }))
}

/// Reads the file; `None` when there is none.
pub(crate) fn read(vfs: &dyn Vfs, dir: &Path) -> Result<Option<NodeIdentity>, OpenError> {
    let path = dir.join(NODE_META);
    let file = match vfs.open(&path, OpenMode::READ) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(OpenError::io(path, error)),
    };
    let mut bytes = vec![0; META_BYTES + 1];
    let read = file.read_at(&mut bytes, 0);
    bytes.truncate(read.map_err(|error| OpenError::io(&path, error))?);
    match decode(&bytes) {
        Ok(Some(identity)) => Ok(Some(identity)),
        Ok(None) => Err(OpenError::Damaged {
            path,
            damage: Damage::Checksum { position: 0 },
        }),
        Err(found) => Err(OpenError::NewerFormat {
            path,
            found,
            supported: DIRECTORY_VERSION,
        }),
    }
}

/// Replaces the file durably.
pub(crate) fn write(vfs: &dyn Vfs, dir: &Path, identity: &NodeIdentity) -> Result<(), IoFailure> {
    replace_file(vfs, dir, NODE_META, &encode(identity))
}

/// Makes `name` in `dir` hold `bytes`, whole or not at all, and durable on return.
pub(crate) fn replace_file(
    vfs: &dyn Vfs,
    dir: &Path,
    name: &str,
    bytes: &[u8],
) -> Result<(), IoFailure> {
    let temporary = dir.join(format!("{name}.new"));
    let write = |error| IoFailure::write(&temporary, error);
    let file = vfs.open(&temporary, OpenMode::CREATE).map_err(write)?;
    file.set_len(0).map_err(write)?;
    file.write_at(bytes, 0).map_err(write)?;
    file.sync_data()
        .map_err(|error| IoFailure::sync(&temporary, error))?;
    vfs.rename(&temporary, &dir.join(name)).map_err(write)?;
    vfs.sync_dir(dir)
        .map_err(|error| IoFailure::sync(dir, error))
}

#[cfg(test)]
mod tests {
    use super::*;

    const IDENTITY: NodeIdentity = NodeIdentity {
        cluster_id: Some(ClusterId([2; 16])),
        node_id: NodeId(3),
        node_uuid: NodeUuid([1; 16]),
        incarnation: Incarnation(9),
    };

    #[test]
    fn golden_bytes() {
        let bytes = encode(&IDENTITY);
        let expected = "464e4f44010001000300000000000000010101010101010101010101010101010\
                        2020202020202020202020202020202090000000000000000000000";
        assert_eq!(floe_model::to_hex(&bytes[..60]), expected);
        assert_eq!(decode(&bytes), Ok(Some(IDENTITY)));
    }

    #[test]
    fn damage_and_later_versions_are_told_apart() {
        let mut bytes = encode(&IDENTITY);
        bytes[20] ^= 1;
        assert_eq!(decode(&bytes), Ok(None));
        bytes[20] ^= 1;
        bytes[4] = 2;
        let crc = crc32c::crc32c(&bytes[..60]).to_le_bytes();
        bytes[60..].copy_from_slice(&crc);
        assert_eq!(decode(&bytes), Err(2));
    }
}
