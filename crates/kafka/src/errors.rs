//! The one map from the node's error codes to Kafka's.
//!
//! Exhaustive on purpose: a new code does not compile until somebody decides what clients make of
//! it. Ordinary conditions never become `UNKNOWN_SERVER_ERROR`, which several clients treat as
//! fatal. What is the same fact to the node may need different codes for different clients, so
//! the map knows who asks: see [`Asked`].

use floe_kafka_codec::KafkaError;
use floe_model::ErrorCode;

/// Which family of requests failed. Clients know what to do with a code only within its family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    /// Writing records.
    Produce,
    /// Reading records or offsets of a partition.
    Read,
    /// Consumer groups and committed offsets.
    Group,
    /// Topics, settings and the cluster.
    Admin,
}

/// Kafka's code for `code` as the answer to `asked`.
pub(crate) fn kafka_error(code: ErrorCode, asked: Asked) -> KafkaError {
    match code {
        ErrorCode::NotLeader => KafkaError::NOT_LEADER_OR_FOLLOWER,
        ErrorCode::UnknownTopicOrPartition => KafkaError::UNKNOWN_TOPIC_OR_PARTITION,
        ErrorCode::OffsetOutOfRange => KafkaError::OFFSET_OUT_OF_RANGE,
        ErrorCode::CorruptBatch => KafkaError::CORRUPT_MESSAGE,
        ErrorCode::BatchTooLarge => KafkaError::MESSAGE_TOO_LARGE,
        ErrorCode::Timeout => timed_out(asked),
        ErrorCode::Busy => busy(asked),
        ErrorCode::DiskFull | ErrorCode::StorageFailed => storage(asked),
        ErrorCode::TopicExists => KafkaError::TOPIC_ALREADY_EXISTS,
        ErrorCode::InvalidName => match asked {
            Asked::Group => KafkaError::INVALID_GROUP_ID,
            Asked::Produce | Asked::Read | Asked::Admin => KafkaError::INVALID_TOPIC_EXCEPTION,
        },
        ErrorCode::InvalidPartitions => KafkaError::INVALID_PARTITIONS,
        ErrorCode::InvalidReplication => KafkaError::INVALID_REPLICATION_FACTOR,
        ErrorCode::InvalidConfig => KafkaError::INVALID_CONFIG,
        ErrorCode::InvalidRequest => match asked {
            Asked::Produce => KafkaError::INVALID_RECORD,
            Asked::Read | Asked::Group | Asked::Admin => KafkaError::INVALID_REQUEST,
        },
        ErrorCode::NotController => no_controller(asked),
        ErrorCode::OutOfOrderSequence => KafkaError::OUT_OF_ORDER_SEQUENCE_NUMBER,
        // Only coordinators say PRODUCER_FENCED.
        ErrorCode::ProducerFenced => KafkaError::INVALID_PRODUCER_EPOCH,
        ErrorCode::UnknownProducer => KafkaError::UNKNOWN_PRODUCER_ID,
        ErrorCode::NotCoordinator => KafkaError::NOT_COORDINATOR,
        ErrorCode::CoordinatorLoading => KafkaError::COORDINATOR_LOAD_IN_PROGRESS,
        ErrorCode::UnknownMember => KafkaError::UNKNOWN_MEMBER_ID,
        ErrorCode::IllegalGeneration | ErrorCode::FencedToken => KafkaError::ILLEGAL_GENERATION,
        ErrorCode::RebalanceInProgress => KafkaError::REBALANCE_IN_PROGRESS,
        ErrorCode::UnknownGroup => KafkaError::GROUP_ID_NOT_FOUND,
        ErrorCode::GroupNotEmpty => KafkaError::NON_EMPTY_GROUP,
        ErrorCode::OffsetNotAvailable => KafkaError::OFFSET_NOT_AVAILABLE,
        ErrorCode::FencedEpoch => KafkaError::FENCED_LEADER_EPOCH,
        ErrorCode::UnknownEpoch => KafkaError::UNKNOWN_LEADER_EPOCH,
        ErrorCode::WrongCluster => KafkaError::INCONSISTENT_CLUSTER_ID,
        ErrorCode::UnsupportedVersion => KafkaError::UNSUPPORTED_VERSION,
        ErrorCode::ShuttingDown => shutting_down(asked),
        ErrorCode::Internal => KafkaError::UNKNOWN_SERVER_ERROR,
        ErrorCode::InvalidRecord => KafkaError::INVALID_RECORD,
        ErrorCode::InvalidTimestamp => KafkaError::INVALID_TIMESTAMP,
    }
}

/// The outcome is unknown; the client may try again.
fn timed_out(asked: Asked) -> KafkaError {
    match asked {
        Asked::Produce | Asked::Admin => KafkaError::REQUEST_TIMED_OUT,
        // Fetchers know no time-out of a broker, but do try again and look for the leader.
        Asked::Read => KafkaError::NOT_LEADER_OR_FOLLOWER,
        // The one code that all group clients retry.
        Asked::Group => KafkaError::COORDINATOR_NOT_AVAILABLE,
    }
}

/// Nothing was written for lack of room; the client may try again.
fn busy(asked: Asked) -> KafkaError {
    match asked {
        // Kafka's word for "not written, try again"; a time-out would leave doubt.
        Asked::Produce => KafkaError::NOT_ENOUGH_REPLICAS,
        Asked::Read => KafkaError::NOT_LEADER_OR_FOLLOWER,
        Asked::Group => KafkaError::COORDINATOR_LOAD_IN_PROGRESS,
        Asked::Admin => KafkaError::REQUEST_TIMED_OUT,
    }
}

fn storage(asked: Asked) -> KafkaError {
    match asked {
        Asked::Produce | Asked::Read | Asked::Admin => KafkaError::KAFKA_STORAGE_ERROR,
        Asked::Group => KafkaError::COORDINATOR_NOT_AVAILABLE,
    }
}

fn no_controller(asked: Asked) -> KafkaError {
    match asked {
        Asked::Produce | Asked::Read => KafkaError::LEADER_NOT_AVAILABLE,
        Asked::Group => KafkaError::COORDINATOR_NOT_AVAILABLE,
        // Clients that are told NOT_CONTROLLER look for another one, which takes them long.
        Asked::Admin => KafkaError::REQUEST_TIMED_OUT,
    }
}

/// Others lead and coordinate what this node did.
fn shutting_down(asked: Asked) -> KafkaError {
    match asked {
        Asked::Produce | Asked::Read => KafkaError::NOT_LEADER_OR_FOLLOWER,
        Asked::Group => KafkaError::NOT_COORDINATOR,
        Asked::Admin => KafkaError::NOT_CONTROLLER,
    }
}

/// What a client is told about transactions, which are not there. Of all codes this one makes the
/// Java client and librdkafka fail at once, in FindCoordinator and in InitProducerId alike.
pub(crate) const NO_TRANSACTIONS: KafkaError = KafkaError::TRANSACTIONAL_ID_AUTHORIZATION_FAILED;

/// Says so to people.
pub(crate) const NO_TRANSACTIONS_TEXT: &str =
    "transactions are not supported; producers without a transactional id are";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_bug_is_an_unknown_server_error_and_nothing_is_none() {
        for &code in ErrorCode::ALL {
            for asked in [Asked::Produce, Asked::Read, Asked::Group, Asked::Admin] {
                let error = kafka_error(code, asked);
                assert_ne!(error, KafkaError::NONE);
                let unknown = error == KafkaError::UNKNOWN_SERVER_ERROR;
                assert_eq!(unknown, code == ErrorCode::Internal, "{code:?}");
            }
        }
    }

    #[test]
    fn what_the_node_calls_retriable_is_retriable_to_kafka_clients() {
        use KafkaError as K;
        let retriable = [
            K::NOT_LEADER_OR_FOLLOWER,
            K::LEADER_NOT_AVAILABLE,
            K::REQUEST_TIMED_OUT,
            K::NOT_ENOUGH_REPLICAS,
            K::KAFKA_STORAGE_ERROR,
            K::COORDINATOR_LOAD_IN_PROGRESS,
            K::COORDINATOR_NOT_AVAILABLE,
            K::NOT_COORDINATOR,
            K::NOT_CONTROLLER,
            K::OFFSET_NOT_AVAILABLE,
            K::FENCED_LEADER_EPOCH,
            K::UNKNOWN_LEADER_EPOCH,
            K::REBALANCE_IN_PROGRESS,
        ];
        let codes = ErrorCode::ALL.iter().filter(|code| code.is_retriable());
        for &code in codes {
            for asked in [Asked::Produce, Asked::Read, Asked::Group, Asked::Admin] {
                let error = kafka_error(code, asked);
                assert!(retriable.contains(&error), "{code:?} -> {error}");
            }
        }
    }
}
