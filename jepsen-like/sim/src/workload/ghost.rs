//! Two members of a group by hand, one of which does not know when it is over.
//!
//! The client library lets go of what it lost. A process that was paused knows nothing of that:
//! it comes back and commits. This workload plays both members and says what must never be: a
//! partition given to one while the other holds it, a new owner without a new token, a commit of
//! a former owner that is taken.

use std::collections::BTreeMap;
use std::time::Duration;

use floe_client::{ErrorCode, Generation, GroupName, LeaderEpoch, Offset, PartitionKey, TopicName};
use floe_env::Env;
use floe_model::FencingToken;
use floe_rpc::{
    Assignor, CommitOffsets, GroupHeartbeat, GroupHeartbeatReply, JoinGroup, LeaveGroup,
    OffsetToCommit,
};
use tokio::time::{Instant, sleep};

use super::caller::{Caller, TIMEOUT};
use super::{RETRY, TOPIC, Workload};
use crate::signals::Phase;

const GROUP: &str = "ghosts";
const SESSION: Duration = Duration::from_secs(2);
/// What a member may take to give partitions up.
const PATIENCE: Duration = Duration::from_secs(6);
/// How long both hold on to what they have: well within `PATIENCE`.
const TUG: Duration = Duration::from_millis(1_500);
/// Longest time for one step of a round; the cluster may be broken meanwhile.
const STEP_LIMIT: Duration = Duration::from_secs(15);

/// Haunts until the run is over.
pub async fn haunt(workload: &Workload, env: &Env) {
    workload.signals.until(Phase::Faults).await;
    let (Ok(group), Ok(topic)) = (GroupName::new(GROUP), TopicName::new(TOPIC)) else {
        return;
    };
    let mut house = House {
        workload,
        caller: Caller::new(env, 3),
        group,
        topic,
    };
    let mut round = 0_u32;
    while !workload.is_over() {
        round += 1;
        // A step that found no end in time: the next round begins anew.
        let _unfinished = house.round(round).await.is_none();
        sleep(RETRY * 2).await;
    }
}

/// A member as it sees itself.
struct Member {
    id: String,
    generation: Generation,
    held: BTreeMap<PartitionKey, FencingToken>,
}

struct House<'a> {
    workload: &'a Workload,
    caller: Caller<'a>,
    group: GroupName,
    topic: TopicName,
}

impl House<'_> {
    /// One ghost, from its first heartbeat to its last commit. None when it came to no end.
    async fn round(&mut self, round: u32) -> Option<()> {
        let all = self.workload.topic.partitions as usize;
        let mut ghost = self.join(format!("ghost-{round}")).await?;
        let deadline = Instant::now() + STEP_LIMIT;
        while ghost.held.len() < all {
            self.follow(&mut ghost, deadline).await?;
        }
        let begun = Instant::now();
        let mut heir = self.join(format!("heir-{round}")).await?;
        while begun.elapsed() < TUG {
            self.tug(&ghost, &mut heir, begun).await?;
        }
        let former = ghost.held.clone();
        let deadline = Instant::now() + STEP_LIMIT;
        while heir.held.is_empty() {
            self.follow(&mut ghost, deadline).await?;
            self.follow(&mut heir, deadline).await?;
        }
        self.judge_tokens(&former, &heir);
        let lost = *heir.held.keys().next()?;
        self.must_not_commit(&ghost, lost, former.get(&lost).copied(), "it gave up")
            .await;
        let deadline = Instant::now() + STEP_LIMIT;
        while heir.held.len() < all {
            self.follow(&mut heir, deadline).await?;
        }
        self.judge_tokens(&former, &heir);
        for (&key, &token) in former.iter().take(1) {
            self.must_not_commit(&ghost, key, Some(token), "it lost in its sleep")
                .await;
        }
        self.leave(&heir).await;
        Some(())
    }

    /// The ghost holds on to everything; nothing of that may be given to the heir.
    async fn tug(&mut self, ghost: &Member, heir: &mut Member, begun: Instant) -> Option<()> {
        self.beat(ghost).await.ok()?;
        let given = self.beat(heir).await.ok()?;
        take(heir, given);
        // The ghost is still a member, so it was one all the time.
        self.beat(ghost).await.ok()?;
        let is_shared = |key: &&PartitionKey| ghost.held.contains_key(key);
        if begun.elapsed() < PATIENCE / 2
            && let Some(key) = heir.held.keys().find(is_shared)
        {
            self.workload.book.trouble(format!(
                "partition {} was given to {} while {} held it",
                key.partition, heir.id, ghost.id
            ));
        }
        sleep(RETRY).await;
        Some(())
    }

    /// A heartbeat, and what it says is done. None when the time is up or the member is out.
    async fn follow(&mut self, member: &mut Member, deadline: Instant) -> Option<()> {
        if self.workload.is_over() || Instant::now() > deadline {
            return None;
        }
        match self.beat(member).await {
            Ok(reply) => take(member, reply),
            Err(Some(code)) if !code.is_retriable() => return None,
            Err(_) => {}
        }
        sleep(RETRY).await;
        Some(())
    }

    fn judge_tokens(&self, former: &BTreeMap<PartitionKey, FencingToken>, heir: &Member) {
        for (key, token) in &heir.held {
            if former.get(key).is_some_and(|before| before >= token) {
                self.workload.book.trouble(format!(
                    "{} owns partition {} with the token of its former owner",
                    heir.id, key.partition
                ));
            }
        }
    }

    async fn join(&mut self, id: String) -> Option<Member> {
        let deadline = Instant::now() + STEP_LIMIT;
        loop {
            if self.workload.is_over() || Instant::now() > deadline {
                return None;
            }
            let request = JoinGroup {
                group: self.group.clone(),
                member_id: id.clone(),
                instance_id: None,
                topics: vec![self.topic.clone()],
                session_timeout_ms: millis(SESSION),
                rebalance_timeout_ms: millis(PATIENCE),
                assignor: Assignor::StickyCooperative,
            };
            if let Some(connection) = self.caller.connect().await {
                let call = connection.call(TIMEOUT, |api, context| async move {
                    api.join_group(context, request).await
                });
                let outcome = call.await;
                if let Ok(reply) = self.caller.heard(outcome) {
                    return Some(Member {
                        id,
                        generation: reply.generation,
                        held: BTreeMap::new(),
                    });
                }
            }
            sleep(RETRY).await;
        }
    }

    async fn beat(&mut self, member: &Member) -> Result<GroupHeartbeatReply, Option<ErrorCode>> {
        let request = GroupHeartbeat {
            group: self.group.clone(),
            member_id: member.id.clone(),
            generation: member.generation,
            held: member.held.keys().copied().collect(),
        };
        let connection = self.caller.connect().await.ok_or(None)?;
        let call = connection.call(TIMEOUT, |api, context| async move {
            api.group_heartbeat(context, request).await
        });
        let outcome = call.await;
        self.caller.heard(outcome)
    }

    /// Commits as the owner that `member` is no more.
    async fn must_not_commit(
        &mut self,
        member: &Member,
        key: PartitionKey,
        token: Option<FencingToken>,
        why: &str,
    ) {
        let deadline = Instant::now() + STEP_LIMIT;
        while Instant::now() < deadline && !self.workload.is_over() {
            let request = CommitOffsets {
                group: self.group.clone(),
                member_id: member.id.clone(),
                generation: member.generation,
                offsets: vec![OffsetToCommit {
                    key,
                    offset: Offset(1),
                    leader_epoch: LeaderEpoch(-1),
                    token,
                }],
            };
            if let Some(connection) = self.caller.connect().await {
                let call = connection.call(TIMEOUT, |api, context| async move {
                    api.commit_offsets(context, request).await
                });
                let outcome = call.await;
                match self.caller.heard(outcome) {
                    Ok(()) => {
                        self.workload.book.trouble(format!(
                            "{} committed partition {}, which {why}",
                            member.id, key.partition
                        ));
                        return;
                    }
                    Err(Some(code)) if !code.is_retriable() => return,
                    Err(_) => {}
                }
            }
            sleep(RETRY).await;
        }
    }

    async fn leave(&mut self, member: &Member) {
        let request = LeaveGroup {
            group: self.group.clone(),
            member_id: member.id.clone(),
        };
        if let Some(connection) = self.caller.connect().await {
            let call = connection.call(TIMEOUT, |api, context| async move {
                api.leave_group(context, request).await
            });
            let outcome = call.await;
            if let Err(code) = self.caller.heard(outcome) {
                tracing::debug!(?code, "its session ends it");
            }
        }
    }
}

/// The member does what it is told.
fn take(member: &mut Member, reply: GroupHeartbeatReply) {
    member.generation = reply.generation;
    let assigned = reply.assigned.into_iter();
    member.held = assigned.map(|one| (one.key, one.token)).collect();
}

fn millis(time: Duration) -> u32 {
    u32::try_from(time.as_millis()).unwrap_or(u32::MAX)
}
