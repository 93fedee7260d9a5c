//! One of the three connections of a link: dials, keeps, dials again.
//!
//! An eager line is dialled at once and whenever it was lost; a lazy one when somebody asks.
//! Invariant: between two failed attempts lies a jittered, growing pause, during which callers
//! fail at once; a lost connection is redialled without one, because whether the peer's port
//! still answers is how its death is noticed.

use std::time::Duration;

use floe_env::Env;
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

use crate::call::CallStub;
use crate::dial::{ConnectError, dial, open};
use crate::handshake::{Hello, same_cluster};
use crate::{
    Channel, LinkError, LinkState, PeerApiRequest, PeerApiResponse, PeerIdentity, PeerTarget,
    Refusal,
};

pub(crate) type PeerStub = CallStub<PeerApiRequest, PeerApiResponse>;

const BACKOFF_FIRST: Duration = Duration::from_millis(10);
const BACKOFF_MAX: Duration = Duration::from_secs(1);
/// A connection that ends sooner counts as a failed attempt.
const SETTLED_AFTER: Duration = Duration::from_secs(1);

/// One connection of a link.
pub(crate) struct Line {
    channel: Channel,
    status: watch::Sender<Status>,
    state: watch::Sender<LinkState>,
    /// Somebody needs a lazy line.
    wanted: Notify,
    /// The peer may be back: no more pause.
    redial: Notify,
}

#[derive(Clone)]
enum Status {
    /// Not connected and nobody asked.
    Idle,
    /// An attempt is under way.
    Dialling,
    Up(PeerStub),
    /// The last attempt failed; the next one follows a pause.
    Down(LinkError),
}

impl Line {
    pub(crate) fn new(channel: Channel) -> Self {
        let status = match channel {
            Channel::Control => Status::Dialling,
            Channel::Data | Channel::Bulk => Status::Idle,
        };
        Self {
            channel,
            status: watch::Sender::new(status),
            state: watch::Sender::new(LinkState::Down {
                refused: false,
                refusal: None,
            }),
            wanted: Notify::new(),
            redial: Notify::new(),
        }
    }

    pub(crate) fn state(&self) -> watch::Receiver<LinkState> {
        self.state.subscribe()
    }

    pub(crate) fn redial_now(&self) {
        self.redial.notify_one();
    }

    /// The connection, waiting for the attempt under way or the one this starts.
    pub(crate) async fn ready(&self) -> Result<PeerStub, LinkError> {
        let mut status = self.status.subscribe();
        loop {
            match &*status.borrow_and_update() {
                Status::Up(stub) => return Ok(stub.clone()),
                Status::Down(error) => return Err(error.clone()),
                Status::Idle => self.wanted.notify_one(),
                Status::Dialling => {}
            }
            if status.changed().await.is_err() {
                return Err(LinkError::Down);
            }
        }
    }

    /// Keeps the line until `stop` is cancelled.
    pub(crate) async fn keep(
        &self,
        env: &Env,
        me: &watch::Receiver<PeerIdentity>,
        target: &PeerTarget,
        stop: &CancellationToken,
    ) {
        tokio::select! {
            biased;
            () = stop.cancelled() => {}
            () = self.keep_on(env, me, target) => {}
        }
        self.fell(LinkError::Down);
    }

    async fn keep_on(&self, env: &Env, me: &watch::Receiver<PeerIdentity>, target: &PeerTarget) {
        let mut backoff = BACKOFF_FIRST;
        loop {
            if self.channel != Channel::Control {
                self.status.send_replace(Status::Idle);
                self.wanted.notified().await;
            }
            self.status.send_replace(Status::Dialling);
            let started = env.clock.now();
            match self.attempt(env, me, target).await {
                Ok(()) if env.clock.now().saturating_sub(started) >= SETTLED_AFTER => {
                    backoff = BACKOFF_FIRST;
                    continue;
                }
                Ok(()) => self.fell(LinkError::Down),
                Err(error) => self.fell(error),
            }
            let pause = env.rng.jitter(backoff / 2, backoff / 2);
            tokio::select! {
                biased;
                () = tokio::time::sleep(pause) => {
                    backoff = if floe_model::mutant!("backoff-unbounded") {
                        backoff * 8
                    } else {
                        (backoff * 2).min(BACKOFF_MAX)
                    };
                }
                () = self.redial.notified() => backoff = BACKOFF_FIRST,
            }
        }
    }

    /// Connects and drives the connection until it is lost.
    async fn attempt(
        &self,
        env: &Env,
        me: &watch::Receiver<PeerIdentity>,
        target: &PeerTarget,
    ) -> Result<(), LinkError> {
        let me = me.borrow().clone();
        let hello = Hello::Peer {
            channel: self.channel,
            identity: me.clone(),
            to: target.node_id,
        };
        let dialled = dial(env, &target.addr, &hello).await;
        let (stream, identity) = match dialled {
            Ok((stream, identity)) => match check(&me, target, &identity) {
                Ok(()) => (stream, identity),
                Err(refusal) => return Err(self.turned_away(refusal)),
            },
            Err(ConnectError::Refused(refusal)) => return Err(self.turned_away(refusal)),
            Err(ConnectError::ConnectionRefused) => {
                self.state.send_replace(LinkState::Down {
                    refused: true,
                    refusal: None,
                });
                return Err(LinkError::Down);
            }
            Err(ConnectError::Io(_) | ConnectError::Timeout) => {
                self.lost();
                return Err(LinkError::Down);
            }
        };
        let (stub, driver) = open(stream, self.channel.frame_bytes_max());
        self.status.send_replace(Status::Up(stub));
        self.state.send_replace(LinkState::Up { identity });
        driver.await;
        // A caller must not get the lost connection again; the next attempt tells more.
        self.status.send_replace(Status::Dialling);
        self.lost();
        Ok(())
    }

    fn turned_away(&self, refusal: Refusal) -> LinkError {
        self.state.send_replace(LinkState::Down {
            refused: false,
            refusal: Some(refusal.clone()),
        });
        LinkError::Refused(refusal)
    }

    fn lost(&self) {
        self.state.send_replace(LinkState::Down {
            refused: false,
            refusal: None,
        });
    }

    fn fell(&self, error: LinkError) {
        self.status.send_replace(Status::Down(error));
    }
}

/// Whether the node that answered is the one wanted.
fn check(me: &PeerIdentity, target: &PeerTarget, found: &PeerIdentity) -> Result<(), Refusal> {
    if found.node_id != target.node_id {
        return Err(Refusal::WrongNode {
            expected: target.node_id,
            actual: found.node_id,
        });
    }
    same_cluster(me, found)?;
    match target.node_uuid {
        Some(expected) if expected != found.node_uuid => Err(Refusal::ForeignDisk {
            node_id: found.node_id,
            expected,
            actual: found.node_uuid,
        }),
        Some(_) | None => Ok(()),
    }
}
