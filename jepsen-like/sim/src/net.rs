//! The network seam on turmoil's simulated hosts.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;

use floe_env::{Connection, Listener, Net};
use turmoil::net::{TcpListener, TcpStream};

type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// TCP between simulated hosts; names resolve in the simulation's DNS.
#[derive(Debug)]
pub struct SimNet;

impl Net for SimNet {
    fn connect<'a>(&'a self, addr: &'a str) -> BoxFuture<'a, io::Result<Connection>> {
        Box::pin(async move {
            let stream = TcpStream::connect(addr).await?;
            let peer_addr = stream.peer_addr()?;
            Ok(Connection { stream: Box::new(stream), peer_addr })
        })
    }

    fn listen<'a>(&'a self, addr: &'a str) -> BoxFuture<'a, io::Result<Box<dyn Listener>>> {
        Box::pin(async move {
            let listener = TcpListener::bind(addr).await?;
            let local_addr = listener.local_addr()?;
            Ok(Box::new(SimListener { listener, local_addr }) as Box<dyn Listener>)
        })
    }
}

struct SimListener {
    listener: TcpListener,
    local_addr: SocketAddr,
}

impl Listener for SimListener {
    fn accept(&mut self) -> BoxFuture<'_, io::Result<Connection>> {
        Box::pin(async move {
            let (stream, peer_addr) = self.listener.accept().await?;
            Ok(Connection { stream: Box::new(stream), peer_addr })
        })
    }

    fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }
}
