//! What metadata keeps of a classic member beyond names and timeouts: the subscription bytes
//! of its record.
//!
//! The encoding is append-only.

use floe_model::limits::ENTRY_BYTES_MAX;
use serde::{Deserialize, Serialize};

use super::Protocol;
use crate::versioned::{self, DecodeError};

/// A member as it described itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Profile {
    /// Whether it leads the generation.
    pub(super) is_leader: bool,
    pub(super) client_id: String,
    pub(super) client_host: String,
    pub(super) protocol_type: String,
    pub(super) protocols: Vec<Protocol>,
}

impl Profile {
    pub(super) fn encode(&self) -> Vec<u8> {
        versioned::encode(self)
    }

    pub(super) fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        versioned::decode::<Self, ENTRY_BYTES_MAX>(bytes)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn golden_bytes_of_a_profile() {
        let profile = Profile {
            is_leader: true,
            client_id: "c".to_owned(),
            client_host: "h".to_owned(),
            protocol_type: "consumer".to_owned(),
            protocols: vec![Protocol {
                name: "range".to_owned(),
                metadata: vec![7, 8],
            }],
        };
        let golden = "0101016301680 8636f6e73756d6572010572616e6765020708".replace(' ', "");
        assert_eq!(floe_model::to_hex(&profile.encode()), golden);
        assert_eq!(Profile::decode(&profile.encode()).unwrap(), profile);
        assert!(Profile::decode(&[1, 2, 3]).is_err());
    }
}
