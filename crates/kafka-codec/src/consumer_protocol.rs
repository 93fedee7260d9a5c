//! What members of a classic group of protocol type `consumer` tell each other through the broker:
//! the `metadata` of JoinGroup and the `assignment` of SyncGroup.
//!
//! The broker carries them as they are and reads them only to know which topics a group consumes.
//! Each is led by its own version and never flexible; a reader takes a version from the future for
//! the last one it knows, as Kafka's clients do.

use bytes::Bytes;

use crate::describe::messages;
use crate::reader::Reader;
use crate::wire::Wire;
use crate::writer::{SIZE_PREFIX_BYTES, Writer};
use crate::{DecodeError, EncodeError};

/// The last version of both layouts.
pub(crate) const LAST_VERSION: i16 = 3;

messages! {
    /// What a member wants to consume, and what it owned.
    struct ConsumerProtocolSubscription {
        topics: Vec<String>,
        user_data: Option<Bytes>,
        owned_partitions: Vec<ConsumerProtocolTopic> [1..],
        generation_id: i32 [2..] = -1,
        rack_id: Option<String> [3..],
    }

    /// What a member shall consume.
    struct ConsumerProtocolAssignment {
        assigned_partitions: Vec<ConsumerProtocolTopic>,
        user_data: Option<Bytes>,
    }

    /// Partitions of one topic, `TopicPartition` in the schema.
    struct ConsumerProtocolTopic {
        topic: String,
        partitions: Vec<i32>,
    }
}

/// A message between members.
pub trait ConsumerProtocol: Wire {
    /// Reads the version and the message of that version.
    ///
    /// # Errors
    ///
    /// The bytes are no such message.
    fn decode(bytes: &Bytes) -> Result<Self, DecodeError> {
        let mut lead = Reader::new(bytes, 0, false);
        let version = i16::read(&mut lead)?;
        if version < 0 {
            return Err(DecodeError::NegativeVersion { version });
        }
        Self::read(&mut Reader::new(
            &lead.rest(),
            version.min(LAST_VERSION),
            false,
        ))
    }

    /// The bytes, in the last version.
    ///
    /// # Errors
    ///
    /// A value does not fit the wire.
    fn encode(&self) -> Result<Bytes, EncodeError> {
        let mut writer = Writer::new(LAST_VERSION, false);
        LAST_VERSION.write(&mut writer);
        self.write(&mut writer);
        Ok(writer.finish()?.to_bytes().slice(SIZE_PREFIX_BYTES..))
    }
}

impl ConsumerProtocol for ConsumerProtocolSubscription {}
impl ConsumerProtocol for ConsumerProtocolAssignment {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subscriptions_of_the_future_read_as_the_last_known_version() {
        let subscription = ConsumerProtocolSubscription {
            topics: vec!["orders".into()],
            generation_id: 7,
            ..Default::default()
        };
        let bytes = subscription.encode().unwrap();
        assert_eq!(
            ConsumerProtocolSubscription::decode(&bytes).as_ref(),
            Ok(&subscription)
        );
        let mut future = bytes.to_vec();
        future[1] = 9;
        future.extend_from_slice(b"what version 9 adds");
        assert_eq!(
            ConsumerProtocolSubscription::decode(&future.into()),
            Ok(subscription)
        );
    }

    #[test]
    fn bytes_of_other_protocols_are_refused() {
        for bytes in [
            &b""[..],
            b"\xff",
            b"\xff\xff\0\0\0\0",
            b"{\"topics\":[\"orders\"]}",
        ] {
            let bytes = Bytes::copy_from_slice(bytes);
            assert!(ConsumerProtocolSubscription::decode(&bytes).is_err());
            assert!(ConsumerProtocolAssignment::decode(&bytes).is_err());
        }
    }
}
