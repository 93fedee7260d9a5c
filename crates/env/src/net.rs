//! Sockets. Streams are boxed: one virtual call per read or write disappears behind the syscall.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpSocket, TcpStream, lookup_host};

pub(crate) type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Bytes both ways.
pub trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}
impl<S: AsyncRead + AsyncWrite + Send + Unpin> Duplex for S {}

/// A connected byte stream.
pub type Stream = Box<dyn Duplex>;

/// A stream and where it ends.
pub struct Connection {
    /// The bytes.
    pub stream: Stream,
    /// The other end.
    pub peer_addr: SocketAddr,
}

/// Makes connections and listeners.
pub trait Net: Send + Sync {
    /// Connects to `host:port`. Callers bound the wait with `tokio::time::timeout`.
    fn connect<'a>(&'a self, addr: &'a str) -> BoxFuture<'a, io::Result<Connection>>;

    /// Listens on `host:port`; port 0 takes a free one.
    fn listen<'a>(&'a self, addr: &'a str) -> BoxFuture<'a, io::Result<Box<dyn Listener>>>;
}

/// Accepts connections.
pub trait Listener: Send {
    /// The next connection. A failure concerns that connection only: callers go on accepting.
    fn accept(&mut self) -> BoxFuture<'_, io::Result<Connection>>;

    /// The bound address.
    fn local_addr(&self) -> SocketAddr;
}

/// TCP of the operating system.
#[derive(Debug)]
pub struct RealNet;

/// Unacknowledged data for this long kills a connection: a silent partition must not hang a link.
const USER_TIMEOUT: Duration = Duration::from_secs(10);
const LISTEN_BACKLOG: u32 = 1024;

impl Net for RealNet {
    fn connect<'a>(&'a self, addr: &'a str) -> BoxFuture<'a, io::Result<Connection>> {
        Box::pin(async move {
            let stream = TcpStream::connect(addr).await?;
            prepare(&stream)?;
            let peer_addr = stream.peer_addr()?;
            Ok(Connection {
                stream: Box::new(stream),
                peer_addr,
            })
        })
    }

    fn listen<'a>(&'a self, addr: &'a str) -> BoxFuture<'a, io::Result<Box<dyn Listener>>> {
        Box::pin(async move {
            let unresolved = || io::Error::from(io::ErrorKind::AddrNotAvailable);
            let addr = lookup_host(addr).await?.next().ok_or_else(unresolved)?;
            let socket = if addr.is_ipv4() {
                TcpSocket::new_v4()
            } else {
                TcpSocket::new_v6()
            }?;
            socket.set_reuseaddr(true)?;
            socket.bind(addr)?;
            let listener = socket.listen(LISTEN_BACKLOG)?;
            let local_addr = listener.local_addr()?;
            Ok(Box::new(RealListener {
                listener,
                local_addr,
            }) as Box<dyn Listener>)
        })
    }
}

struct RealListener {
    listener: TcpListener,
    local_addr: SocketAddr,
}

impl Listener for RealListener {
    fn accept(&mut self) -> BoxFuture<'_, io::Result<Connection>> {
        Box::pin(async move {
            let (stream, peer_addr) = self.listener.accept().await?;
            prepare(&stream)?;
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

fn prepare(stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let socket = SockRef::from(stream);
    socket.set_tcp_user_timeout(Some(USER_TIMEOUT))?;
    let keepalive = TcpKeepalive::new()
        .with_time(USER_TIMEOUT)
        .with_interval(USER_TIMEOUT / 5);
    socket.set_tcp_keepalive(&keepalive)
}
