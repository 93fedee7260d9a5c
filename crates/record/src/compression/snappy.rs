//! Snappy as Kafka clients use it: xerial's framing, or one bare block.
//!
//! Framed: magic, two big-endian i32 versions, then chunks of {big-endian i32 length, block}.

use bytes::Buf;

use super::Fault;

const MAGIC: [u8; 8] = *b"\x82SNAPPY\x00";
/// Bytes of the magic, the version and the oldest version that can read it.
const FRAME_HEADER_BYTES: usize = 16;
/// Plain bytes of one chunk, the default of xerial's writer.
const CHUNK_BYTES: usize = 32 << 10;

pub(super) fn compress(plain: &[u8]) -> Vec<u8> {
    let mut packed = Vec::with_capacity(FRAME_HEADER_BYTES + plain.len() / 2);
    packed.extend_from_slice(&MAGIC);
    packed.extend_from_slice(&1_i32.to_be_bytes());
    packed.extend_from_slice(&1_i32.to_be_bytes());
    let mut encoder = snap::raw::Encoder::new();
    for chunk in plain.chunks(CHUNK_BYTES) {
        let block = encoder
            .compress_vec(chunk)
            .expect("a chunk is below the 4 GiB of a block");
        let length = i32::try_from(block.len()).expect("a block is little larger than its chunk");
        packed.extend_from_slice(&length.to_be_bytes());
        packed.extend_from_slice(&block);
    }
    packed
}

pub(super) fn decompress(packed: &[u8], limit_bytes: usize) -> Result<Vec<u8>, Fault> {
    let mut plain = Vec::new();
    if !packed.starts_with(&MAGIC) {
        append_block(packed, &mut plain, limit_bytes)?;
        return Ok(plain);
    }
    let mut chunks = packed.get(FRAME_HEADER_BYTES..).ok_or(Fault::Invalid)?;
    while !chunks.is_empty() {
        let length = chunks.try_get_i32().map_err(|_| Fault::Invalid)?;
        let length = usize::try_from(length).map_err(|_| Fault::Invalid)?;
        let block = chunks.get(..length).ok_or(Fault::Invalid)?;
        append_block(block, &mut plain, limit_bytes)?;
        chunks.advance(length);
    }
    Ok(plain)
}

fn append_block(block: &[u8], plain: &mut Vec<u8>, limit_bytes: usize) -> Result<(), Fault> {
    let claimed = snap::raw::decompress_len(block).map_err(|_| Fault::Invalid)?;
    // Three bytes yield at most 64, so that a larger claim is a lie.
    if claimed > block.len().saturating_mul(64) {
        return Err(Fault::Invalid);
    }
    let start = plain.len();
    if claimed > limit_bytes - start {
        return Err(Fault::TooLarge);
    }
    plain.resize(start + claimed, 0);
    let mut decoder = snap::raw::Decoder::new();
    match decoder.decompress(block, &mut plain[start..]) {
        Ok(written) if written == claimed => Ok(()),
        Ok(_) | Err(_) => Err(Fault::Invalid),
    }
}
