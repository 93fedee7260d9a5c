//! What a client may do, in the bit sets that Kafka's describe responses carry. There is no access
//! control: everything that exists is allowed.

/// Kafka's operation codes, each a bit of the set.
const READ: i32 = 1 << 3;
const WRITE: i32 = 1 << 4;
const CREATE: i32 = 1 << 5;
const DELETE: i32 = 1 << 6;
const ALTER: i32 = 1 << 7;
const DESCRIBE: i32 = 1 << 8;
const CLUSTER_ACTION: i32 = 1 << 9;
const DESCRIBE_CONFIGS: i32 = 1 << 10;
const ALTER_CONFIGS: i32 = 1 << 11;
const IDEMPOTENT_WRITE: i32 = 1 << 12;

/// Stands for "not asked for".
const UNKNOWN: i32 = i32::MIN;

/// On a topic.
pub(crate) fn on_topic(asked: bool) -> i32 {
    let all = READ | WRITE | CREATE | DELETE | ALTER | DESCRIBE | DESCRIBE_CONFIGS | ALTER_CONFIGS;
    if asked { all } else { UNKNOWN }
}

/// On the cluster.
pub(crate) fn on_cluster(asked: bool) -> i32 {
    let all = CREATE
        | ALTER
        | DESCRIBE
        | CLUSTER_ACTION
        | DESCRIBE_CONFIGS
        | ALTER_CONFIGS
        | IDEMPOTENT_WRITE;
    if asked { all } else { UNKNOWN }
}

/// On a group.
pub(crate) fn on_group(asked: bool) -> i32 {
    if asked {
        READ | DELETE | DESCRIBE
    } else {
        UNKNOWN
    }
}
