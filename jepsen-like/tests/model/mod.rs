//! A correct cluster in memory, and clients that use it at once.
//!
//! Every operation takes effect at one moment between its invocation and its completion, or
//! never. Processes whose answer got lost go on as new ones, as the format asks for.

use std::collections::BTreeMap;

use floe_jepsen::{
    Access, Action, Header, History, Key, Plan, Polled, Positions, Recorder, SCHEMA, Sent, Stage,
    Watermarks, read_history,
};
use floe_model::Offset;
use proptest::prelude::*;

const KEYS: [&str; 2] = ["t/0", "t/1"];
const CLIENTS: usize = 5;

/// What a client begins to do.
#[derive(Clone, Debug)]
pub(crate) enum Begin {
    /// Sends values, each to one of the logs.
    Send(Vec<usize>),
    /// Reads up to this many of each log.
    Poll(usize),
    /// Commits what it read.
    Commit,
    /// Asks for the bounds of the logs.
    Watermarks,
    /// Sets the register.
    Write(u64),
    /// Reads the register.
    Read,
}

/// One step: a client begins something, or what it does takes effect, or ends.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    /// If the client is idle.
    Begin(usize, Begin),
    /// If it is not.
    End(usize, Fate),
}

/// What becomes of an operation.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Fate {
    /// It happens and is answered.
    Answered,
    /// It happens, and the answer is lost.
    Unheard,
    /// It does not happen, and nobody says so.
    Dropped,
    /// It is refused.
    Refused,
}

fn any_step() -> impl Strategy<Value = Step> {
    let begin = prop_oneof![
        4 => prop::collection::vec(0..KEYS.len(), 1..4).prop_map(Begin::Send),
        3 => (1..6_usize).prop_map(Begin::Poll),
        1 => Just(Begin::Commit),
        1 => Just(Begin::Watermarks),
        1 => (1..9_u64).prop_map(Begin::Write),
        1 => Just(Begin::Read),
    ];
    let fate = prop_oneof![
        6 => Just(Fate::Answered),
        1 => Just(Fate::Unheard),
        1 => Just(Fate::Dropped),
        1 => Just(Fate::Refused),
    ];
    prop_oneof![
        (0..CLIENTS, begin).prop_map(|(client, begin)| Step::Begin(client, begin)),
        (0..CLIENTS, fate).prop_map(|(client, fate)| Step::End(client, fate)),
    ]
}

/// Any run.
pub(crate) fn any_steps() -> impl Strategy<Value = Vec<Step>> {
    prop::collection::vec(any_step(), 1..120)
}

#[derive(Clone, Default)]
struct Client {
    process: u64,
    /// What it is doing; a commit carries the positions it had when it began.
    doing: Option<Action>,
    positions: BTreeMap<usize, usize>,
    limit: usize,
    /// Whether it reads as a member of the group, alone in it.
    is_member: bool,
}

/// The state of everything.
pub(crate) struct Cluster {
    recorder: Recorder<Vec<u8>>,
    time_ns: u64,
    logs: [Vec<u64>; 2],
    register: Option<u64>,
    committed: Positions,
    clients: Vec<Client>,
    next_process: u64,
    next_value: u64,
}

impl Default for Cluster {
    fn default() -> Self {
        let plan = Plan {
            dense_offsets: true,
            ..Plan::default()
        };
        let header = Header {
            schema: SCHEMA,
            seed: 0,
            version: String::new(),
            plan,
        };
        let mut cluster = Self {
            recorder: Recorder::start(Vec::new(), &header).unwrap(),
            time_ns: 0,
            logs: [Vec::new(), Vec::new()],
            register: None,
            committed: Positions::new(),
            clients: vec![Client::default(); CLIENTS],
            next_process: 0,
            next_value: 0,
        };
        for client in 0..CLIENTS {
            cluster.reborn(client);
        }
        cluster
    }
}

fn key(log: usize) -> Key {
    Key(KEYS[log].to_owned())
}

fn offset(place: usize) -> Offset {
    Offset(i64::try_from(place).unwrap())
}

fn log_of(key: &Key) -> usize {
    KEYS.iter().position(|name| *name == key.0).unwrap()
}

impl Cluster {
    /// Takes a step, if it is possible.
    pub(crate) fn take(&mut self, step: &Step) {
        match step {
            Step::Begin(client, begin) if self.clients[*client].doing.is_none() => {
                self.begin(*client, begin);
            }
            Step::End(client, fate) if self.clients[*client].doing.is_some() => {
                self.end(*client, *fate);
            }
            Step::Begin(..) | Step::End(..) => {}
        }
    }

    /// Answers nobody any more, reads everything and gives the history.
    pub(crate) fn finish(mut self) -> History {
        let drain = self.next_process;
        let reader = drain + 1;
        self.record(drain, Stage::Invoke, Action::Drain(Positions::new()));
        let whole = |log: usize| -> Vec<(Offset, u64)> {
            let values = self.logs[log].iter().enumerate();
            values
                .map(|(place, value)| (offset(place), *value))
                .collect()
        };
        let all: Polled = (0..2).map(|log| (key(log), whole(log))).collect();
        let ends = (0..2)
            .map(|log| (key(log), offset(self.logs[log].len())))
            .collect();
        self.both(reader, Action::Poll(all));
        self.record(drain, Stage::Ok, Action::Drain(ends));
        let (group, offsets) = ("g".to_owned(), self.committed.clone());
        self.both(reader, Action::Committed { group, offsets });
        let bytes = self.recorder.finish().unwrap();
        read_history(bytes.as_slice()).unwrap()
    }

    fn record(&mut self, process: u64, stage: Stage, action: Action) {
        self.time_ns += 1_000_000;
        let error = (stage == Stage::Info).then(|| "timeout".to_owned());
        self.recorder
            .record(self.time_ns, process, stage, action, error, Vec::new())
            .unwrap();
    }

    fn both(&mut self, process: u64, action: Action) {
        self.record(process, Stage::Invoke, action.clone());
        self.record(process, Stage::Ok, action);
    }

    /// The client goes on as somebody new; the first client is the group's only member.
    fn reborn(&mut self, client: usize) {
        let process = self.next_process;
        self.next_process += 1;
        let is_member = client == 0;
        let mut positions = BTreeMap::new();
        if is_member {
            // Goes on where the group stands.
            positions.extend(
                self.committed
                    .iter()
                    .map(|(key, offset)| (log_of(key), usize::try_from(offset.0).unwrap())),
            );
        }
        self.clients[client] = Client {
            process,
            positions,
            is_member,
            ..Client::default()
        };
        let action = if is_member {
            Action::Subscribe(vec!["t".to_owned()])
        } else {
            Action::Assign(vec![key(0), key(1)])
        };
        self.both(process, action);
    }

    fn begin(&mut self, client: usize, begin: &Begin) {
        let it = &self.clients[client];
        let action = match begin {
            Begin::Send(logs) => {
                let mut sends = Vec::new();
                for log in logs {
                    let value = self.next_value;
                    self.next_value += 1;
                    let (key, offset) = (key(*log), None);
                    sends.push(Sent { key, value, offset });
                }
                Action::Send(sends)
            }
            Begin::Poll(_) => Action::Poll(Polled::new()),
            Begin::Commit if it.is_member => Action::Commit {
                group: "g".to_owned(),
                generation: 1,
                offsets: it
                    .positions
                    .iter()
                    .map(|(log, at)| (key(*log), offset(*at)))
                    .collect(),
            },
            Begin::Commit | Begin::Watermarks => Action::Watermarks(BTreeMap::new()),
            Begin::Write(value) => register(Access::Write {
                value: Some(*value),
            }),
            Begin::Read => register(Access::Read { value: None }),
        };
        if let Begin::Poll(limit) = begin {
            self.clients[client].limit = *limit;
        }
        self.clients[client].doing = Some(action.clone());
        self.record(self.clients[client].process, Stage::Invoke, action);
    }

    fn end(&mut self, client: usize, fate: Fate) {
        let mut action = self.clients[client].doing.take().unwrap();
        let process = self.clients[client].process;
        let before = action.clone();
        if matches!(fate, Fate::Answered | Fate::Unheard) {
            self.happen(client, &mut action);
        }
        let (stage, told) = match fate {
            Fate::Answered => (Stage::Ok, action),
            Fate::Refused => (Stage::Fail, before),
            Fate::Unheard | Fate::Dropped => (Stage::Info, before),
        };
        self.record(process, stage, told);
        if stage == Stage::Info {
            self.reborn(client);
        }
    }

    /// Carries the action out and fills its results in.
    fn happen(&mut self, client: usize, action: &mut Action) {
        match action {
            Action::Send(sends) => {
                for sent in sends {
                    let log = &mut self.logs[log_of(&sent.key)];
                    sent.offset = Some(offset(log.len()));
                    log.push(sent.value);
                }
            }
            Action::Poll(polled) => {
                let client = &mut self.clients[client];
                for (place, log) in self.logs.iter().enumerate() {
                    let position = client.positions.entry(place).or_default();
                    let values = log.iter().enumerate().skip(*position).take(client.limit);
                    let values: Vec<_> = values
                        .map(|(place, value)| (offset(place), *value))
                        .collect();
                    *position += values.len();
                    if !values.is_empty() {
                        polled.insert(key(place), values);
                    }
                }
            }
            Action::Commit { offsets, .. } => self.committed.extend(offsets.clone()),
            Action::Watermarks(told) => {
                for (place, log) in self.logs.iter().enumerate() {
                    let (start, high) = (Offset::ZERO, offset(log.len()));
                    let (stable, epoch) = (Some(high), None);
                    told.insert(
                        key(place),
                        Watermarks {
                            start,
                            stable,
                            high,
                            epoch,
                        },
                    );
                }
            }
            Action::Register { access, .. } => match access {
                Access::Read { value } => *value = self.register,
                Access::Write { value } => self.register = *value,
                Access::Cas { .. } => unreachable!("nobody replaces"),
            },
            _ => unreachable!("nobody does this"),
        }
    }
}

fn register(access: Access) -> Action {
    let name = "limit".to_owned();
    Action::Register { name, access }
}
