//! A small world: clients that behave, are slow, or are gone; a metadata record and an offsets
//! log that do what is proposed, late or without saying so; and coordinators that come and go.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::super::super::{Beaten, Failure, Refused};
use super::super::*;
use super::{beat, group_name, join, member, topic, topics};
use crate::offsets::{Command, Committer, OffsetsState, apply};

const CLIENTS: u8 = 5;
const TOPICS: &[&[u32]] = &[&[3, 2], &[5, 2], &[5], &[5, 4]];

/// What happens next.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Act {
    Beat(u8),
    GiveUp(u8),
    Restart(u8),
    Leave(u8),
    /// The next of what the coordinator asked for happens; `.0` says how it answers.
    Deliver(u8),
    Pass(u8),
    Failover,
    Topics(u8),
}

impl From<[u8; 3]> for Act {
    fn from([kind, who, how]: [u8; 3]) -> Self {
        match kind % 32 {
            0..=9 => Self::Beat(who % CLIENTS),
            10..=13 => Self::GiveUp(who % CLIENTS),
            14 => Self::Restart(who % CLIENTS),
            15 => Self::Leave(who % CLIENTS),
            16..=28 => Self::Deliver(how),
            29 => Self::Pass(how),
            30 => Self::Failover,
            _ => Self::Topics(how),
        }
    }
}

#[derive(Clone, Debug)]
struct Client {
    name: String,
    instance: Option<String>,
    epoch: i32,
    holds: BTreeSet<TopicIdPartition>,
    /// What it was last told to hold.
    told: BTreeSet<TopicIdPartition>,
    /// Its question without an answer yet.
    asked: Option<Ticket>,
    must_say_all: bool,
    is_gone: bool,
}

pub(crate) struct World {
    now_ms: u64,
    topics: Topics,
    record: Record,
    log: OffsetsState,
    group: ConsumerGroup,
    wanted: VecDeque<Action>,
    clients: Vec<Client>,
    tickets: u64,
}

impl World {
    pub(crate) fn new() -> Self {
        let topics = topics(TOPICS[0]);
        let client = |place: u8| Client {
            name: format!("m{place}"),
            // Two of them are static.
            instance: (place < 2).then(|| format!("i{place}")),
            epoch: 0,
            holds: BTreeSet::new(),
            told: BTreeSet::new(),
            asked: None,
            must_say_all: true,
            is_gone: false,
        };
        let limits = Limits::default();
        Self {
            now_ms: 0,
            group: ConsumerGroup::new(group_name(), Generation(0), topics.clone(), limits),
            topics,
            record: Record::default(),
            log: OffsetsState::new(),
            wanted: VecDeque::new(),
            clients: (0..CLIENTS).map(client).collect(),
            tickets: 0,
        }
    }

    pub(crate) fn act(&mut self, act: Act) {
        match act {
            Act::Beat(who) => self.beat(who as usize),
            Act::GiveUp(who) => self.give_up(who as usize),
            Act::Restart(who) => self.restart(who as usize),
            Act::Leave(who) => self.leave(who as usize),
            Act::Deliver(how) => self.deliver(how),
            Act::Pass(how) => {
                self.now_ms += u64::from(how) * 100;
                self.event(Event::Tick);
            }
            Act::Failover => self.fail_over(),
            Act::Topics(how) => {
                self.topics = topics(TOPICS[how as usize % TOPICS.len()]);
                let changed = Event::TopicsChanged(self.topics.clone());
                self.event(changed);
            }
        }
    }

    fn event(&mut self, event: Event) {
        let actions = self.group.on_event(self.now_ms, event);
        self.wanted.extend(actions);
    }

    fn beat(&mut self, who: usize) {
        let client = &self.clients[who];
        if client.asked.is_some() || client.is_gone {
            return;
        }
        let mut heartbeat = match client.epoch {
            0 => join(&client.name),
            epoch => beat(&client.name, epoch),
        };
        heartbeat.instance_id.clone_from(&client.instance);
        if client.epoch > 0 && (client.must_say_all || client.holds == client.told) {
            heartbeat.owned = Some(client.holds.clone());
        }
        if client.must_say_all {
            heartbeat.rebalance_timeout_ms = Some(20_000);
        }
        heartbeat.topics = client
            .must_say_all
            .then(|| [topic("t1"), topic("t2")].into());
        self.send(who, heartbeat);
    }

    fn send(&mut self, who: usize, heartbeat: Heartbeat) {
        self.tickets += 1;
        let ticket = Ticket(self.tickets);
        self.clients[who].asked = Some(ticket);
        self.event(Event::Heartbeat(ticket, Box::new(heartbeat)));
    }

    /// A client holds what it was told, once it gave up the rest.
    fn give_up(&mut self, who: usize) {
        let client = &mut self.clients[who];
        client.holds.clone_from(&client.told);
    }

    /// Killed, and started again under another id.
    fn restart(&mut self, who: usize) {
        let number = self.tickets;
        let client = &mut self.clients[who];
        *client = Client {
            name: format!("m{who}-{number}"),
            instance: client.instance.clone(),
            epoch: 0,
            holds: BTreeSet::new(),
            told: BTreeSet::new(),
            asked: None,
            must_say_all: true,
            is_gone: false,
        };
    }

    fn leave(&mut self, who: usize) {
        let client = self.clients[who].clone();
        if client.asked.is_some() || client.epoch <= 0 || client.is_gone {
            return;
        }
        let epoch = if client.instance.is_some() { -2 } else { -1 };
        let mut heartbeat = beat(&client.name, epoch);
        heartbeat.instance_id.clone_from(&client.instance);
        self.clients[who].holds.clear();
        self.clients[who].told.clear();
        self.clients[who].is_gone = true;
        self.send(who, heartbeat);
    }

    fn deliver(&mut self, how: u8) {
        let Some(action) = self.wanted.pop_front() else {
            return;
        };
        let (is_done, is_told) = (!how.is_multiple_of(8), how % 8 > 1);
        match action {
            Action::Answer(ticket, answer) => self.hear(ticket, answer, is_told),
            Action::Propose(proposal) => {
                if is_done && proposal.expected == self.record.generation {
                    self.record = Record {
                        generation: Generation(proposal.expected.0 + 1),
                        members: proposal.members,
                    };
                    if is_told {
                        return self.event(Event::ProposalCommitted(self.record.generation));
                    }
                }
                self.event(Event::ProposalFailed(Failure::Unknown));
            }
            Action::Fence(fence) => {
                let generation = fence.generation;
                if is_done {
                    apply(&mut self.log, 0, Command::Fence(fence)).unwrap();
                }
                self.event(match is_done && is_told {
                    true => Event::FenceApplied(generation),
                    false => Event::FenceFailed(Failure::Unknown),
                });
            }
            Action::ReadRecord => self.event(Event::RecordRead(self.record.clone())),
            Action::Close => panic!("nobody else coordinates"),
        }
    }

    fn hear(&mut self, ticket: Ticket, answer: Answer, is_told: bool) {
        let waiting = |one: &&mut Client| one.asked == Some(ticket);
        let Some(client) = self.clients.iter_mut().find(waiting) else {
            return;
        };
        client.asked = None;
        if !is_told {
            client.must_say_all = true;
            return;
        }
        match answer {
            Ok(Beaten {
                member_epoch,
                assignment,
            }) => {
                client.must_say_all = false;
                if member_epoch < 0 {
                    client.epoch = member_epoch;
                    return;
                }
                client.epoch = member_epoch;
                if let Some(assignment) = assignment {
                    // What is new it holds at once, what is to go takes it a while.
                    client.holds.extend(assignment.difference(&client.told));
                    client.told = assignment;
                }
            }
            Err(Refused::FencedMemberEpoch | Refused::UnknownMember) => {
                client.epoch = 0;
                client.holds.clear();
                client.told.clear();
                client.must_say_all = true;
            }
            Err(_) => client.must_say_all = true,
        }
    }

    fn fail_over(&mut self) {
        self.wanted.clear();
        for client in &mut self.clients {
            if client.asked.take().is_some() {
                client.must_say_all = true;
            }
        }
        let (group, actions) = ConsumerGroup::restore(
            self.now_ms,
            group_name(),
            &self.record,
            self.topics.clone(),
            Limits::default(),
        );
        self.group = group;
        self.wanted.extend(actions);
    }

    /// Whether the offsets log lets the client commit.
    fn may_commit(&self, client: &Client) -> bool {
        let commit = Command::Commit {
            group: group_name(),
            committer: Committer::Consumer {
                member_id: member(&client.name),
                member_epoch: client.epoch,
            },
            at_ms: 0,
            offsets: Vec::new(),
        };
        apply(&mut self.log.clone(), 0, commit).is_ok()
    }

    /// Of those that may commit no two hold the same partition.
    pub(crate) fn check(&self) {
        let mut holders = BTreeMap::new();
        for client in self.clients.iter().filter(|client| self.may_commit(client)) {
            for id in &client.holds {
                let former = holders.insert(*id, &client.name);
                assert_eq!(former, None, "{id:?} also held by {}", client.name);
            }
        }
    }

    /// Without further trouble everybody that is left soon holds its share, and all is held.
    pub(crate) fn calm_down(&mut self) {
        for round in 0..40_u64 {
            while !self.wanted.is_empty() {
                self.deliver(7);
            }
            // Whoever is gone for good is missed in time.
            self.now_ms += if round < 12 { 5_000 } else { 200 };
            for who in 0..self.clients.len() {
                self.give_up(who);
                self.beat(who);
                while !self.wanted.is_empty() {
                    self.deliver(7);
                }
                self.check();
            }
            self.event(Event::Tick);
        }
        let alive: Vec<_> = self.clients.iter().filter(|one| !one.is_gone).collect();
        if alive.is_empty() {
            assert_eq!(self.group.phase(), Phase::Empty);
            return;
        }
        assert_eq!(self.group.phase(), Phase::Stable);
        assert!(alive.iter().all(|client| self.may_commit(client)));
        let held: usize = alive.iter().map(|client| client.holds.len()).sum();
        let all = self.topics.values().map(|shape| shape.partitions as usize);
        assert_eq!(held, all.sum::<usize>());
    }
}
