//! Configurations: DescribeConfigs, AlterConfigs, IncrementalAlterConfigs, ListConfigResources.

use crate::KafkaError;
use crate::describe::messages;

messages! {
    /// Asks for configurations of topics and nodes. Null keys mean all.
    struct DescribeConfigsRequest {
        resources: Vec<DescribeConfigsResource>,
        include_synonyms: bool,
        include_documentation: bool [3..],
    }

    struct DescribeConfigsResource {
        resource_type: i8,
        resource_name: String,
        configuration_keys: Option<Vec<String>>,
    }

    /// Values, where they come from, and what they override.
    struct DescribeConfigsResponse {
        throttle_time_ms: i32,
        results: Vec<DescribeConfigsResult>,
    }

    struct DescribeConfigsResult {
        error_code: KafkaError,
        error_message: Option<String>,
        resource_type: i8,
        resource_name: String,
        configs: Vec<DescribeConfigsResourceResult>,
    }

    struct DescribeConfigsResourceResult {
        name: String,
        value: Option<String>,
        read_only: bool,
        config_source: i8 = -1,
        is_sensitive: bool,
        synonyms: Vec<DescribeConfigsSynonym>,
        config_type: i8 [3..],
        documentation: Option<String> [3..],
    }

    struct DescribeConfigsSynonym {
        name: String,
        value: Option<String>,
        source: i8,
    }

    /// Replaces all configurations of a resource.
    struct AlterConfigsRequest {
        resources: Vec<AlterConfigsResource>,
        validate_only: bool,
    }

    struct AlterConfigsResource {
        resource_type: i8,
        resource_name: String,
        configs: Vec<AlterableConfig>,
    }

    struct AlterableConfig {
        name: String,
        value: Option<String>,
    }

    /// The outcome per resource.
    struct AlterConfigsResponse {
        throttle_time_ms: i32,
        responses: Vec<AlterConfigsResourceResponse>,
    }

    struct AlterConfigsResourceResponse {
        error_code: KafkaError,
        error_message: Option<String>,
        resource_type: i8,
        resource_name: String,
    }

    /// Sets, deletes, appends to or subtracts from single configurations.
    struct IncrementalAlterConfigsRequest {
        resources: Vec<IncrementalAlterConfigsResource>,
        validate_only: bool,
    }

    struct IncrementalAlterConfigsResource {
        resource_type: i8,
        resource_name: String,
        configs: Vec<IncrementalAlterableConfig>,
    }

    struct IncrementalAlterableConfig {
        name: String,
        config_operation: i8,
        value: Option<String>,
    }

    /// The outcome per resource.
    struct IncrementalAlterConfigsResponse {
        throttle_time_ms: i32,
        responses: Vec<IncrementalAlterConfigsResourceResponse>,
    }

    struct IncrementalAlterConfigsResourceResponse {
        error_code: KafkaError,
        error_message: Option<String>,
        resource_type: i8,
        resource_name: String,
    }

    /// Asks which resources have configurations.
    struct ListConfigResourcesRequest {
        resource_types: Vec<i8> [1..],
    }

    /// The resources. Version 0 knows only client metrics.
    struct ListConfigResourcesResponse {
        throttle_time_ms: i32,
        error_code: KafkaError,
        config_resources: Vec<ConfigResource>,
    }

    struct ConfigResource {
        resource_name: String,
        resource_type: i8 [1..] = 16,
    }
}
