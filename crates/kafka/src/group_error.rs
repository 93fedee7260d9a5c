//! What goes wrong in groups, in Kafka's codes, and the names that requests of groups carry.

use floe_broker::api::GroupFailure;
use floe_broker::api::classic::Refused;
use floe_broker::api::consumer;
use floe_kafka_codec::KafkaError;
use floe_model::{GroupName, MemberId};

use crate::errors::{Asked, kafka_error};

/// Kafka's code for a failure of a group.
pub(crate) fn group_error(failure: &GroupFailure) -> KafkaError {
    match failure {
        GroupFailure::Refused(why) => refused(*why),
        GroupFailure::Consumer(why) => refused_by_consumers(*why),
        GroupFailure::Failed(failure) => kafka_error(failure.code, Asked::Group),
    }
}

/// Kafka's code for what a group refuses.
pub(crate) fn refused(why: Refused) -> KafkaError {
    match why {
        Refused::UnknownMember => KafkaError::UNKNOWN_MEMBER_ID,
        Refused::FencedInstance => KafkaError::FENCED_INSTANCE_ID,
        Refused::IllegalGeneration => KafkaError::ILLEGAL_GENERATION,
        Refused::RebalanceInProgress => KafkaError::REBALANCE_IN_PROGRESS,
        Refused::InconsistentProtocol => KafkaError::INCONSISTENT_GROUP_PROTOCOL,
        Refused::GroupFull => KafkaError::GROUP_MAX_SIZE_REACHED,
        Refused::InvalidSessionTimeout => KafkaError::INVALID_SESSION_TIMEOUT,
        Refused::Invalid => KafkaError::INVALID_REQUEST,
        Refused::Loading => KafkaError::COORDINATOR_LOAD_IN_PROGRESS,
        Refused::NotCoordinator => KafkaError::NOT_COORDINATOR,
    }
}

/// Kafka's code for what a consumer group refuses.
fn refused_by_consumers(why: consumer::Refused) -> KafkaError {
    use consumer::Refused;
    match why {
        Refused::UnknownGroup => KafkaError::GROUP_ID_NOT_FOUND,
        Refused::UnknownMember => KafkaError::UNKNOWN_MEMBER_ID,
        Refused::FencedMemberEpoch => KafkaError::FENCED_MEMBER_EPOCH,
        Refused::StaleMemberEpoch => KafkaError::STALE_MEMBER_EPOCH,
        Refused::FencedInstance => KafkaError::FENCED_INSTANCE_ID,
        Refused::UnreleasedInstance => KafkaError::UNRELEASED_INSTANCE_ID,
        Refused::InvalidPattern => KafkaError::INVALID_REGULAR_EXPRESSION,
        Refused::GroupFull => KafkaError::GROUP_MAX_SIZE_REACHED,
        Refused::Invalid => KafkaError::INVALID_REQUEST,
        Refused::Loading => KafkaError::COORDINATOR_LOAD_IN_PROGRESS,
        Refused::NotCoordinator => KafkaError::NOT_COORDINATOR,
    }
}

/// The group that a request names.
pub(crate) fn group_name(name: &str) -> Result<GroupName, KafkaError> {
    GroupName::new(name).map_err(|_| KafkaError::INVALID_GROUP_ID)
}

/// The member that a request names. No member has an id that is none.
pub(crate) fn member_id(id: &str) -> Result<MemberId, KafkaError> {
    MemberId::new(id).map_err(|_| KafkaError::UNKNOWN_MEMBER_ID)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_name_is_no_group_and_an_empty_id_no_member() {
        assert_eq!(group_name(""), Err(KafkaError::INVALID_GROUP_ID));
        assert_eq!(member_id(""), Err(KafkaError::UNKNOWN_MEMBER_ID));
        assert!(group_name("Größe 1/2").is_ok());
    }
}
