//! Connections that can be cut at the end that made them.
//!
//! A cut holds: reads and writes wait, a new connection is not made, and nothing is lost when
//! the cut ends, as TCP sends again what was dropped. Whoever waits must have a timeout, as for
//! a real network. Reading and writing wait apart, since two tasks may do them.

use std::future::Future;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::Faults;
use crate::net::BoxFuture;
use crate::{Connection, Listener, Net, Stream};

pub(super) struct BreakableNet {
    inner: Arc<dyn Net>,
    faults: Faults,
}

impl BreakableNet {
    pub(super) fn new(inner: &Arc<dyn Net>, faults: &Faults) -> Self {
        Self {
            inner: Arc::clone(inner),
            faults: faults.clone(),
        }
    }
}

impl Net for BreakableNet {
    fn connect<'a>(&'a self, addr: &'a str) -> BoxFuture<'a, io::Result<Connection>> {
        Box::pin(async move {
            let to: Arc<str> = Arc::from(addr);
            self.faults.clone().until_reachable(Arc::clone(&to)).await;
            let made = self.inner.connect(addr).await?;
            let stream = CuttableStream {
                inner: made.stream,
                to,
                faults: self.faults.clone(),
                reading: None,
                writing: None,
            };
            Ok(Connection {
                stream: Box::new(stream),
                peer_addr: made.peer_addr,
            })
        })
    }

    fn listen<'a>(&'a self, addr: &'a str) -> BoxFuture<'a, io::Result<Box<dyn Listener>>> {
        self.inner.listen(addr)
    }
}

type Hold = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A stream that this node opened.
struct CuttableStream {
    inner: Stream,
    to: Arc<str>,
    faults: Faults,
    /// The end of the cut that a read waits for.
    reading: Option<Hold>,
    /// The end of the cut that a write waits for.
    writing: Option<Hold>,
}

/// Ready while `to` can be reached; otherwise wakes the task when it can.
fn poll_reachable(
    hold: &mut Option<Hold>,
    faults: &Faults,
    to: &Arc<str>,
    context: &mut Context<'_>,
) -> Poll<()> {
    loop {
        if let Some(waiting) = hold {
            ready!(waiting.as_mut().poll(context));
            *hold = None;
        }
        if faults.cut_left(to).is_none() {
            return Poll::Ready(());
        }
        *hold = Some(Box::pin(faults.clone().until_reachable(Arc::clone(to))));
    }
}

impl CuttableStream {
    fn poll_write_reachable(&mut self, context: &mut Context<'_>) -> Poll<()> {
        poll_reachable(&mut self.writing, &self.faults, &self.to, context)
    }
}

impl AsyncRead for CuttableStream {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(poll_reachable(
            &mut this.reading,
            &this.faults,
            &this.to,
            context
        ));
        Pin::new(&mut this.inner).poll_read(context, buffer)
    }
}

impl AsyncWrite for CuttableStream {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        ready!(this.poll_write_reachable(context));
        Pin::new(&mut this.inner).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        ready!(this.poll_write_reachable(context));
        Pin::new(&mut this.inner).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().inner).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().inner).poll_shutdown(context)
    }
}
