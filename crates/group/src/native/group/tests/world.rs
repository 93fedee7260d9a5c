//! A world around a native group: metadata, the offsets log, and clients that join, pause,
//! lose replies and commit. Checks itself after every step.

use std::collections::BTreeSet;

use floe_model::Offset;

use super::*;
use crate::native::rebalance::Step;
use crate::offsets::{self, Committer, Fence, OffsetCommit, OffsetsState};

/// One thing that may happen. Numbers are taken modulo what there is.
#[derive(Clone, Copy, Debug)]
pub(super) enum Act {
    Join(u8),
    Heartbeat {
        client: u8,
        is_reply_lost: bool,
    },
    Leave(u8),
    Commit(u8),
    Pass(u16),
    /// The oldest proposal or fence on its way arrives, gets lost, or loses its answer.
    Arrive,
    Lose,
    LoseAnswer,
    Grow,
    FailOver {
        is_arriving: bool,
    },
}

impl Arbitrary for Act {
    type Parameters = ();
    type Strategy = BoxedStrategy<Self>;

    fn arbitrary_with((): ()) -> Self::Strategy {
        prop_oneof![
            2 => (0_u8..5).prop_map(Act::Join),
            8 => (0_u8..5, prop::bool::weighted(0.2))
                .prop_map(|(client, is_reply_lost)| Act::Heartbeat { client, is_reply_lost }),
            1 => (0_u8..5).prop_map(Act::Leave),
            4 => (0_u8..5).prop_map(Act::Commit),
            3 => prop_oneof![0_u16..600, 0_u16..12_000].prop_map(Act::Pass),
            6 => Just(Act::Arrive),
            1 => Just(Act::Lose),
            1 => Just(Act::LoseAnswer),
            1 => Just(Act::Grow),
            1 => any::<bool>().prop_map(|is_arriving| Act::FailOver { is_arriving }),
        ]
        .boxed()
    }
}

/// What a client believes.
#[derive(Default)]
struct Client {
    life: u32,
    is_member: bool,
    generation: Generation,
    held: BTreeMap<TopicIdPartition, FencingToken>,
}

pub(super) struct World {
    now_ms: u64,
    assignor: Assignor,
    partitions: u32,
    group: NativeGroup,
    clients: Vec<Client>,
    /// Metadata.
    record: Ownership,
    next_token: u64,
    offsets: OffsetsState,
    /// On its way: at most one, which the group promises.
    sent: Option<Action>,
    /// The newest token that any client ever heard of, by partition.
    heard: BTreeMap<TopicIdPartition, FencingToken>,
}

impl World {
    pub(super) fn new(assignor: Assignor) -> Self {
        Self {
            now_ms: 0,
            assignor,
            partitions: 5,
            group: super::group(5),
            clients: (0..5).map(|_| Client::default()).collect(),
            record: Ownership::default(),
            next_token: 1,
            offsets: OffsetsState::new(),
            sent: None,
            heard: BTreeMap::new(),
        }
    }

    fn member_id(&self, client: usize) -> MemberId {
        member(&format!("c{client}-{}", self.clients[client].life))
    }

    pub(super) fn act(&mut self, act: Act) {
        match act {
            Act::Join(client) => self.join(client.into()),
            Act::Heartbeat {
                client,
                is_reply_lost,
            } => {
                self.heartbeat(client.into(), is_reply_lost);
            }
            Act::Leave(client) => self.leave(client.into()),
            Act::Commit(client) => self.commit(client.into()),
            Act::Pass(ms) => {
                self.now_ms += u64::from(ms);
                if self
                    .group
                    .next_deadline_ms()
                    .is_some_and(|due| due <= self.now_ms)
                {
                    self.event(Event::Tick);
                }
            }
            Act::Arrive => self.arrive(true, true),
            Act::Lose => self.arrive(false, false),
            Act::LoseAnswer => self.arrive(true, false),
            Act::Grow => {
                self.partitions = (self.partitions + 1).min(9);
                self.event(Event::TopicsChanged(topics(self.partitions)));
            }
            Act::FailOver { is_arriving } => self.fail_over(is_arriving),
        }
    }

    /// Feeds the group; keeps what it sends and gives back what it answers.
    fn event(&mut self, event: Event) -> Option<Answer> {
        let is_asking = matches!(
            event,
            Event::Join(_) | Event::Heartbeat { .. } | Event::Leave { .. }
        );
        let mut answer = None;
        for (place, action) in self
            .group
            .on_event(self.now_ms, event)
            .into_iter()
            .enumerate()
        {
            match action {
                Action::Answer(given) if place == 0 => answer = Some(given),
                Action::Answer(_) | Action::Close => panic!("unexpected {action:?}"),
                sent => assert_eq!(self.sent.replace(sent), None, "two steps on their way"),
            }
        }
        assert_eq!(answer.is_some(), is_asking);
        answer
    }

    fn join(&mut self, client: usize) {
        if !self.clients[client].is_member {
            self.clients[client].life += 1;
        }
        let event = super::join(self.member_id(client).as_str(), self.assignor);
        match self.event(event) {
            Some(Answer::Joined { .. }) => self.clients[client].is_member = true,
            other => panic!("join answered {other:?}"),
        }
    }

    fn heartbeat(&mut self, client: usize, is_reply_lost: bool) {
        if !self.clients[client].is_member {
            return;
        }
        let Client {
            generation, held, ..
        } = &self.clients[client];
        let (generation, held) = (*generation, held.keys().copied().collect());
        let member_id = self.member_id(client);
        let answer = self.event(Event::Heartbeat {
            member_id,
            generation,
            held,
        });
        if is_reply_lost {
            return;
        }
        let known = &mut self.clients[client];
        match answer {
            Some(Answer::Assigned {
                generation,
                partitions,
                ..
            }) => {
                assert!(generation >= known.generation, "a generation went back");
                for (&id, &token) in &partitions {
                    let heard = self.heard.entry(id).or_insert(token);
                    assert!(token >= *heard, "a token went back");
                    *heard = token;
                }
                (known.generation, known.held) = (generation, partitions);
            }
            Some(Answer::Refused(ErrorCode::UnknownMember)) => known.is_member = false,
            Some(Answer::Refused(ErrorCode::CoordinatorLoading)) => {}
            other => panic!("heartbeat answered {other:?}"),
        }
    }

    fn leave(&mut self, client: usize) {
        if self.clients[client].is_member {
            let member_id = self.member_id(client);
            let _left_or_unknown = self.event(Event::Leave { member_id });
            self.clients[client].is_member = false;
        }
    }

    /// Members and zombies commit all that they believe to hold; a zombie then forgets it.
    fn commit(&mut self, client: usize) {
        for (&partition, &token) in &self.clients[client].held {
            let commit = OffsetCommit {
                partition,
                offset: Offset(0),
                leader_epoch: None,
                metadata: String::new(),
                token: Some(token),
            };
            let command = offsets::Command::Commit {
                group: self.group.group.clone(),
                committer: Committer::Native,
                at_ms: 0,
                offsets: vec![commit],
            };
            let outcome = offsets::apply(&mut self.offsets, 0, command);
            let passed = outcome == Ok(offsets::Applied::Done);
            assert!(
                !passed || token >= self.heard[&partition],
                "a stale commit passed"
            );
            let is_idle = matches!(self.group.step, Step::Idle);
            let owner = self
                .group
                .settled
                .owners
                .get(&partition)
                .map(|owned| owned.token);
            assert!(
                passed || owner != Some(token) || !is_idle,
                "the owner was refused"
            );
        }
        if !self.clients[client].is_member {
            let Client {
                held, generation, ..
            } = &mut self.clients[client];
            held.clear();
            *generation = Generation(0);
        }
    }

    /// The step on its way happens or not, and its answer arrives or not.
    fn arrive(&mut self, happens: bool, is_answered: bool) {
        let Some(action) = self.sent.take() else {
            return;
        };
        let event = match action {
            Action::CompleteRebalance(proposal) => {
                let tokens = if happens {
                    self.complete(&proposal)
                } else {
                    None
                };
                match tokens.filter(|_| is_answered) {
                    Some(tokens) => Event::RebalanceCommitted {
                        generation: self.record.generation,
                        tokens,
                    },
                    None => Event::RebalanceFailed(Failure::Unknown),
                }
            }
            Action::Fence(fence) => {
                let generation = fence.generation;
                if happens {
                    self.fence(fence);
                }
                match is_answered {
                    true => Event::FenceApplied { generation },
                    false => Event::FenceFailed(Failure::Unknown),
                }
            }
            Action::ReadOwnership if happens => Event::OwnershipRead(self.record.clone()),
            Action::ReadOwnership => Event::RebalanceFailed(Failure::Unknown),
            Action::Answer(_) | Action::Close => unreachable!(),
        };
        self.event(event);
    }

    /// What metadata does; checks that nothing is taken from a member that holds it.
    fn complete(
        &mut self,
        proposal: &ProposedRebalance,
    ) -> Option<BTreeMap<TopicIdPartition, FencingToken>> {
        if proposal.expected_generation != self.record.generation {
            return None;
        }
        let mut owners = BTreeMap::new();
        for (&id, member_id) in &proposal.owners {
            let before = self.record.owners.get(&id);
            let kept = before
                .filter(|before| before.member_id == *member_id)
                .cloned();
            if let Some(before) = before.filter(|_| kept.is_none()) {
                let is_member = proposal.members.contains_key(&before.member_id);
                let holds = (0..self.clients.len()).any(|client| {
                    let Client {
                        is_member, held, ..
                    } = &self.clients[client];
                    let is_former = self.member_id(client) == before.member_id;
                    is_former && *is_member && held.contains_key(&id)
                });
                assert!(
                    !(is_member && holds),
                    "{id} taken from a member that holds it"
                );
            }
            let token = FencingToken(self.next_token);
            let owned = kept.unwrap_or_else(|| {
                self.next_token += 1;
                Owned {
                    member_id: member_id.clone(),
                    token,
                }
            });
            owners.insert(id, owned);
        }
        let generation = Generation(self.record.generation.0 + 1);
        let tokens = owners
            .iter()
            .map(|(&id, owned)| (id, owned.token))
            .collect();
        self.record = Ownership {
            generation,
            members: proposal.members.clone(),
            owners,
        };
        Some(tokens)
    }

    fn fence(&mut self, fence: Fence) {
        let outcome = offsets::apply(&mut self.offsets, 0, offsets::Command::Fence(fence));
        assert_eq!(outcome, Ok(offsets::Applied::Done));
    }

    /// Another node takes over. What the former one had on its way is applied before, or never.
    fn fail_over(&mut self, is_arriving: bool) {
        match self.sent.take().filter(|_| is_arriving) {
            Some(Action::CompleteRebalance(proposal)) => {
                self.complete(&proposal);
            }
            Some(Action::Fence(fence)) => self.fence(fence),
            Some(Action::ReadOwnership | Action::Answer(_) | Action::Close) | None => {}
        }
        let (name, topics) = (self.group.group.clone(), topics(self.partitions));
        if self.record.generation == Generation(0) {
            self.group = NativeGroup::new(name, Generation(0), topics);
            return;
        }
        let record = self.record.clone();
        let (group, mut actions) = NativeGroup::restore(self.now_ms, name, record, topics);
        (self.group, self.sent) = (group, actions.pop());
    }

    /// Everybody behaves; soon every partition has one owner that holds it, and nobody else.
    pub(super) fn settle(&mut self) {
        let mut behaving = 0;
        for round in 0..150 {
            self.act(Act::Pass(300));
            while self.sent.is_some() {
                self.arrive(true, true);
            }
            for client in 0..self.clients.len() {
                self.heartbeat(client, false);
                self.commit(client);
            }
            let members = self
                .clients
                .iter()
                .filter(|client| client.is_member)
                .count();
            assert!(
                round == 0 || members == behaving,
                "a member that behaves was thrown out"
            );
            behaving = members;
        }
        let members: BTreeSet<_> = (0..self.clients.len())
            .filter(|&client| self.clients[client].is_member)
            .map(|client| self.member_id(client))
            .collect();
        assert_eq!(
            self.group.members.keys().cloned().collect::<BTreeSet<_>>(),
            members
        );
        let expected = if members.is_empty() {
            Phase::Empty
        } else {
            Phase::Stable
        };
        assert_eq!(self.group.phase(), expected);
        let owned = self.group.owners().len();
        assert_eq!(
            owned,
            if members.is_empty() {
                0
            } else {
                self.partitions as usize
            }
        );
        let held: Vec<_> = self
            .clients
            .iter()
            .filter(|c| c.is_member)
            .map(|c| c.held.len())
            .collect();
        assert_eq!(held.iter().sum::<usize>(), owned);
        let spread = held.iter().max().unwrap_or(&0) - held.iter().min().unwrap_or(&0);
        assert!(spread <= 1, "uneven: {held:?}");
        assert_eq!(self.group.settled, self.record);
        if self.record.generation > Generation(0) {
            let fenced = self.offsets.fenced(&self.group.group).unwrap();
            assert_eq!(*fenced, self.record.fence(self.group.group.clone()));
        }
    }
}
