//! DescribeConfigs, AlterConfigs, IncrementalAlterConfigs, ListConfigResources.

use floe_kafka_codec::KafkaError;
use floe_kafka_codec::messages::{
    AlterConfigsRequest, AlterConfigsResource, AlterableConfig, DescribeConfigsRequest,
    DescribeConfigsResource, DescribeConfigsResourceResult, DescribeConfigsResult,
    IncrementalAlterConfigsRequest, IncrementalAlterConfigsResource, IncrementalAlterableConfig,
    ListConfigResourcesRequest,
};

use crate::cluster::{Client, Cluster};

const TOPIC: i8 = 2;
const BROKER: i8 = 4;

async fn describe(
    client: &mut Client,
    resource_type: i8,
    name: &str,
    keys: Option<&[&str]>,
) -> DescribeConfigsResult {
    let owned = |keys: &[&str]| keys.iter().map(|&key| key.to_owned()).collect();
    let request = DescribeConfigsRequest {
        resources: vec![DescribeConfigsResource {
            resource_type,
            resource_name: name.to_owned(),
            configuration_keys: keys.map(owned),
        }],
        include_synonyms: true,
        include_documentation: true,
    };
    client.call(4, &request).await.results.remove(0)
}

async fn one(client: &mut Client, key: &str) -> DescribeConfigsResourceResult {
    let mut found = describe(client, TOPIC, "topic", Some(&[key])).await;
    assert_eq!(found.error_message, None);
    assert_eq!(found.configs.len(), 1);
    found.configs.remove(0)
}

/// Operations: 0 set, 1 delete, 2 append, 3 subtract.
async fn edit(
    client: &mut Client,
    edits: &[(&str, i8, Option<&str>)],
    validate_only: bool,
) -> (KafkaError, String) {
    let config =
        |&(name, config_operation, value): &(&str, i8, Option<&str>)| IncrementalAlterableConfig {
            name: name.to_owned(),
            config_operation,
            value: value.map(str::to_owned),
        };
    let request = IncrementalAlterConfigsRequest {
        resources: vec![IncrementalAlterConfigsResource {
            resource_type: TOPIC,
            resource_name: "topic".to_owned(),
            configs: edits.iter().map(config).collect(),
        }],
        validate_only,
    };
    let answer = client.call(1, &request).await.responses.remove(0);
    (answer.error_code, answer.error_message.unwrap_or_default())
}

fn replace(resource_type: i8, name: &str, configs: &[(&str, Option<&str>)]) -> AlterConfigsRequest {
    let config = |&(name, value): &(&str, Option<&str>)| AlterableConfig {
        name: name.to_owned(),
        value: value.map(str::to_owned),
    };
    AlterConfigsRequest {
        resources: vec![AlterConfigsResource {
            resource_type,
            resource_name: name.to_owned(),
            configs: configs.iter().map(config).collect(),
        }],
        validate_only: false,
    }
}

#[tokio::test]
async fn a_setting_is_reported_with_value_source_synonyms_type_and_meaning() {
    let cluster = Cluster::start(1).await;
    cluster.make("topic", 1).await;
    let mut client = cluster.connect(1).await;
    let plain = one(&mut client, "retention.ms").await;
    assert_eq!(plain.value.as_deref(), Some("604800000"));
    // LONG, from nobody.
    assert_eq!((plain.config_type, plain.config_source), (5, 5));
    let synonyms: Vec<_> = plain
        .synonyms
        .iter()
        .map(|one| (one.name.as_str(), one.source))
        .collect();
    assert_eq!(synonyms, [("log.retention.ms", 5)]);
    assert!(plain.documentation.unwrap().contains("Milliseconds"));
    assert!(!plain.read_only && !plain.is_sensitive);

    let edited = edit(&mut client, &[("retention.ms", 0, Some("1000"))], false).await;
    assert_eq!(edited.0, KafkaError::NONE);
    let set = one(&mut client, "retention.ms").await;
    assert_eq!((set.value.as_deref(), set.config_source), (Some("1000"), 1));
    let synonyms: Vec<_> = set
        .synonyms
        .iter()
        .map(|one| (one.name.as_str(), one.source))
        .collect();
    assert_eq!(synonyms, [("retention.ms", 1), ("log.retention.ms", 5)]);

    let all = describe(&mut client, TOPIC, "topic", None).await.configs;
    assert!(
        all.iter().all(|one| one.value.is_some()),
        "no null where there is a default"
    );
    for key in [
        "cleanup.policy",
        "flush.ms",
        "min.insync.replicas",
        "segment.bytes",
    ] {
        assert!(all.iter().any(|one| one.name == key), "{key}");
    }
    assert!(!all.iter().any(|one| one.name == "message.format.version"));
    for version in 1..=4 {
        let request = DescribeConfigsRequest {
            resources: vec![DescribeConfigsResource {
                resource_type: TOPIC,
                resource_name: "topic".to_owned(),
                configuration_keys: None,
            }],
            ..DescribeConfigsRequest::default()
        };
        let results = client.call(version, &request).await.results;
        assert_eq!(results[0].configs.len(), all.len());
        assert!(results[0].configs.iter().all(|one| one.synonyms.is_empty()));
    }
    cluster.stop().await;
}

#[tokio::test]
async fn what_has_no_settings_is_refused_with_its_own_code() {
    let cluster = Cluster::start(2).await;
    let mut client = cluster.connect(1).await;
    let mut code =
        async |kind, name: &str| describe(&mut client, kind, name, None).await.error_code;
    let unknown = KafkaError::UNKNOWN_TOPIC_OR_PARTITION;
    assert_eq!(code(TOPIC, "none").await, unknown);
    assert_eq!(
        code(TOPIC, "a b").await,
        KafkaError::INVALID_TOPIC_EXCEPTION
    );
    assert_eq!(code(BROKER, "2").await, KafkaError::INVALID_REQUEST);
    assert_eq!(code(BROKER, "one").await, KafkaError::INVALID_REQUEST);
    assert_eq!(code(77, "x").await, KafkaError::INVALID_REQUEST);
    assert_eq!(code(BROKER, "").await, KafkaError::NONE);
    cluster.stop().await;
}

#[tokio::test]
async fn a_node_reports_what_clients_look_up() {
    let cluster = Cluster::start(1).await;
    let mut client = cluster.connect(1).await;
    let found = describe(&mut client, BROKER, "1", None).await;
    let value = |key: &str| {
        let entry = found.configs.iter().find(|one| one.name == key);
        let entry = entry.unwrap_or_else(|| panic!("{key}"));
        assert!(entry.read_only);
        entry.value.clone().unwrap_or_default()
    };
    assert_eq!(value("num.partitions"), "2");
    assert_eq!(value("node.id"), "1");
    assert_eq!(value("auto.create.topics.enable"), "false");
    assert_eq!(value("message.max.bytes"), "1048588");
    assert_eq!(value("log.cleanup.policy"), "delete");
    assert!(value("advertised.listeners").starts_with("PLAINTEXT://127.0.0.1:"));
    let mut names: Vec<_> = found.configs.iter().map(|one| one.name.as_str()).collect();
    let count = names.len();
    names.dedup();
    assert_eq!(names.len(), count, "each once, by name");
    assert!(names.is_sorted());
    cluster.stop().await;
}

#[tokio::test]
async fn altering_replaces_the_whole_set() {
    let cluster = Cluster::start(1).await;
    cluster.make("topic", 1).await;
    let mut client = cluster.connect(1).await;
    let first = [
        ("retention.ms", Some("5")),
        ("cleanup.policy", Some("compact")),
    ];
    for (version, configs) in [(0, &first[..]), (1, &[("flush.ms", Some("9"))]), (2, &[])] {
        let request = replace(TOPIC, "topic", configs);
        let answer = client.call(version, &request).await;
        assert_eq!(answer.responses[0].error_message, None);
        let all = describe(&mut client, TOPIC, "topic", None).await.configs;
        let set: Vec<_> = all.iter().filter(|one| one.config_source == 1).collect();
        assert_eq!(set.len(), configs.len(), "{set:?}");
    }
    let refusals = [
        (
            TOPIC,
            "topic",
            ("nonsense", Some("1")),
            KafkaError::INVALID_CONFIG,
        ),
        (
            TOPIC,
            "topic",
            ("flush.ms", None),
            KafkaError::INVALID_REQUEST,
        ),
        (
            TOPIC,
            "none",
            ("flush.ms", Some("1")),
            KafkaError::UNKNOWN_TOPIC_OR_PARTITION,
        ),
        (
            BROKER,
            "1",
            ("log.retention.ms", Some("1")),
            KafkaError::INVALID_REQUEST,
        ),
        (8, "1", ("root", Some("INFO")), KafkaError::INVALID_REQUEST),
    ];
    for (kind, name, config, code) in refusals {
        let answer = client.call(2, &replace(kind, name, &[config])).await;
        assert_eq!(answer.responses[0].error_code, code, "{kind} {name}");
        assert!(answer.responses[0].error_message.is_some());
    }
    // Nothing is set on a node: replacing that by nothing is fine.
    let answer = client.call(2, &replace(BROKER, "1", &[])).await;
    assert_eq!(answer.responses[0].error_code, KafkaError::NONE);
    cluster.stop().await;
}

#[tokio::test]
#[expect(clippy::too_many_lines, reason = "one case after another")]
async fn settings_are_edited_one_by_one_all_or_none() {
    let cluster = Cluster::start(1).await;
    cluster.make("topic", 1).await;
    let mut client = cluster.connect(1).await;
    let ok = (KafkaError::NONE, String::new());
    let append = [
        ("cleanup.policy", 2, Some("compact")),
        ("retention.ms", 0, Some("7")),
    ];
    assert_eq!(edit(&mut client, &append, true).await, ok);
    assert_eq!(
        one(&mut client, "cleanup.policy").await.value.as_deref(),
        Some("delete")
    );
    assert_eq!(edit(&mut client, &append, false).await, ok);
    let policy = one(&mut client, "cleanup.policy").await;
    // LIST.
    assert_eq!(
        (policy.value.as_deref(), policy.config_type),
        (Some("delete,compact"), 7)
    );
    let subtract = [("cleanup.policy", 3, Some("delete"))];
    assert_eq!(edit(&mut client, &subtract, false).await, ok);
    assert_eq!(
        one(&mut client, "cleanup.policy").await.value.as_deref(),
        Some("compact")
    );
    let reset = [("retention.ms", 1, None)];
    assert_eq!(edit(&mut client, &reset, false).await, ok);
    assert_eq!(one(&mut client, "retention.ms").await.config_source, 5);

    let half = [
        ("flush.ms", 0, Some("5")),
        ("retention.ms", 0, Some("soon")),
    ];
    assert_eq!(
        edit(&mut client, &half, false).await.0,
        KafkaError::INVALID_CONFIG
    );
    assert_eq!(one(&mut client, "flush.ms").await.config_source, 5);
    let refusals = [
        (
            ("retention.ms", 2, Some("5")),
            KafkaError::INVALID_CONFIG,
            "no list",
        ),
        (
            ("retention.ms", 0, None),
            KafkaError::INVALID_REQUEST,
            "no value",
        ),
        (
            ("retention.ms", 4, Some("5")),
            KafkaError::INVALID_REQUEST,
            "operation 4",
        ),
        (
            ("nonsense", 1, None),
            KafkaError::INVALID_CONFIG,
            "nonsense",
        ),
        (
            ("max.message.bytes", 0, Some("999999999")),
            KafkaError::INVALID_CONFIG,
            "8388608",
        ),
    ];
    for (refused, code, words) in refusals {
        let (found, text) = edit(&mut client, &[refused], false).await;
        assert_eq!(found, code, "{refused:?}");
        assert!(text.contains(words), "{text}");
    }
    let twice = [("flush.ms", 0, Some("5")), ("flush.ms", 1, None)];
    assert_eq!(
        edit(&mut client, &twice, false).await.0,
        KafkaError::INVALID_REQUEST
    );
    cluster.stop().await;
}

#[tokio::test]
async fn what_has_settings_is_listed_by_type() {
    let cluster = Cluster::start(1).await;
    cluster.make("topic", 1).await;
    let mut client = cluster.connect(1).await;
    let list = |types: &[i8]| ListConfigResourcesRequest {
        resource_types: types.to_vec(),
    };
    let old = client.call(0, &list(&[])).await;
    assert_eq!(
        (old.error_code, old.config_resources.len()),
        (KafkaError::NONE, 0)
    );
    let all = client.call(1, &list(&[])).await.config_resources;
    let names: Vec<_> = all
        .iter()
        .map(|one| (one.resource_type, one.resource_name.as_str()))
        .collect();
    assert_eq!(names, [(2, "topic"), (4, "1"), (8, "1")]);
    let topics = client.call(1, &list(&[2])).await.config_resources;
    assert_eq!(topics.len(), 1);
    let unknown = client.call(1, &list(&[77])).await;
    assert_eq!(unknown.error_code, KafkaError::UNSUPPORTED_VERSION);
    cluster.stop().await;
}

#[tokio::test]
async fn what_one_node_changed_another_describes_at_once() {
    let cluster = Cluster::start(3).await;
    cluster.make("topic", 1).await;
    let (mut first, mut second) = (cluster.connect(1).await, cluster.connect(2).await);
    for age in 1..=20 {
        let age = age.to_string();
        let edited = edit(&mut first, &[("retention.ms", 0, Some(&age))], false).await;
        assert_eq!(edited.0, KafkaError::NONE);
        let seen = one(&mut second, "retention.ms").await.value;
        assert_eq!(seen, Some(age));
    }
    cluster.stop().await;
}
