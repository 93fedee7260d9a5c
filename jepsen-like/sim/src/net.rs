//! The network seam on turmoil's simulated hosts, and which links are cut.
//!
//! Turmoil answers a connection attempt over a cut link with a refusal, and lets one to a dead
//! process wait. Real networks do the opposite, and Floe draws conclusions from it: a refusal
//! proves that the process is gone. [`Links`] knows what is cut and who is down, so that
//! attempts meet what they would meet in reality.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use floe_env::{Connection, Gate, Listener, Net, Rng};
use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;
use turmoil::net::{TcpListener, TcpStream};

mod breakable;
mod dialling;
mod route;

use breakable::Breakable;
use dialling::Dialling;
pub use dialling::Dials;
use route::Route;
pub use route::Weather;

type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Between two attempts of the kernel to get through; shorter than Linux's second, so that short
/// cuts matter.
const SYN_RETRY: Duration = Duration::from_millis(200);

/// What is broken between hosts. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Links {
    broken: Arc<Mutex<Broken>>,
    dials: Dials,
}

#[derive(Debug, Default)]
struct Broken {
    /// How many faults cut this direction.
    cuts: BTreeMap<(String, String), u32>,
    /// Hosts whose process is gone while their kernel lives.
    processes_down: BTreeSet<String>,
    /// Hosts that cannot accept connections, by how many faults.
    full: BTreeMap<String, u32>,
    /// Ends the connections of a host that exist now.
    resets: BTreeMap<String, CancellationToken>,
    /// How often each host's connections were reset.
    reset_counts: BTreeMap<String, u32>,
    /// Hosts whose messages take this long at most.
    latencies: BTreeMap<String, Duration>,
    /// Hosts whose messages are held back.
    held: BTreeSet<String>,
    /// Hosts whose messages get lost or are late.
    weather: BTreeMap<String, Weather>,
}

impl Links {
    /// Cuts one direction. `true` when it was whole before.
    pub fn cut(&self, from: &str, to: &str) -> bool {
        let mut broken = self.broken.lock();
        let count = broken
            .cuts
            .entry((from.to_owned(), to.to_owned()))
            .or_default();
        *count += 1;
        *count == 1
    }

    /// Takes one cut back. `true` when the direction is whole again.
    pub fn mend(&self, from: &str, to: &str) -> bool {
        let mut broken = self.broken.lock();
        let direction = (from.to_owned(), to.to_owned());
        match broken.cuts.get_mut(&direction) {
            Some(count) if *count > 1 => {
                *count -= 1;
                false
            }
            Some(_) => broken.cuts.remove(&direction).is_some(),
            None => false,
        }
    }

    /// Says whether a host's process runs.
    pub fn set_process_down(&self, host: &str, down: bool) {
        let mut broken = self.broken.lock();
        if down {
            broken.processes_down.insert(host.to_owned());
        } else {
            broken.processes_down.remove(host);
        }
    }

    /// Lets a host accept no connections, or again.
    pub fn set_full(&self, host: &str, full: bool) {
        let mut broken = self.broken.lock();
        let faults = broken.full.entry(host.to_owned()).or_default();
        *faults = if full {
            *faults + 1
        } else {
            faults.saturating_sub(1)
        };
    }

    /// Breaks all connections of a host.
    pub fn reset(&self, host: &str) {
        let mut broken = self.broken.lock();
        if let Some(connections) = broken.resets.remove(host) {
            *broken.reset_counts.entry(host.to_owned()).or_default() += 1;
            drop(broken);
            connections.cancel();
        }
    }

    /// Notes how long a host's messages take.
    pub fn note_latency(&self, host: &str, latency: Duration) {
        let mut broken = self.broken.lock();
        broken.latencies.insert(host.to_owned(), latency);
    }

    /// Notes whether a host's messages are held back.
    pub fn note_held(&self, host: &str, held: bool) {
        let mut broken = self.broken.lock();
        if held {
            broken.held.insert(host.to_owned());
        } else {
            broken.held.remove(host);
        }
    }

    /// Whether a host's messages are held back.
    pub fn is_held(&self, host: &str) -> bool {
        self.broken.lock().held.contains(host)
    }

    /// Makes the weather of a host bad, or good again.
    pub fn set_weather(&self, host: &str, weather: Option<Weather>) {
        let mut broken = self.broken.lock();
        match weather {
            Some(weather) => broken.weather.insert(host.to_owned(), weather),
            None => broken.weather.remove(host),
        };
    }

    /// The weather at both ends.
    fn weather_between(&self, one: &str, other: &str) -> [Option<Weather>; 2] {
        let broken = self.broken.lock();
        [one, other].map(|host| broken.weather.get(host).copied())
    }

    /// Everything that is broken, as text.
    pub fn fingerprint(&self) -> String {
        format!("{:?}", self.broken.lock())
    }

    /// Who has connected to whom.
    pub fn dials(&self) -> &Dials {
        &self.dials
    }

    /// Whether a direction is cut now.
    pub fn cuts(&self, from: &str, to: &str) -> bool {
        let direction = (from.to_owned(), to.to_owned());
        self.broken.lock().cuts.contains_key(&direction)
    }

    /// Whether a host cannot accept connections.
    pub fn is_full(&self, host: &str) -> bool {
        let broken = self.broken.lock();
        broken.full.get(host).is_some_and(|faults| *faults > 0)
    }

    /// Cancelled when the connections that `host` has now are reset.
    fn reset_of(&self, host: &str) -> CancellationToken {
        let mut broken = self.broken.lock();
        broken.resets.entry(host.to_owned()).or_default().clone()
    }

    fn is_cut(&self, one: &str, other: &str) -> bool {
        let broken = self.broken.lock();
        let cut =
            |from: &str, to: &str| broken.cuts.contains_key(&(from.to_owned(), to.to_owned()));
        cut(one, other) || cut(other, one)
    }

    fn is_process_down(&self, host: &str) -> bool {
        self.broken.lock().processes_down.contains(host)
    }
}

/// TCP of one simulated process; names resolve in the simulation's DNS.
#[derive(Clone, Debug)]
pub struct SimNet {
    host: String,
    links: Links,
    rng: Rng,
    gate: Gate,
}

impl SimNet {
    /// The network as a process on `host` sees it, while `gate` is open.
    pub fn new(host: impl Into<String>, links: Links, rng: Rng, gate: Gate) -> Self {
        Self {
            host: host.into(),
            links,
            rng,
            gate,
        }
    }

    fn route(&self, to: String) -> Route {
        Route {
            from: self.host.clone(),
            to,
            links: self.links.clone(),
            rng: self.rng.fork(),
        }
    }

    fn breakable(&self, stream: TcpStream, route: Route, dialled: Option<Dialling>) -> Breakable {
        let reset = self.links.reset_of(&self.host);
        Breakable::new(stream, reset, route, self.gate.clone(), dialled)
    }

    async fn connect_stream(&self, addr: &str, route: &Route) -> io::Result<TcpStream> {
        let target = route.to.as_str();
        if let Some(delay) = route.delay() {
            tokio::time::sleep(delay).await;
        }
        loop {
            self.gate.pass().await;
            if self.links.is_cut(&self.host, target) {
                tokio::time::sleep(SYN_RETRY).await;
                continue;
            }
            if self.links.is_process_down(target) {
                tokio::time::sleep(Duration::from_millis(1)).await;
                return Err(io::ErrorKind::ConnectionRefused.into());
            }
            match TcpStream::connect(addr).await {
                // The cut came while the attempt was under way.
                Err(_) if self.links.is_cut(&self.host, target) => {}
                outcome => return outcome,
            }
        }
    }
}

impl Net for SimNet {
    fn connect<'a>(&'a self, addr: &'a str) -> BoxFuture<'a, io::Result<Connection>> {
        Box::pin(async move {
            let (target, _port) = addr.rsplit_once(':').unwrap_or((addr, ""));
            let route = self.route(target.to_owned());
            let dialling = self.links.dials.begin(&self.host, target);
            let stream = self.connect_stream(addr, &route).await?;
            let peer_addr = stream.peer_addr()?;
            let stream = self.breakable(stream, route, Some(dialling));
            Ok(Connection {
                stream: Box::new(stream),
                peer_addr,
            })
        })
    }

    fn listen<'a>(&'a self, addr: &'a str) -> BoxFuture<'a, io::Result<Box<dyn Listener>>> {
        Box::pin(async move {
            let listener = TcpListener::bind(addr).await?;
            let local_addr = listener.local_addr()?;
            Ok(Box::new(SimListener {
                listener,
                local_addr,
                net: self.clone(),
            }) as Box<dyn Listener>)
        })
    }
}

struct SimListener {
    listener: TcpListener,
    local_addr: SocketAddr,
    net: SimNet,
}

impl Listener for SimListener {
    fn accept(&mut self) -> BoxFuture<'_, io::Result<Connection>> {
        Box::pin(async move {
            let (stream, peer_addr) = self.listener.accept().await?;
            self.net.gate.pass().await;
            if self.net.links.is_full(&self.net.host) {
                // EMFILE: the kernel keeps the connection waiting; here it is gone.
                return Err(io::Error::from_raw_os_error(24));
            }
            let from = turmoil::reverse_lookup(peer_addr.ip()).unwrap_or_default();
            let route = self.net.route(from);
            let stream = self.net.breakable(stream, route, None);
            Ok(Connection {
                stream: Box::new(stream),
                peer_addr,
            })
        })
    }

    fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }
}
