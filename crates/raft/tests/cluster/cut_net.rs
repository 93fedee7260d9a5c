//! TCP whose directions between two nodes can be cut: bytes stall, as if packets were lost.
//!
//! Only dialled connections are wrapped: the dialler's writes are one direction, its reads the
//! other, so every connection between two nodes is covered once.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use floe_env::{Connection, Listener, Net, Stream};
use floe_model::NodeId;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Sleep;

const LOOK_AGAIN: Duration = Duration::from_millis(5);

/// Which directions are cut. Clones share it.
#[derive(Clone, Default)]
pub(crate) struct Cuts {
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    cut: BTreeSet<(NodeId, NodeId)>,
    places: BTreeMap<String, NodeId>,
}

impl Cuts {
    /// Stalls what `from` sends to `to`.
    pub(crate) fn cut(&self, from: NodeId, to: NodeId) {
        self.state.lock().unwrap().cut.insert((from, to));
    }

    pub(crate) fn cut_both(&self, a: NodeId, b: NodeId) {
        self.cut(a, b);
        self.cut(b, a);
    }

    pub(crate) fn heal(&self) {
        self.state.lock().unwrap().cut.clear();
    }

    pub(crate) fn place(&self, node: NodeId, addr: String) {
        self.state.lock().unwrap().places.insert(addr, node);
    }

    pub(crate) fn net(&self, me: NodeId, inner: Arc<dyn Net>) -> Arc<dyn Net> {
        let cuts = self.clone();
        Arc::new(CutNet { me, cuts, inner })
    }

    fn is_cut(&self, from: NodeId, to: NodeId) -> bool {
        self.state.lock().unwrap().cut.contains(&(from, to))
    }
}

struct CutNet {
    me: NodeId,
    cuts: Cuts,
    inner: Arc<dyn Net>,
}

type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

impl Net for CutNet {
    fn connect<'a>(&'a self, addr: &'a str) -> BoxFuture<'a, io::Result<Connection>> {
        Box::pin(async move {
            let peer = self.cuts.state.lock().unwrap().places.get(addr).copied();
            let Some(peer) = peer else {
                return self.inner.connect(addr).await;
            };
            while self.cuts.is_cut(self.me, peer) || self.cuts.is_cut(peer, self.me) {
                tokio::time::sleep(LOOK_AGAIN).await;
            }
            let connection = self.inner.connect(addr).await?;
            let stream = CutStream {
                inner: connection.stream,
                cuts: self.cuts.clone(),
                me: self.me,
                peer,
                reading: None,
                writing: None,
            };
            Ok(Connection {
                stream: Box::new(stream),
                peer_addr: connection.peer_addr,
            })
        })
    }

    fn listen<'a>(&'a self, addr: &'a str) -> BoxFuture<'a, io::Result<Box<dyn Listener>>> {
        self.inner.listen(addr)
    }
}

struct CutStream {
    inner: Stream,
    cuts: Cuts,
    me: NodeId,
    peer: NodeId,
    reading: Option<Pin<Box<Sleep>>>,
    writing: Option<Pin<Box<Sleep>>>,
}

fn wait_for_heal(
    cuts: &Cuts,
    from: NodeId,
    to: NodeId,
    pause: &mut Option<Pin<Box<Sleep>>>,
    context: &mut Context<'_>,
) -> Poll<()> {
    while cuts.is_cut(from, to) {
        let sleep = pause.get_or_insert_with(|| Box::pin(tokio::time::sleep(LOOK_AGAIN)));
        ready!(sleep.as_mut().poll(context));
        *pause = None;
    }
    Poll::Ready(())
}

impl AsyncRead for CutStream {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(wait_for_heal(
            &this.cuts,
            this.peer,
            this.me,
            &mut this.reading,
            context
        ));
        Pin::new(&mut this.inner).poll_read(context, buffer)
    }
}

impl AsyncWrite for CutStream {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        ready!(wait_for_heal(
            &this.cuts,
            this.me,
            this.peer,
            &mut this.writing,
            context
        ));
        Pin::new(&mut this.inner).poll_write(context, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().inner).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().inner).poll_shutdown(context)
    }
}
