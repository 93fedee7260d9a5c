//! ApiVersions: the first request of a connection.
//!
//! To a version it does not know, a broker answers in version 0.

use crate::KafkaError;
use crate::describe::messages;

messages! {
    /// Asks what is served, and says which client asks.
    struct ApiVersionsRequest {
        client_software_name: String [3..],
        client_software_version: String [3..],
    }

    /// What is served, and cluster features.
    struct ApiVersionsResponse {
        error_code: KafkaError,
        api_keys: Vec<ApiVersion>,
        throttle_time_ms: i32 [1..],
    } tagged {
        0 => supported_features: Vec<SupportedFeatureKey> [3..],
        1 => finalized_features_epoch: i64 [3..] = -1,
        2 => finalized_features: Vec<FinalizedFeatureKey> [3..],
        3 => zk_migration_ready: bool [3..],
    }

    struct ApiVersion {
        api_key: i16,
        min_version: i16,
        max_version: i16,
    }

    struct SupportedFeatureKey {
        name: String,
        min_version: i16,
        max_version: i16,
    }

    struct FinalizedFeatureKey {
        name: String,
        max_version_level: i16,
        min_version_level: i16,
    }
}
