//! One record from the uncompressed payload of a batch.
//!
//! length varint, attributes i8, timestamp delta varlong, offset delta varint, key and value as
//! {length varint or -1, bytes}, header count varint, headers as {key length varint, key, value
//! as above}. The fields must fill the length exactly. Nothing is allocated here: whatever a
//! count claims, each header takes bytes that are there or ends the read.

use crate::{RecordFault, varint};

/// The fields of a record as slices of the payload.
pub(crate) struct RecordSlices<'a> {
    pub(crate) timestamp_delta_ms: i64,
    pub(crate) offset_delta: i32,
    pub(crate) key: Option<&'a [u8]>,
    pub(crate) value: Option<&'a [u8]>,
}

/// Bytes of the shortest record: six one-byte fields and a length.
pub(crate) const RECORD_BYTES_MIN: usize = 7;

/// Reads the record at the start of `payload` and advances it. `on_header` gets the
/// headers in order.
pub(crate) fn read_record<'a>(
    payload: &mut &'a [u8],
    mut on_header: impl FnMut(&'a [u8], Option<&'a [u8]>),
) -> Result<RecordSlices<'a>, RecordFault> {
    let length = read_length(payload)?;
    let mut fields = take(payload, length)?;
    take(&mut fields, 1)?; // attributes; none is defined
    let record = RecordSlices {
        timestamp_delta_ms: varint::get_i64(&mut fields)?,
        offset_delta: varint::get_i32(&mut fields)?,
        key: read_nullable(&mut fields)?,
        value: read_nullable(&mut fields)?,
    };
    for _ in 0..read_length(&mut fields)? {
        let key_length = read_length(&mut fields)?;
        let key = take(&mut fields, key_length)?;
        on_header(key, read_nullable(&mut fields)?);
    }
    match fields.len() {
        0 => Ok(record),
        count => Err(RecordFault::TrailingBytes { count }),
    }
}

fn read_nullable<'a>(fields: &mut &'a [u8]) -> Result<Option<&'a [u8]>, RecordFault> {
    match varint::get_i32(fields)? {
        -1 => Ok(None),
        length => take(fields, to_usize(length)?).map(Some),
    }
}

fn read_length(fields: &mut &[u8]) -> Result<usize, RecordFault> {
    varint::get_i32(fields).and_then(to_usize)
}

fn to_usize(length: i32) -> Result<usize, RecordFault> {
    usize::try_from(length).map_err(|_| RecordFault::Length { length })
}

fn take<'a>(bytes: &mut &'a [u8], count: usize) -> Result<&'a [u8], RecordFault> {
    let (taken, rest) = bytes
        .split_at_checked(count)
        .ok_or(RecordFault::Truncated)?;
    *bytes = rest;
    Ok(taken)
}
