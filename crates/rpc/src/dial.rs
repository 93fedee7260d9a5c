//! The calling end of one connection: connect, handshake, tarpc's dispatch.
//!
//! Invariant: making a connection takes bounded time, and a connection's driver is its only
//! task: when it ends or is dropped, the connection is closed and all its calls have failed.

use std::future::Future;
use std::io;

use floe_env::{Env, Stream};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tarpc::RequestName;
use tokio::time::timeout;
use tokio_util::codec::Framed;

use crate::call::{CallStub, Pulse};
use crate::codec::ClientCodec;
use crate::handshake::{self, HandshakeError, Hello};
use crate::limits::{BUFFER_BYTES, CONNECT_TIMEOUT};
use crate::{PeerIdentity, Refusal};

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// Nobody listens at this address.
    #[error("connection refused")]
    ConnectionRefused,
    /// The network failed.
    #[error("cannot connect: {0}")]
    Io(io::Error),
    /// Nobody answered in time.
    #[error("no answer in time")]
    Timeout,
    /// The node, or this side, refused the other.
    #[error("refused: {0}")]
    Refused(Refusal),
}

impl From<HandshakeError> for ConnectError {
    fn from(error: HandshakeError) -> Self {
        match error {
            HandshakeError::Refused(refusal) => Self::Refused(refusal),
            HandshakeError::Timeout => Self::Timeout,
            HandshakeError::Io(error) => Self::from(error),
        }
    }
}

impl From<io::Error> for ConnectError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::ConnectionRefused => Self::ConnectionRefused,
            _ => Self::Io(error),
        }
    }
}

/// Connects and says `hello`; returns the stream and who answered.
pub(crate) async fn dial(
    env: &Env,
    addr: &str,
    hello: &Hello,
) -> Result<(Stream, PeerIdentity), ConnectError> {
    let connection = timeout(CONNECT_TIMEOUT, env.net.connect(addr))
        .await
        .map_err(|_| ConnectError::Timeout)??;
    let mut stream = connection.stream;
    let server = handshake::dial(&mut stream, hello).await?;
    Ok((stream, server))
}

/// Turns a stream that has shaken hands into a stub and the future that drives it.
pub(crate) fn open<Req, Resp>(
    stream: Stream,
    frame_bytes_max: usize,
) -> (
    CallStub<Req, Resp>,
    impl Future<Output = ()> + Send + 'static,
)
where
    Req: RequestName + Serialize + Send + 'static,
    Resp: DeserializeOwned + Send + 'static,
{
    let pulse = Pulse::default();
    let codec = ClientCodec::<Req, Resp>::new(frame_bytes_max, pulse.clone());
    let mut transport = Framed::with_capacity(stream, codec, BUFFER_BYTES);
    transport.set_backpressure_boundary(BUFFER_BYTES);
    let client = tarpc::client::new(tarpc::client::Config::default(), transport);
    let stub = CallStub::new(client.client, pulse.clone());
    let driver = async move {
        let _closed = pulse.closed.clone().drop_guard();
        tokio::select! {
            biased;
            () = pulse.stop.cancelled() => {}
            ended = client.dispatch => {
                if let Err(error) = ended {
                    tracing::debug!(%error, "connection broke");
                }
            }
        }
    };
    (stub, driver)
}
