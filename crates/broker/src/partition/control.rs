//! Commands in the log of a partition: entries that carry no records.
//!
//! Layout, little-endian: version u8 = 1, kind u8, then by kind. Kind 1, trim: offset i64.

use bytes::Bytes;
use floe_model::Offset;

const VERSION: u8 = 1;
const TRIM_BEFORE: u8 = 1;

/// A command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Control {
    /// Moves the log start forward to this offset, or to the high watermark if that is lower.
    TrimBefore(Offset),
}

impl Control {
    pub(crate) fn encode(self) -> Bytes {
        match self {
            Self::TrimBefore(offset) => {
                let mut bytes = vec![VERSION, TRIM_BEFORE];
                bytes.extend_from_slice(&offset.0.to_le_bytes());
                bytes.into()
            }
        }
    }

    /// `None` for what this version does not know.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        match bytes {
            [VERSION, TRIM_BEFORE, offset @ ..] => {
                let offset = i64::from_le_bytes(offset.try_into().ok()?);
                Some(Self::TrimBefore(Offset(offset)))
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trim_has_these_bytes() {
        let bytes = Control::TrimBefore(Offset(258)).encode();
        assert_eq!(&bytes[..], [1, 1, 2, 1, 0, 0, 0, 0, 0, 0]);
        assert_eq!(
            Control::decode(&bytes),
            Some(Control::TrimBefore(Offset(258)))
        );
        assert_eq!(Control::decode(&bytes[..9]), None);
        assert_eq!(Control::decode(&[2, 1]), None);
    }
}
