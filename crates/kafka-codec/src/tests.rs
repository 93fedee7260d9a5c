//! What every message must satisfy, checked for each type and each version of it.

mod corpus;
mod cross_check;
mod flat_debug;
mod golden;
mod headers;
mod hostile;
mod records;
pub(crate) mod sampler;

use bytes::Bytes;

use sampler::Sampler;

use crate::wire::Wire;
use crate::writer::{SIZE_PREFIX_BYTES, Writer};
use crate::{Message, ServedApi};

/// The bytes of a value without size or header.
fn written(value: &impl Wire, version: i16, flexible: bool) -> Bytes {
    let mut writer = Writer::new(version, flexible);
    value.write(&mut writer);
    writer
        .finish()
        .unwrap()
        .to_bytes()
        .slice(SIZE_PREFIX_BYTES..)
}

fn body_of<M: Message>(message: &M, version: i16) -> Bytes {
    written(message, version, M::API.versions().is_flexible(version))
}

fn sample_of<M: Message>(version: i16, seed: u64) -> M {
    M::sample(&mut Sampler::new(
        seed,
        version,
        M::API.versions().is_flexible(version),
    ))
}

fn versions_of<M: Message>() -> std::ops::RangeInclusive<i16> {
    let ServedApi { min, max, .. } = M::API.versions();
    min..=max
}

fn from_hex(text: &str) -> Bytes {
    let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    digits.chunks(2).map(byte).collect()
}
