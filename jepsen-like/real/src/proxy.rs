//! A proxy before each node, for machines on which nodes can have no network of their own.
//!
//! Everything that reaches a node passes through here: what clients send through one gate, what
//! other nodes send through another. A gate can be shut, delay, be narrow, and reset what passes.
//! Invariant: bytes keep their order, none is lost but by a reset, and a gate counts what it has
//! done to them, which is the evidence that a fault was felt.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures::future::join;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::failure::Failure;

const CHUNK_BYTES: usize = 16 * 1024;
/// Chunks of one direction that are on their way.
const CHUNKS_MAX: usize = 64;

/// What a gate does to what passes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Rule {
    /// Nothing.
    #[default]
    Open,
    /// Nothing passes.
    Shut,
    /// Everything is late by this.
    Late(Duration),
    /// So many bytes a second pass on each connection.
    Narrow(u32),
}

/// The rule, and how often connections were reset.
#[derive(Clone, Copy, Debug, Default)]
struct State {
    rule: Rule,
    resets: u64,
}

/// Before one or more listeners of a node; clones are the same.
#[derive(Clone)]
pub(crate) struct Gate {
    state: Arc<watch::Sender<State>>,
    felt: Arc<AtomicU64>,
}

impl Gate {
    fn new() -> Self {
        let (state, _) = watch::channel(State::default());
        Self {
            state: Arc::new(state),
            felt: Arc::default(),
        }
    }

    /// From now on.
    pub(crate) fn set(&self, rule: Rule) {
        self.state.send_modify(|state| state.rule = rule);
    }

    /// Resets all connections.
    pub(crate) fn reset(&self) {
        self.state.send_modify(|state| state.resets += 1);
    }

    /// Chunks that were held back, and connections that were reset.
    pub(crate) fn felt(&self) -> u64 {
        self.felt.load(Ordering::Relaxed)
    }

    fn count(&self) {
        self.felt.fetch_add(1, Ordering::Relaxed);
    }
}

/// Both gates of a node.
pub(crate) struct Proxy {
    /// What clients send.
    pub(crate) clients: Gate,
    /// What other nodes send.
    pub(crate) peers: Gate,
    /// Ends with this.
    _listeners: JoinSet<()>,
}

impl Proxy {
    /// Listens at the first address of each pair for the second.
    pub(crate) async fn open(
        clients: &[(String, String)],
        peers: &[(String, String)],
    ) -> Result<Self, Failure> {
        let mut proxy = Self {
            clients: Gate::new(),
            peers: Gate::new(),
            _listeners: JoinSet::new(),
        };
        for (gate, pairs) in [
            (proxy.clients.clone(), clients),
            (proxy.peers.clone(), peers),
        ] {
            for (told, real) in pairs {
                let bound = TcpListener::bind(told).await;
                let listener = bound.map_err(Failure::of_file(told))?;
                let accepting = accept(listener, real.clone(), gate.clone());
                proxy._listeners.spawn(accepting);
            }
        }
        Ok(proxy)
    }
}

async fn accept(listener: TcpListener, real: String, gate: Gate) {
    let mut connections = JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        match listener.accept().await {
            Ok((near, _)) => {
                let (real, gate) = (real.clone(), gate.clone());
                connections.spawn(async move {
                    if let Ok(far) = TcpStream::connect(real.as_str()).await {
                        carry(near, far, &gate).await;
                    }
                });
            }
            // Out of descriptors, or the other side has given up already.
            Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    }
}

/// One connection, to its end or its reset.
async fn carry(mut near: TcpStream, mut far: TcpStream, gate: &Gate) {
    for stream in [&near, &far] {
        // Late only where a gate makes it late.
        drop(stream.set_nodelay(true));
    }
    let mut states = gate.state.subscribe();
    let resets = states.borrow().resets;
    let is_over = {
        let (near_read, near_write) = near.split();
        let (far_read, far_write) = far.split();
        let both = join(
            pipe(near_read, far_write, gate),
            pipe(far_read, near_write, gate),
        );
        tokio::select! {
            _ = both => true,
            _ = states.wait_for(|state| state.resets != resets) => false,
        }
    };
    if !is_over {
        for stream in [&near, &far] {
            drop(stream.set_zero_linger());
        }
        gate.count();
    }
}

/// One direction of a connection.
async fn pipe(mut from: ReadHalf<'_>, mut to: WriteHalf<'_>, gate: &Gate) {
    let (sender, mut chunks) = mpsc::channel::<(Instant, Vec<u8>)>(CHUNKS_MAX);
    let mut states = gate.state.subscribe();
    let take_in = async move {
        let mut chunk = vec![0; CHUNK_BYTES];
        while let Ok(length @ 1..) = from.read(&mut chunk).await {
            let rule = gate.state.borrow().rule;
            if rule != Rule::Open {
                gate.count();
            }
            let delay = match rule {
                Rule::Late(delay) => delay,
                _ => Duration::ZERO,
            };
            let bytes = chunk.get(..length).unwrap_or_default().to_vec();
            if sender.send((Instant::now() + delay, bytes)).await.is_err() {
                break;
            }
        }
    };
    let give_out = async move {
        while let Some((due, bytes)) = chunks.recv().await {
            tokio::time::sleep_until(due).await;
            let passes = states.wait_for(|state| state.rule != Rule::Shut).await;
            let Ok(rule) = passes.map(|state| state.rule) else {
                return;
            };
            if let Rule::Narrow(rate) = rule {
                let bytes = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
                tokio::time::sleep(Duration::from_secs(1) * bytes / rate.max(1)).await;
            }
            if to.write_all(&bytes).await.is_err() {
                return;
            }
        }
        drop(to.shutdown().await);
    };
    join(take_in, give_out).await;
}

#[cfg(test)]
mod tests;
