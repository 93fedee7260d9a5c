//! The LZ4 frame format, walked frame by frame before anything is decompressed.
//!
//! The walk makes sure that every frame runs to its end mark inside the bytes given: the decoder
//! takes a frame cut at a block boundary, or with an empty block inside, for a complete one. Each
//! frame gets a fresh decoder, since the decoder cannot reuse buffers for smaller blocks.
//! Legacy and skippable frames are refused; no Kafka client writes or reads them.

use std::io::Write;

use lz4_flex::frame::{BlockMode, BlockSize, FrameDecoder, FrameEncoder, FrameInfo};

use super::{Fault, read_up_to};

const MAGIC: [u8; 4] = 0x184D_2204_u32.to_le_bytes();
const FLAG_BLOCK_CHECKSUMS: u8 = 1 << 4;
const FLAG_CONTENT_SIZE: u8 = 1 << 3;
const FLAG_CONTENT_CHECKSUM: u8 = 1 << 2;
const FLAG_DICTIONARY: u8 = 1;
/// The bit of a block's length that says the block is stored as it is.
const STORED_BIT: u32 = 1 << 31;
const CHECKSUM_BYTES: usize = 4;

/// One frame of independent 64 KiB blocks: Kafka's Java reader knows nothing else.
pub(super) fn compress(plain: &[u8]) -> Vec<u8> {
    let frame = FrameInfo::new()
        .block_size(BlockSize::Max64KB)
        .block_mode(BlockMode::Independent);
    let mut encoder = FrameEncoder::with_frame_info(frame, Vec::new());
    encoder
        .write_all(plain)
        .expect("writing to memory cannot fail");
    encoder.finish().expect("writing to memory cannot fail")
}

pub(super) fn decompress(packed: &[u8], limit_bytes: usize) -> Result<Vec<u8>, Fault> {
    let mut plain = Vec::new();
    let mut rest = packed;
    while !rest.is_empty() {
        let (mut frame, behind) = split_frame(rest).ok_or(Fault::Invalid)?;
        read_up_to(FrameDecoder::new(&mut frame), &mut plain, limit_bytes)?;
        if !frame.is_empty() {
            return Err(Fault::Invalid);
        }
        rest = behind;
    }
    Ok(plain)
}

/// The frame at the start of `bytes` and what is behind it; none if no whole frame is there.
fn split_frame(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut rest = bytes.strip_prefix(&MAGIC)?;
    let flags = *rest.first()?;
    let has = |flag| flags & flag != 0;
    // Flags and block size, then what the flags announce, then the checksum of all that.
    let content_size = if has(FLAG_CONTENT_SIZE) { 8 } else { 0 };
    let dictionary = if has(FLAG_DICTIONARY) { 4 } else { 0 };
    rest = rest.get(2 + content_size + dictionary + 1..)?;
    let block_checksum = if has(FLAG_BLOCK_CHECKSUMS) {
        CHECKSUM_BYTES
    } else {
        0
    };
    loop {
        let (length, blocks) = rest.split_first_chunk()?;
        let length = u32::from_le_bytes(*length);
        if length == 0 {
            rest = blocks;
            break;
        }
        let length = usize::try_from(length & !STORED_BIT).ok()?;
        rest = blocks.get(length.checked_add(block_checksum)?..)?;
    }
    if has(FLAG_CONTENT_CHECKSUM) {
        rest = rest.get(CHECKSUM_BYTES..)?;
    }
    Some(bytes.split_at(bytes.len() - rest.len()))
}
