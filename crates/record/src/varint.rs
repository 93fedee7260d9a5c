//! Zigzag variable-length integers: 7 bits a byte, least significant first, bit 7 means more.
//!
//! Reading is strict: a number that has more bytes or bits than its type is refused, where some
//! decoders drop the excess. Advances the slice past what it read.

use crate::RecordFault;

/// Appends `value` in 1 to 10 bytes; every `i32` takes at most 5.
pub(crate) fn put(out: &mut Vec<u8>, value: i64) {
    let mut rest = ((value << 1) ^ (value >> 63)).cast_unsigned();
    while rest >= 0x80 {
        out.push((rest as u8 & 0x7f) | 0x80);
        rest >>= 7;
    }
    out.push(rest as u8);
}

/// Bytes that `put` appends for `value`.
pub(crate) fn len(value: i64) -> usize {
    let zigzag = ((value << 1) ^ (value >> 63)).cast_unsigned();
    (64 - (zigzag | 1).leading_zeros() as usize).div_ceil(7)
}

/// Reads an `i64`.
pub(crate) fn get_i64(bytes: &mut &[u8]) -> Result<i64, RecordFault> {
    let zigzag = get_unsigned(bytes, 64)?;
    Ok((zigzag >> 1).cast_signed() ^ -(zigzag & 1).cast_signed())
}

/// Reads an `i32`.
pub(crate) fn get_i32(bytes: &mut &[u8]) -> Result<i32, RecordFault> {
    let zigzag = get_unsigned(bytes, 32)?;
    let value = (zigzag >> 1).cast_signed() ^ -(zigzag & 1).cast_signed();
    i32::try_from(value).map_err(|_| RecordFault::Varint)
}

fn get_unsigned(bytes: &mut &[u8], bits: u32) -> Result<u64, RecordFault> {
    let mut value = 0;
    let mut shift = 0;
    loop {
        let (&byte, rest) = bytes.split_first().ok_or(RecordFault::Truncated)?;
        *bytes = rest;
        let low = u64::from(byte & 0x7f);
        // The last byte may carry only the bits that are left.
        if shift + 7 > bits && low >> (bits - shift) != 0 {
            return Err(RecordFault::Varint);
        }
        value |= low << shift;
        if byte & 0x80 == 0 {
            return Ok(value);
        }
        shift += 7;
        if shift >= bits {
            return Err(RecordFault::Varint);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn known_values_have_known_bytes() {
        let cases: &[(i64, &[u8])] = &[
            (0, &[0]),
            (-1, &[1]),
            (1, &[2]),
            (63, &[0x7e]),
            (-64, &[0x7f]),
            (64, &[0x80, 0x01]),
            (300, &[0xd8, 0x04]),
            (i64::from(i32::MAX), &[0xfe, 0xff, 0xff, 0xff, 0x0f]),
            (i64::from(i32::MIN), &[0xff, 0xff, 0xff, 0xff, 0x0f]),
            (
                i64::MIN,
                &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01],
            ),
        ];
        for (value, bytes) in cases {
            let mut out = Vec::new();
            put(&mut out, *value);
            assert_eq!(&out, bytes, "{value}");
            assert_eq!(len(*value), bytes.len(), "{value}");
        }
    }

    #[test]
    fn excess_bytes_and_bits_are_refused() {
        let too_long = [0x80, 0x80, 0x80, 0x80, 0x80, 0x00];
        assert_eq!(get_i32(&mut too_long.as_slice()), Err(RecordFault::Varint));
        let too_many_bits = [0xff, 0xff, 0xff, 0xff, 0x1f];
        assert_eq!(
            get_i32(&mut too_many_bits.as_slice()),
            Err(RecordFault::Varint)
        );
        let eleven = [0x80; 11];
        assert_eq!(get_i64(&mut eleven.as_slice()), Err(RecordFault::Varint));
        let mut ten = [0x80; 10];
        ten[9] = 2;
        assert_eq!(get_i64(&mut ten.as_slice()), Err(RecordFault::Varint));
        assert_eq!(get_i64(&mut [0x80].as_slice()), Err(RecordFault::Truncated));
    }

    proptest! {
        #[test]
        fn every_number_round_trips(value: i64, tail: u8) {
            let mut out = Vec::new();
            put(&mut out, value);
            prop_assert_eq!(out.len(), len(value));
            out.push(tail);
            let mut bytes = out.as_slice();
            prop_assert_eq!(get_i64(&mut bytes), Ok(value));
            prop_assert_eq!(bytes, [tail]);
            let mut bytes = out.as_slice();
            prop_assert_eq!(get_i32(&mut bytes).ok(), i32::try_from(value).ok());
        }
    }
}
