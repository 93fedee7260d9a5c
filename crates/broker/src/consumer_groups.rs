//! Consumer groups of KIP-848 as Kafka clients use them, for the gateway in this process. The
//! work is the coordinator's; their offsets are stored and read as those of classic groups.

use floe_group::consumer::{self, Beaten, Heartbeat};
use floe_model::{ErrorCode, GroupName, MemberId};
use floe_rpc::Failure;

use crate::Broker;
use crate::classic_groups::GroupFailure;
use crate::coordinator::{Ask, Described};
use crate::groups::read_index;

impl Broker {
    /// Joins a consumer group, stays in it or leaves it; waits until what is answered is true
    /// for every coordinator to come.
    ///
    /// # Errors
    /// The group refuses the member, or another node coordinates.
    pub async fn consumer_heartbeat(
        &self,
        group: GroupName,
        beat: Heartbeat,
    ) -> Result<Beaten, GroupFailure> {
        self.check_serving()?;
        let (replica, _) = self.core.coordinators.of(&group)?;
        let beat = Box::new(beat);
        let asked = replica.ask(|reply| Ask::Consumer { group, beat, reply });
        Ok(asked.await??)
    }

    /// A consumer group in full.
    ///
    /// # Errors
    /// There is no such group, it is of another kind, or another node coordinates.
    pub async fn describe_consumer_group(
        &self,
        group: GroupName,
    ) -> Result<consumer::Described, Failure> {
        self.check_serving()?;
        let (replica, _) = self.core.coordinators.of(&group)?;
        read_index(&replica).await?;
        match replica.ask(|reply| Ask::Describe { group, reply }).await? {
            Described::Consumer(described) => Ok(described),
            Described::Native(_) | Described::Classic(_) => Err(ErrorCode::UnknownGroup.into()),
        }
    }

    /// Whether a member may read the offsets of its group: of a consumer group only in its
    /// epoch, of others always.
    ///
    /// # Errors
    /// It is no member, not in that epoch, or another node coordinates.
    pub async fn check_offsets_reader(
        &self,
        group: GroupName,
        member_id: MemberId,
        member_epoch: i32,
    ) -> Result<(), GroupFailure> {
        self.check_serving()?;
        let (replica, _) = self.core.coordinators.of(&group)?;
        let asked = replica.ask(|reply| Ask::Reader {
            group,
            member_id,
            member_epoch,
            reply,
        });
        Ok(asked.await??)
    }
}
