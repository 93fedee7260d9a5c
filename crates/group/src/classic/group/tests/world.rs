//! A world around a classic group: metadata, the offsets log, and clients that join, sync,
//! pause, restart and commit. Checks itself after every step.

use std::collections::BTreeSet;

use floe_model::{GroupKind, Offset, PartitionIndex, TopicId, TopicIdPartition};

use super::*;
use crate::classic::{JoinedMember, Record};
use crate::offsets::{self, Committer, Fence, OffsetCommit, OffsetsState};

const CLIENTS: usize = 4;

/// One thing that may happen.
#[derive(Clone, Copy, Debug)]
pub(super) enum Act {
    Join(u8),
    Sync(u8),
    Heartbeat(u8),
    Leave(u8),
    /// Forgets who it is; static clients come back under their instance id.
    Restart(u8),
    Commit(u8),
    Pass(u16),
    /// The oldest proposal or fence on its way arrives, gets lost, or loses its answer.
    Arrive,
    Lose,
    LoseAnswer,
    /// All clients that ask for nothing join and sync, and all that is on its way arrives.
    Settle,
    FailOver {
        is_arriving: bool,
    },
}

impl Arbitrary for Act {
    type Parameters = ();
    type Strategy = BoxedStrategy<Self>;

    fn arbitrary_with((): ()) -> Self::Strategy {
        let client = || 0..CLIENTS as u8;
        prop_oneof![
            6 => client().prop_map(Act::Join),
            6 => client().prop_map(Act::Sync),
            3 => client().prop_map(Act::Heartbeat),
            1 => client().prop_map(Act::Leave),
            1 => client().prop_map(Act::Restart),
            4 => client().prop_map(Act::Commit),
            3 => prop_oneof![0_u16..600, 0_u16..12_000].prop_map(Act::Pass),
            10 => Just(Act::Arrive),
            1 => Just(Act::Lose),
            1 => Just(Act::LoseAnswer),
            2 => Just(Act::Settle),
            1 => any::<bool>().prop_map(|is_arriving| Act::FailOver { is_arriving }),
        ]
        .boxed()
    }
}

/// What a client believes. The first two are static, the third needs an id first.
#[derive(Default)]
struct Client {
    member_id: Option<String>,
    generation: i32,
    is_leader: bool,
    members: Vec<String>,
    /// Who it was before it restarted, as what it may still have on its way says.
    former: Option<Claim>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Question {
    Join,
    Sync,
    Heartbeat,
    Leave,
    Commit,
}

pub(super) struct World {
    now_ms: u64,
    delay: u32,
    group: ClassicGroup,
    clients: Vec<Client>,
    next_id: u64,
    asked: BTreeMap<Ticket, (usize, Question)>,
    /// Metadata.
    record: Record,
    offsets: OffsetsState,
    /// On its way: at most one, which the group promises.
    sent: Option<Action>,
    /// The newest generation that any client ever heard of.
    heard: i32,
}

fn name() -> GroupName {
    GroupName::new("g").unwrap()
}

fn instance_of(client: usize) -> Option<String> {
    (client < 2).then(|| format!("i{client}"))
}

impl World {
    pub(super) fn new(delay: u32) -> Self {
        Self {
            now_ms: 0,
            delay,
            group: super::group(delay),
            clients: (0..CLIENTS).map(|_| Client::default()).collect(),
            next_id: 0,
            asked: BTreeMap::new(),
            record: Record::default(),
            offsets: OffsetsState::new(),
            sent: None,
            heard: 0,
        }
    }

    pub(super) fn act(&mut self, act: Act) {
        match act {
            Act::Join(client) => self.join(client.into()),
            Act::Sync(client) => self.sync(client.into()),
            Act::Heartbeat(client) => self.claim_and(client.into(), Question::Heartbeat),
            Act::Leave(client) => self.claim_and(client.into(), Question::Leave),
            Act::Commit(client) => {
                self.claim_and(client.into(), Question::Commit);
                self.commit_late(client.into());
            }
            Act::Restart(client) => {
                let client = usize::from(client);
                let former = self.claim(client);
                self.clients[client] = Client {
                    former,
                    ..Client::default()
                };
                self.asked.retain(|_, (asking, _)| *asking != client);
            }
            Act::Pass(ms) => self.pass(ms.into()),
            Act::Arrive => self.arrive(true, true),
            Act::Lose => self.arrive(false, false),
            Act::LoseAnswer => self.arrive(true, false),
            Act::Settle => self.settle(),
            Act::FailOver { is_arriving } => self.fail_over(is_arriving),
        }
        self.check();
    }

    fn claim(&self, client: usize) -> Option<Claim> {
        let known = &self.clients[client];
        Some(Claim {
            member_id: super::member(known.member_id.as_deref()?),
            instance_id: instance_of(client),
            generation: Generation(known.generation),
        })
    }

    fn claim_and(&mut self, client: usize, question: Question) {
        let Some(claim) = self.claim(client) else {
            return;
        };
        self.ask(client, question, |ticket| match question {
            Question::Heartbeat => Event::Heartbeat(ticket, claim),
            Question::Commit => Event::Commit(ticket, claim),
            Question::Leave | Question::Join | Question::Sync => {
                let leaving = Leaving {
                    member_id: Some(claim.member_id),
                    instance_id: claim.instance_id,
                };
                Event::Leave(ticket, vec![leaving])
            }
        });
    }

    fn is_busy(&self, client: usize) -> bool {
        let busy = [(client, Question::Join), (client, Question::Sync)];
        self.asked.values().any(|asked| busy.contains(asked))
    }

    fn join(&mut self, client: usize) {
        if self.is_busy(client) {
            return;
        }
        self.next_id += 1;
        let known = self.clients[client].member_id.as_deref();
        let join = Join {
            instance_id: instance_of(client),
            is_id_required: client == 2,
            ..super::join(known, &format!("c{client}-{}", self.next_id))
        };
        self.ask(client, Question::Join, |ticket| Event::Join(ticket, join));
    }

    fn sync(&mut self, client: usize) {
        let is_busy = self.is_busy(client);
        let claim = self.claim(client);
        let Some(claim) = claim.filter(|claim| !is_busy && claim.generation.0 > 0) else {
            return;
        };
        let known = &self.clients[client];
        let assignment = |id: &String| (super::member(id), id.clone().into_bytes());
        let sync = Sync {
            claim,
            protocol_type: Some("consumer".to_owned()),
            protocol: Some("range".to_owned()),
            assignments: match known.is_leader {
                true => known.members.iter().map(assignment).collect(),
                false => Vec::new(),
            },
        };
        self.ask(client, Question::Sync, |ticket| Event::Sync(ticket, sync));
    }

    fn ask(&mut self, client: usize, question: Question, event: impl FnOnce(Ticket) -> Event) {
        self.next_id += 1;
        let ticket = Ticket(self.next_id);
        self.asked.insert(ticket, (client, question));
        self.event(event(ticket));
    }

    fn event(&mut self, event: Event) {
        for action in self.group.on_event(self.now_ms, event) {
            match action {
                Action::Answer(ticket, answer) => {
                    // A client that restarted does not hear it.
                    if let Some((client, question)) = self.asked.remove(&ticket) {
                        self.answer(client, question, answer);
                    }
                }
                Action::Close => panic!("unexpected close"),
                sent => assert_eq!(self.sent.replace(sent), None, "two steps on their way"),
            }
        }
    }

    fn answer(&mut self, client: usize, question: Question, answer: Answer) {
        let known = &mut self.clients[client];
        match (question, answer) {
            (Question::Join, Answer::Joined(joined)) => self.joined(client, &joined),
            (Question::Join, Answer::MemberIdRequired(id)) => {
                known.member_id = Some(id.as_str().to_owned());
                known.generation = 0;
            }
            (Question::Sync, Answer::Synced(synced)) => {
                let id = super::member(known.member_id.as_deref().unwrap());
                let stored = self.record.assignments.get(&id);
                assert_eq!(stored, Some(&synced.assignment), "not in metadata");
            }
            (Question::Commit, Answer::MayCommit) => {
                let claim = self.claim(client).unwrap();
                if self.commit(&claim) {
                    assert_eq!(claim.generation.0, self.heard, "a stale commit passed");
                }
            }
            (Question::Heartbeat, Answer::Alive) | (Question::Leave, Answer::Left(_)) => {}
            (_, Answer::Refused(Refused::UnknownMember | Refused::FencedInstance)) => {
                known.member_id = None;
                known.generation = 0;
            }
            (_, Answer::Refused(_)) => {}
            (_, answer) => panic!("{answer:?}"),
        }
    }

    fn joined(&mut self, client: usize, joined: &Joined) {
        let known = &mut self.clients[client];
        let generation = joined.generation.0;
        assert!(generation >= known.generation, "a generation went back");
        assert!(generation >= self.heard, "an old generation was joined");
        assert_eq!(joined.generation, self.record.generation, "not in metadata");
        assert!(self.record.members.contains_key(&joined.member_id));
        let fence = self.offsets.fenced(&name()).unwrap();
        assert_eq!(fence.generation, joined.generation, "not in the fence");
        assert!(fence.members.contains_key(&joined.member_id));
        self.heard = generation;
        let id = |one: &JoinedMember| one.member_id.as_str().to_owned();
        known.is_leader = joined.leader == joined.member_id;
        known.members = joined.members.iter().map(id).collect();
        known.member_id = Some(joined.member_id.as_str().to_owned());
        known.generation = generation;
    }

    /// Straight into the offsets log, as a commit that was on its way for long.
    fn commit(&mut self, claim: &Claim) -> bool {
        let partition = TopicIdPartition {
            topic_id: TopicId([1; 16]),
            partition: PartitionIndex(0),
        };
        let command = offsets::Command::Commit {
            group: name(),
            committer: Committer::Classic {
                member_id: claim.member_id.clone(),
                generation: claim.generation,
            },
            at_ms: 0,
            offsets: vec![OffsetCommit {
                partition,
                offset: Offset(1),
                leader_epoch: None,
                metadata: String::new(),
                token: None,
            }],
        };
        offsets::apply(&mut self.offsets, 0, command).is_ok()
    }

    /// A commit of before a restart does not pass once the static member is back.
    fn commit_late(&mut self, client: usize) {
        let known = &self.clients[client];
        let is_back = instance_of(client).is_some() && known.generation > 0;
        let Some(former) = known.former.clone().filter(|_| is_back) else {
            return;
        };
        if self.commit(&former) {
            let id = self.clients[client].member_id.as_deref();
            assert_eq!(
                id,
                Some(former.member_id.as_str()),
                "a former member committed"
            );
        }
    }

    fn settle(&mut self) {
        for _ in 0..3 {
            for client in 0..CLIENTS {
                self.join(client);
            }
            self.arrive(true, true);
            self.arrive(true, true);
        }
        self.pass(self.delay.into());
        for _ in 0..2 {
            self.arrive(true, true);
            self.arrive(true, true);
            for client in 0..CLIENTS {
                self.sync(client);
            }
        }
    }

    fn pass(&mut self, ms: u64) {
        self.now_ms += ms;
        // Bounded: a deadline that does not move is a busy loop.
        for _ in 0..20 {
            match self.group.next_deadline_ms() {
                Some(due) if due <= self.now_ms => self.event(Event::Tick),
                _ => return,
            }
        }
        panic!("the deadline stands still at {}", self.now_ms);
    }

    /// What is on its way happens or not, and the group hears of it or not.
    fn arrive(&mut self, happens: bool, is_heard: bool) {
        let Some(sent) = self.sent.take() else {
            return;
        };
        let event = match sent {
            Action::Propose(proposal) => {
                let outcome = happens.then(|| self.record(&proposal)).flatten();
                match outcome.filter(|_| is_heard) {
                    Some(generation) => Event::ProposalCommitted(generation),
                    None => Event::ProposalFailed(Failure::Unknown),
                }
            }
            Action::Fence(fence) => {
                let generation = fence.generation;
                if happens {
                    self.apply_fence(fence);
                }
                match happens && is_heard {
                    true => Event::FenceApplied(generation),
                    false => Event::FenceFailed(Failure::Unknown),
                }
            }
            Action::ReadRecord if happens && is_heard => Event::RecordRead(self.record.clone()),
            Action::ReadRecord => Event::ProposalFailed(Failure::Unknown),
            other => panic!("{other:?}"),
        };
        self.event(event);
    }

    fn apply_fence(&mut self, fence: Fence) {
        offsets::apply(&mut self.offsets, 0, offsets::Command::Fence(fence)).unwrap();
    }

    /// Metadata's part; `None` is a refusal.
    fn record(&mut self, proposal: &Proposal) -> Option<Generation> {
        let current = self.record.generation;
        match proposal {
            Proposal::Rebalance {
                expected,
                protocol,
                members,
            } => {
                if current != *expected {
                    return None;
                }
                self.record = Record {
                    generation: Generation(expected.0 + 1),
                    protocol: protocol.clone(),
                    members: members.clone(),
                    assignments: BTreeMap::new(),
                };
            }
            Proposal::Assignments {
                generation,
                assignments,
            } => {
                if current != *generation {
                    return None;
                }
                self.record.assignments.clone_from(assignments);
            }
            Proposal::Replacement {
                generation,
                former,
                heir,
                record,
            } => {
                if current != *generation {
                    return None;
                }
                self.record.members.remove(former)?;
                self.record.members.insert(heir.clone(), record.clone());
                if let Some(assignment) = self.record.assignments.remove(former) {
                    self.record.assignments.insert(heir.clone(), assignment);
                }
            }
        }
        Some(self.record.generation)
    }

    /// Another coordinator. What was on its way from the old one may still have got there;
    /// whoever waited asks again.
    fn fail_over(&mut self, is_arriving: bool) {
        match self.sent.take().filter(|_| is_arriving) {
            Some(Action::Propose(proposal)) => {
                self.record(&proposal);
            }
            Some(Action::Fence(fence)) => self.apply_fence(fence),
            _ => {}
        }
        self.asked.clear();
        let (record, limits) = (self.record.clone(), super::limits(self.delay));
        let (group, actions) = ClassicGroup::restore(self.now_ms, name(), record, limits);
        self.group = group;
        for action in actions {
            assert_eq!(self.sent.replace(action), None);
        }
    }

    fn check(&self) {
        let recorded = self.record.members.values();
        let described = self.group.describe().members;
        let instances: [Vec<_>; 2] = [
            recorded.filter_map(|one| one.instance_id.clone()).collect(),
            described
                .into_iter()
                .filter_map(|one| one.instance_id)
                .collect(),
        ];
        for instances in instances {
            let distinct: BTreeSet<_> = instances.iter().collect();
            assert_eq!(
                distinct.len(),
                instances.len(),
                "two members of one instance"
            );
        }
        if let Some(fence) = self.offsets.fenced(&name()) {
            assert_eq!(fence.kind, GroupKind::Classic);
            assert!(fence.generation <= self.record.generation);
        }
    }

    /// Without losses and with time passing, nobody waits for ever.
    pub(super) fn answer_everything(&mut self) {
        for _ in 0..200 {
            if self.asked.is_empty() {
                return;
            }
            self.arrive(true, true);
            self.pass(1_000);
            self.check();
        }
        panic!("{} questions were never answered", self.asked.len());
    }
}
