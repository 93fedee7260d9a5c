//! Compression of the records of a batch, and decompression under a hard cap.
//!
//! Sizes claimed by compressed bytes are never believed: output grows as it is produced and
//! stops at the caller's limit, beyond which nothing is reserved but the codec's own state (at
//! most 13 MiB, the buffers of an LZ4 frame of linked 4 MiB blocks) and the slack of a doubling `Vec`.
//! Readers are strict where a lenient one would let a batch pass that other clients cannot read:
//! truncated streams and bytes behind the end are refused.

use std::fmt;
use std::io::{Read, Write};
use std::str::FromStr;

use bytes::Bytes;
use flate2::read::MultiGzDecoder;
use flate2::write::GzEncoder;

use crate::BatchError;

mod lz4;
mod snappy;
mod zstd;

/// How the records of a batch are compressed. The number is the code in the attributes.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "lowercase")]
#[repr(u8)]
pub enum Compression {
    /// As they are.
    #[default]
    None = 0,
    /// RFC 1952; several members are read as one.
    Gzip = 1,
    /// Snappy blocks in the framing of xerial, as Kafka's Java client writes them; a bare block,
    /// as some other clients write it, is read too.
    Snappy = 2,
    /// The LZ4 frame format; several frames are read as one.
    Lz4 = 3,
    /// RFC 8878; several frames are read as one.
    Zstd = 4,
}

/// A name that is none of Kafka's compression types.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown compression; known are none, gzip, snappy, lz4 and zstd")]
pub struct UnknownCompression;

/// Why a payload does not decompress.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    /// Not valid in its format.
    Invalid,
    /// More output than the limit.
    TooLarge,
}

impl Compression {
    /// Every compression, in the order of the codes.
    pub const ALL: [Self; 5] = [Self::None, Self::Gzip, Self::Snappy, Self::Lz4, Self::Zstd];

    pub(crate) fn from_code(code: u8) -> Option<Self> {
        Self::ALL.get(usize::from(code)).copied()
    }

    /// Kafka's name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Gzip => "gzip",
            Self::Snappy => "snappy",
            Self::Lz4 => "lz4",
            Self::Zstd => "zstd",
        }
    }

    /// The compressed form of `plain`, in the dialect that every Kafka client reads.
    pub(crate) fn compress(self, plain: Vec<u8>) -> Vec<u8> {
        match self {
            Self::None => plain,
            Self::Gzip => compress_gzip(&plain),
            Self::Snappy => snappy::compress(&plain),
            Self::Lz4 => lz4::compress(&plain),
            Self::Zstd => zstd::compress(&plain),
        }
    }

    /// The plain form of `packed`: itself if nothing is compressed, else at most `limit_bytes`.
    pub(crate) fn decompress(self, packed: Bytes, limit_bytes: usize) -> Result<Bytes, BatchError> {
        let plain = match self {
            Self::None if packed.len() > limit_bytes => Err(Fault::TooLarge),
            Self::None => return Ok(packed),
            Self::Gzip => decompress_gzip(&packed, limit_bytes),
            Self::Snappy => snappy::decompress(&packed, limit_bytes),
            Self::Lz4 => lz4::decompress(&packed, limit_bytes),
            Self::Zstd => zstd::decompress(&packed, limit_bytes),
        };
        match plain {
            Ok(plain) => Ok(plain.into()),
            Err(Fault::Invalid) => Err(BatchError::Decompression { compression: self }),
            Err(Fault::TooLarge) => Err(BatchError::DecompressedTooLarge { limit_bytes }),
        }
    }
}

impl fmt::Display for Compression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Compression {
    type Err = UnknownCompression;

    fn from_str(name: &str) -> Result<Self, UnknownCompression> {
        Self::ALL
            .into_iter()
            .find(|known| known.as_str() == name)
            .ok_or(UnknownCompression)
    }
}

fn compress_gzip(plain: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), flate2::Compression::default());
    let written = encoder.write_all(plain).and_then(|()| encoder.finish());
    written.expect("writing to memory cannot fail")
}

fn decompress_gzip(packed: &[u8], limit_bytes: usize) -> Result<Vec<u8>, Fault> {
    let mut plain = Vec::new();
    if !packed.is_empty() {
        read_up_to(MultiGzDecoder::new(packed), &mut plain, limit_bytes)?;
    }
    Ok(plain)
}

/// Appends all of `decoder` to `plain`, which may reach `limit_bytes`.
fn read_up_to(decoder: impl Read, plain: &mut Vec<u8>, limit_bytes: usize) -> Result<(), Fault> {
    // One byte more than allowed tells too much from just enough.
    let budget = (limit_bytes - plain.len()) as u64 + 1;
    decoder
        .take(budget)
        .read_to_end(plain)
        .map_err(|_| Fault::Invalid)?;
    if plain.len() > limit_bytes {
        Err(Fault::TooLarge)
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests;
