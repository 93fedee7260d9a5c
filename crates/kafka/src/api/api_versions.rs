//! ApiVersions: what is served. The first request of nearly every connection.

use floe_kafka_codec::messages::{ApiVersion, ApiVersionsRequest, ApiVersionsResponse};
use floe_kafka_codec::{ApiKey, KafkaError};

use crate::context::RequestContext;
use crate::dispatch::SERVED;

/// From this version on clients say what they are.
const NAMED_FROM: i16 = 3;

pub(crate) async fn handle(
    cx: &RequestContext,
    version: i16,
    request: ApiVersionsRequest,
) -> ApiVersionsResponse {
    if version >= NAMED_FROM {
        let (name, version) = (
            &request.client_software_name,
            &request.client_software_version,
        );
        if !is_software_name(name) || !is_software_name(version) {
            return ApiVersionsResponse {
                error_code: KafkaError::INVALID_REQUEST,
                ..ApiVersionsResponse::default()
            };
        }
        let (peer_addr, client_id) = (cx.peer_addr, cx.client_id.as_deref().unwrap_or(""));
        tracing::debug!(%peer_addr, client_id, software = %name, %version, "Kafka client");
    }
    ApiVersionsResponse {
        api_keys: SERVED.iter().map(|&api| advertised(api)).collect(),
        ..ApiVersionsResponse::default()
    }
}

/// The answer to a version that is not served: it names the ones to ask in.
pub(crate) fn downgrade() -> ApiVersionsResponse {
    ApiVersionsResponse {
        error_code: KafkaError::UNSUPPORTED_VERSION,
        api_keys: vec![advertised(ApiKey::ApiVersions)],
        ..ApiVersionsResponse::default()
    }
}

fn advertised(api: ApiKey) -> ApiVersion {
    let versions = api.versions();
    ApiVersion {
        api_key: api.number(),
        min_version: versions.advertised_min,
        max_version: versions.max,
    }
}

/// Kafka's rule: letters and digits, and between them dashes and dots too.
fn is_software_name(name: &str) -> bool {
    let ends = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
    let inner = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '.';
    ends(name.chars().next()) && ends(name.chars().next_back()) && name.chars().all(inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn software_names_are_checked_as_kafka_does() {
        for good in ["apache-kafka-java", "librdkafka", "v2.0.2", "1"] {
            assert!(is_software_name(good), "{good}");
        }
        for bad in ["", "-a", "a.", "a b", "a\n"] {
            assert!(!is_software_name(bad), "{bad}");
        }
    }
}
