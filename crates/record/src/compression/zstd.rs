//! Zstandard, always in one shot into a bounded buffer.
//!
//! A streaming decoder would allocate the window a frame header asks for, up to 128 MiB; one shot
//! needs no window. A frame need not state its size, so a buffer that proves too small is grown
//! and the work repeated, at most for a third more in total since it grows fourfold.

use ::zstd::zstd_safe::{self, zstd_sys::ZSTD_ErrorCode};

use super::Fault;

const GROWTH: usize = 4;
const FIRST_BYTES_MIN: usize = 4 << 10;

pub(super) fn compress(plain: &[u8]) -> Vec<u8> {
    ::zstd::bulk::compress(plain, ::zstd::DEFAULT_COMPRESSION_LEVEL)
        .expect("the output buffer is as large as the format can need")
}

pub(super) fn decompress(packed: &[u8], limit_bytes: usize) -> Result<Vec<u8>, Fault> {
    let too_small = (ZSTD_ErrorCode::ZSTD_error_dstSize_tooSmall as usize).wrapping_neg();
    let mut capacity = packed
        .len()
        .saturating_mul(GROWTH)
        .max(FIRST_BYTES_MIN)
        .min(limit_bytes);
    loop {
        let mut plain = Vec::with_capacity(capacity);
        match zstd_safe::decompress(&mut plain, packed) {
            Ok(_) if plain.len() > limit_bytes => return Err(Fault::TooLarge),
            Ok(_) => return Ok(plain),
            Err(code) if code != too_small => return Err(Fault::Invalid),
            Err(_) if capacity == limit_bytes => return Err(Fault::TooLarge),
            Err(_) => capacity = capacity.saturating_mul(GROWTH).min(limit_bytes),
        }
    }
}
