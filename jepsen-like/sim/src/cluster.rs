//! The nodes of the simulated cluster: each with a disk that outlives it.
//!
//! A [`Seat`] is a machine. Its process starts, serves, fails or is stopped; what remains
//! between two lives is the disk, the address and the skew of its clock.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use floe_broker::{Broker, NodeConfig, NodeStatus, Seed, start_node};
use floe_env::{CrashPlan, Env, Gate, Rng, SimClock, SimVfs, Spawn};
use floe_journal::JournalConfig;
use floe_model::NodeId;
use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::book::{Book, now};
use crate::machine;
use crate::net::{Links, SimNet};

/// Average virtual time of one I/O step.
const IO_LATENCY: Duration = Duration::from_micros(400);
const DISK_BYTES: u64 = 256 << 20;
/// How long a node may take to stop when asked.
const STOP_LIMIT: Duration = Duration::from_secs(5);

const CLIENT_PORT: u16 = 9192;
const PEER_PORT: u16 = 9292;

/// One machine with its node. Clones are the same machine.
#[derive(Clone)]
pub struct Seat {
    node_id: u32,
    nodes: u32,
    vfs: SimVfs,
    rng: Rng,
    links: Links,
    book: Book,
    life: Arc<Mutex<Life>>,
    stop: Arc<Notify>,
}

#[derive(Default)]
struct Life {
    broker: Option<Broker>,
    clock: Option<Arc<SimClock>>,
    /// Holds the process of this life still.
    gate: Gate,
    skew_ms: i64,
    /// Whether the nemesis broke the disk in this life, so that the node may give up.
    has_bad_disk: bool,
    /// The same for as long as the disk has no room.
    is_disk_full: bool,
    /// How often the process was started.
    starts: u32,
    /// How often bits have rotted.
    rots: u32,
    /// How often the disk was replaced.
    wipes: u32,
    /// How often it was asked to stop.
    stops: u32,
    /// Whether the process is stopping.
    is_ending: bool,
}

/// The host name of a node.
pub fn node_name(node: u32) -> String {
    format!("node-{node}")
}

/// The host name of a client.
pub fn client_name(client: u32) -> String {
    format!("client-{client}")
}

/// Where clients find a node.
pub fn client_addr(node: u32) -> String {
    format!("{}:{CLIENT_PORT}", node_name(node))
}

/// Where clients find the cluster.
pub fn client_seeds(nodes: u32) -> String {
    let addrs: Vec<String> = (1..=nodes)
        .map(|node| format!("{}:{CLIENT_PORT}", node_name(node)))
        .collect();
    addrs.join(",")
}

/// The environment of a client host.
pub fn client_env(host: &str, rng: &Rng, links: &Links) -> Env {
    Env {
        net: Arc::new(SimNet::new(
            host,
            links.clone(),
            rng.fork(),
            Gate::default(),
        )),
        // Clients have no files.
        vfs: Arc::new(SimVfs::new(rng.fork(), 0)),
        clock: Arc::new(SimClock::new(wall_now_ms())),
        rng: rng.fork(),
        spawn: Spawn::sim(rng.fork(), IO_LATENCY),
    }
}

impl Seat {
    /// A machine with an empty disk.
    pub fn new(node_id: u32, nodes: u32, rng: &Rng, links: &Links, book: &Book) -> Self {
        Self {
            node_id,
            nodes,
            vfs: SimVfs::new(rng.fork(), DISK_BYTES),
            rng: rng.fork(),
            links: links.clone(),
            book: book.clone(),
            life: Arc::default(),
            stop: Arc::default(),
        }
    }

    /// The host name.
    pub fn name(&self) -> String {
        node_name(self.node_id)
    }

    /// One life of the process, until it fails, is stopped, or the machine is crashed.
    pub async fn live(self) {
        let env = self.env();
        let gate = {
            let mut life = self.life.lock();
            life.starts += 1;
            life.is_ending = false;
            life.gate.clone()
        };
        let node = match gate.hold(start_node(self.config(), env)).await {
            Ok(node) => node,
            Err(error) => {
                self.give_up(&format!("did not start: {error}"));
                return;
            }
        };
        self.life.lock().broker = Some(node.broker());
        let failure = tokio::select! {
            biased;
            failure = node.failed() => Some(failure),
            () = self.stop.notified() => None,
        };
        self.life.lock().is_ending = true;
        if let Some(failure) = &failure {
            self.give_up(&format!("failed: {failure}"));
        }
        if let Err(error) = node.shutdown(STOP_LIMIT).await {
            tracing::warn!(node = self.node_id, %error, "not stopped cleanly");
        }
        self.life.lock().broker = None;
    }

    /// Only a broken disk is a reason to end by itself.
    fn give_up(&self, why: &str) {
        let life = self.life.lock();
        // Metadata that rotted away is no use to a node, which says so and waits for its operator.
        let is_excused = life.has_bad_disk || life.is_disk_full || life.rots > 0;
        drop(life);
        if is_excused {
            tracing::info!(node = self.node_id, why, "gave up");
        } else {
            self.book.trouble(format!("{} {why}", self.name()));
        }
    }

    /// Asks the process to stop.
    pub fn ask_to_stop(&self) {
        self.life.lock().stops += 1;
        self.stop.notify_one();
    }

    /// Holds the process still: it neither sends nor reads nor stores anything, and time goes on.
    pub fn pause(&self) {
        self.life.lock().gate.shut();
    }

    /// Lets the process go on, if it is the one that was held.
    pub fn resume(&self) {
        let gate = self.life.lock().gate.clone();
        gate.open();
    }

    /// Whether the process is held still.
    pub fn is_paused(&self) -> bool {
        self.life.lock().gate.is_shut()
    }

    /// What a crash does to the disk; the process must be dropped after it, so that nothing it
    /// does while it is dropped reaches the disk.
    pub fn crash_disk(&self, plan: CrashPlan) {
        self.vfs.crash(plan);
        let mut life = self.life.lock();
        life.broker = None;
        life.has_bad_disk = false;
    }

    /// Makes every sync fail until the process ends.
    pub fn fail_disk(&self) {
        self.vfs.set_fail_syncs(true);
        self.life.lock().has_bad_disk = true;
    }

    /// Lets the disk do `operations` more until the process ends.
    pub fn stop_disk_after(&self, operations: u64) {
        self.vfs.set_budget(Some(operations));
        self.life.lock().has_bad_disk = true;
    }

    /// Fills the disk, or makes room again.
    pub fn fill_disk(&self, full: bool) {
        self.vfs.set_capacity(if full { 0 } else { DISK_BYTES });
        let mut life = self.life.lock();
        life.is_disk_full = full;
        // What met the full disk may give up a little later.
        life.has_bad_disk |= full;
    }

    /// Makes every sync of this machine a lie from now on.
    pub fn make_disk_lie(&self) {
        self.vfs.set_lies(true);
    }

    /// Lets syncs succeed again.
    pub fn repair_disk(&self) {
        self.vfs.set_fail_syncs(false);
    }

    /// Makes some syncs fail and those behind them succeed.
    pub fn fail_syncs(&self, count: u32) {
        self.vfs.fail_next_syncs(count);
        self.life.lock().has_bad_disk = true;
    }

    /// Makes every step of the disk take so much longer.
    pub fn slow_disk(&self, stall: Duration) {
        self.vfs.set_stall(stall);
    }

    /// Flips bits of what is durable, while the machine is off.
    pub fn rot_disk(&self, journal: bool, bits: u32) {
        let (dir, suffix) = match journal {
            true => ("/data/journal", ".seg"),
            false => ("/data/p", ""),
        };
        let hurt = self.vfs.rot(Path::new(dir), suffix, bits);
        tracing::info!(node = self.node_id, dir, hurt, "bits rot");
        self.life.lock().rots += 1;
    }

    /// Replaces the disk by an empty one.
    pub fn wipe_disk(&self) {
        self.vfs.wipe();
        self.life.lock().wipes += 1;
    }

    /// Whether a write that could be torn is under way.
    pub fn is_writing(&self) -> bool {
        self.vfs.is_writing()
    }

    /// How often the disk was replaced.
    pub fn wipes(&self) -> u32 {
        self.life.lock().wipes
    }

    /// How often bits of its disk have rotted.
    pub fn rots(&self) -> u32 {
        self.life.lock().rots
    }

    /// The node's services; none while it does not run.
    pub fn broker(&self) -> Option<Broker> {
        self.life.lock().broker.clone()
    }

    /// Whether the process runs and is neither held nor stopping.
    pub fn works(&self) -> bool {
        let life = self.life.lock();
        life.broker.is_some() && !life.is_ending && !life.gate.is_shut()
    }

    /// How often it has tried to reach another node, and whether it tries or is connected now.
    pub fn dials_to(&self, other: &Self) -> (u64, bool) {
        self.links.dials().between(&self.name(), &other.name())
    }

    /// The number of the node.
    pub fn node(&self) -> u32 {
        self.node_id
    }

    /// The same as an identity.
    pub fn node_id(&self) -> NodeId {
        NodeId(self.node_id.try_into().expect("a handful of nodes"))
    }

    /// Everything that a fault changes about a machine, as text: equal before and after a fault
    /// that did nothing.
    pub fn fingerprint(&self) -> String {
        let life = self.life.lock();
        let (skew_ms, bad, full, stops) = (
            life.skew_ms,
            life.has_bad_disk,
            life.is_disk_full,
            life.stops,
        );
        let stall = self.vfs.stall();
        let paused = life.gate.is_shut();
        format!("{skew_ms} {bad} {full} {stops} {stall:?} {paused}")
    }

    /// Puts the wall clock off by this much.
    pub fn set_skew_ms(&self, skew_ms: i64) {
        let mut life = self.life.lock();
        life.skew_ms = skew_ms;
        if let Some(clock) = &life.clock {
            clock.set_skew_ms(skew_ms);
        }
    }

    /// How the node sees itself; none while it does not run.
    pub fn status(&self) -> Option<NodeStatus> {
        let broker = self.life.lock().broker.clone()?;
        Some(broker.status())
    }

    /// How often the process was started.
    pub fn starts(&self) -> u32 {
        self.life.lock().starts
    }

    fn env(&self) -> Env {
        let clock = Arc::new(SimClock::new(wall_now_ms()));
        let mut life = self.life.lock();
        clock.set_skew_ms(life.skew_ms);
        life.clock = Some(Arc::clone(&clock));
        life.gate = Gate::default();
        let gate = life.gate.clone();
        let net = SimNet::new(
            self.name(),
            self.links.clone(),
            self.rng.fork(),
            gate.clone(),
        );
        Env {
            net: Arc::new(net),
            vfs: Arc::new(self.vfs.clone()),
            clock,
            rng: self.rng.fork(),
            spawn: Spawn::sim(self.rng.fork(), IO_LATENCY)
                .with_disk(self.vfs.clone())
                .with_gate(gate),
        }
    }

    /// Small files, so that rolls, checkpoints and recycling happen within seconds.
    fn config(&self) -> NodeConfig {
        let data_dir = PathBuf::from("/data");
        let node_id = |node: u32| NodeId(node.try_into().expect("a handful of nodes"));
        let mut config = NodeConfig::single(node_id(self.node_id), data_dir.clone());
        config.client_listen = format!("0.0.0.0:{CLIENT_PORT}");
        config.client_advertised = Some(format!("{}:{CLIENT_PORT}", self.name()));
        config.peer_listen = format!("0.0.0.0:{PEER_PORT}");
        config.peer_advertised = Some(format!("{}:{PEER_PORT}", self.name()));
        let seed = |node| Seed {
            node_id: node_id(node),
            peer_addr: format!("{}:{PEER_PORT}", node_name(node)),
        };
        config.seeds = (1..=self.nodes).map(seed).collect();
        config.journal = JournalConfig {
            journal_bytes: 4 << 20,
            journal_segment_bytes: 512 << 10,
            partition_segment_bytes: 128 << 10,
            tail_bytes: 4 << 20,
            uncommitted_group_bytes: 1 << 20,
            disk_reserve_bytes: 1 << 20,
            checkpoint_interval_ms: 2_000,
            ..JournalConfig::new(data_dir)
        };
        config
    }
}

fn wall_now_ms() -> i64 {
    i64::try_from((machine::EPOCH + now()).as_millis()).unwrap_or(i64::MAX)
}
