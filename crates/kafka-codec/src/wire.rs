//! How each type of value stands on the wire.
//!
//! Integers are big-endian. Strings, bytes and arrays carry a length: i16 for strings and i32 for
//! the others, -1 for null, in the older versions; an unsigned varint of length + 1, 0 for null, in
//! flexible ones. Structures are described with the `messages!` macro.

use bytes::Bytes;
use floe_model::{NodeUuid, TopicId};

use crate::reader::Reader;
use crate::writer::Writer;
use crate::{DecodeError, KafkaError, RecordSlices};

/// A value with a place on the wire. Every value takes at least one byte there, which is what
/// bounds the count of an array.
pub trait Wire: Sized {
    /// Reads the value at the reader's position.
    fn read(r: &mut Reader<'_>) -> Result<Self, DecodeError>;
    /// Appends the value.
    fn write(&self, w: &mut Writer);
    /// Some value, within what the sampler's version can carry.
    #[cfg(test)]
    fn sample(s: &mut crate::tests::sampler::Sampler) -> Self;
}

/// A value that has a null on the wire.
pub trait Nullable: Wire + Default {
    /// Reads the value or null.
    fn read_nullable(r: &mut Reader<'_>) -> Result<Option<Self>, DecodeError>;
    /// Appends the value or null.
    fn write_nullable(value: Option<&Self>, w: &mut Writer);
}

impl<T: Nullable> Wire for Option<T> {
    fn read(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        T::read_nullable(r)
    }

    fn write(&self, w: &mut Writer) {
        T::write_nullable(self.as_ref(), w);
    }

    #[cfg(test)]
    fn sample(s: &mut crate::tests::sampler::Sampler) -> Self {
        (s.below(4) > 0).then(|| T::sample(s))
    }
}

/// Reads a value that is nullable in other versions than this one.
pub(crate) fn read_present<T: Nullable>(r: &mut Reader<'_>) -> Result<Option<T>, DecodeError> {
    T::read(r).map(Some)
}

/// Writes a value that is nullable in other versions than this one: null becomes the empty value.
pub(crate) fn write_present<T: Nullable>(value: &Option<T>, w: &mut Writer) {
    match value {
        Some(value) => value.write(w),
        None => T::default().write(w),
    }
}

macro_rules! fixed {
    ($($type:ty: $from:expr, $to:expr;)*) => {$(
        impl Wire for $type {
            fn read(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
                r.array().map($from)
            }

            fn write(&self, w: &mut Writer) {
                let to: fn(&Self) -> _ = $to;
                w.put(&to(self));
            }

            #[cfg(test)]
            fn sample(s: &mut crate::tests::sampler::Sampler) -> Self {
                let from = $from;
                from(s.array())
            }
        }
    )*};
}

fixed! {
    i8: i8::from_be_bytes, |v| v.to_be_bytes();
    i16: i16::from_be_bytes, |v| v.to_be_bytes();
    i32: i32::from_be_bytes, |v| v.to_be_bytes();
    i64: i64::from_be_bytes, |v| v.to_be_bytes();
    bool: |[byte]: [u8; 1]| byte != 0, |v| [u8::from(*v)];
    KafkaError: |code| KafkaError(i16::from_be_bytes(code)), |v| v.0.to_be_bytes();
    TopicId: TopicId, |v| v.0;
    NodeUuid: NodeUuid, |v| v.0;
}

macro_rules! nullable {
    ($($type:ty $([$t:ident])?, $sample:expr, $read:expr, $write:expr;)*) => {$(
        impl$(<$t: Wire>)? Wire for $type {
            fn read(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
                let at = r.at();
                Self::read_nullable(r)?.ok_or(DecodeError::UnexpectedNull { at })
            }

            fn write(&self, w: &mut Writer) {
                Self::write_nullable(Some(self), w);
            }

            #[cfg(test)]
            fn sample(s: &mut crate::tests::sampler::Sampler) -> Self {
                let sample: fn(&mut crate::tests::sampler::Sampler) -> Self = $sample;
                sample(s)
            }
        }

        impl$(<$t: Wire>)? Nullable for $type {
            fn read_nullable(r: &mut Reader<'_>) -> Result<Option<Self>, DecodeError> {
                let read: fn(&mut Reader<'_>) -> Result<Option<Self>, DecodeError> = $read;
                read(r)
            }

            fn write_nullable(value: Option<&Self>, w: &mut Writer) {
                let write: fn(&mut Writer, Option<&Self>) = $write;
                write(w, value);
            }
        }
    )*};
}

nullable! {
    String, |s| s.string(),
        |r| r.nullable_string(), |w, v| w.nullable_string(v.map(String::as_str));
    Bytes, |s| s.bytes(),
        |r| r.nullable_bytes(), |w, v| w.nullable_bytes(v.map(std::slice::from_ref));
    RecordSlices, |s| s.bytes().into(),
        |r| Ok(r.nullable_bytes()?.map(Self::from)),
        |w, v| w.nullable_bytes(v.map(RecordSlices::slices));
    Vec<T> [T], |s| (0..s.below(4)).map(|_| T::sample(s)).collect(),
        |r| r.nullable_array(), |w, v| w.nullable_array(v.map(Vec::as_slice));
}
