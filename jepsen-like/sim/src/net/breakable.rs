//! A TCP stream that a fault can reset, delay or hold.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use floe_env::Gate;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Sleep;
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};
use turmoil::net::TcpStream;

use super::{Dialling, Route};

/// Works like the stream inside until it is reset; then every call fails. While the process is
/// held no call returns.
pub struct Breakable {
    stream: TcpStream,
    reset: CancellationToken,
    /// Wakes a reader that waits when the reset comes.
    waiting: Pin<Box<WaitForCancellationFutureOwned>>,
    /// Where written bytes go.
    route: Route,
    /// The write that comes now is late, and those behind it with it.
    late: Option<Pin<Box<Sleep>>>,
    gate: Gate,
    /// Counts as connected for as long as it lives.
    _dialled: Option<Dialling>,
}

impl Breakable {
    /// `reset` is cancelled when the stream breaks.
    pub fn new(
        stream: TcpStream,
        reset: CancellationToken,
        route: Route,
        gate: Gate,
        dialled: Option<Dialling>,
    ) -> Self {
        let waiting = Box::pin(reset.clone().cancelled_owned());
        Self {
            stream,
            reset,
            waiting,
            route,
            late: None,
            gate,
            _dialled: dialled,
        }
    }

    fn poll_usable(&self, context: &Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.gate.poll_pass(context));
        Poll::Ready(if self.reset.is_cancelled() {
            Err(io::ErrorKind::ConnectionReset.into())
        } else {
            Ok(())
        })
    }

    fn poll_punctual(&mut self, context: &mut Context<'_>) -> Poll<()> {
        if self.late.is_none() {
            let delay = self.route.delay();
            self.late = delay.map(|delay| Box::pin(tokio::time::sleep(delay)));
        }
        if let Some(late) = &mut self.late {
            ready!(late.as_mut().poll(context));
            self.late = None;
        }
        Poll::Ready(())
    }
}

impl AsyncRead for Breakable {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        ready!(self.gate.poll_pass(context));
        if self.waiting.as_mut().poll(context).is_ready() {
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Breakable {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_usable(context))?;
        ready!(self.poll_punctual(context));
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_usable(context))?;
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_usable(context))?;
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
