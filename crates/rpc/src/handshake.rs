//! The first frame each way: who speaks, which protocol, which cluster.
//!
//! A hello is magic `FLOE`, protocol version u16, length u16 (big-endian) and that many bytes of
//! bincode. The answer has the same head, so that builds of different versions can refuse each
//! other by it alone. Invariant: no request is read before both sides have accepted, and a
//! silent or garbling dialler is gone after [`HANDSHAKE_TIMEOUT`].

use std::io;

use bytes::{Bytes, BytesMut};
use floe_env::Stream;
use floe_model::{ClusterId, Incarnation, NodeId, NodeUuid};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::limits::HANDSHAKE_TIMEOUT;
use crate::payload::Pinning;
use crate::wire;

/// The protocol this build speaks.
pub const PROTOCOL_VERSION: u16 = 1;

const MAGIC: [u8; 4] = *b"FLOE";
const HEAD_BYTES: usize = 8;
const BODY_BYTES_MAX: usize = 4 << 10;

/// Who a node is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PeerIdentity {
    /// Its cluster, once it has one.
    pub cluster_id: Option<ClusterId>,
    /// The configured name of its cluster.
    pub cluster_name: String,
    /// Its place in the cluster.
    pub node_id: NodeId,
    /// Its disk.
    pub node_uuid: NodeUuid,
    /// Its start.
    pub incarnation: Incarnation,
}

/// What a connection between nodes is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Channel {
    /// Appends.
    Data,
    /// Votes, beats and small metadata.
    Control,
    /// Snapshots.
    Bulk,
}

/// Why a node does not talk to another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum Refusal {
    /// Another protocol.
    #[error("protocol version {theirs} is not {ours}")]
    UnsupportedVersion {
        /// Of the side that refuses.
        ours: u16,
        /// Of the other side.
        theirs: u16,
    },
    /// Another cluster.
    #[error("cluster {theirs} is not {ours}")]
    WrongCluster {
        /// Of the side that refuses.
        ours: ClusterId,
        /// Of the other side.
        theirs: ClusterId,
    },
    /// A cluster of another name.
    #[error("cluster name {theirs:?} is not {ours:?}")]
    WrongClusterName {
        /// Of the side that refuses.
        ours: String,
        /// Of the other side.
        theirs: String,
    },
    /// Another node listens here.
    #[error("this is node {actual}, not {expected}")]
    WrongNode {
        /// Whom the dialler wanted.
        expected: NodeId,
        /// Who answered.
        actual: NodeId,
    },
    /// The node id belongs to another disk.
    #[error("node {node_id} has disk {expected}, not {actual}")]
    ForeignDisk {
        /// The node.
        node_id: NodeId,
        /// The disk on record.
        expected: NodeUuid,
        /// The disk presented.
        actual: NodeUuid,
    },
    /// The listener serves nodes and a client came, or the other way round.
    #[error("wrong listener")]
    WrongListener,
    /// The node cannot serve yet.
    #[error("not ready")]
    NotReady,
    /// Not a hello.
    #[error("malformed hello")]
    Malformed,
}

/// Why a handshake failed.
#[derive(Debug, thiserror::Error)]
pub enum HandshakeError {
    /// One side refused.
    #[error("refused: {0}")]
    Refused(#[from] Refusal),
    /// Nothing, or not enough, came in time.
    #[error("no hello in time")]
    Timeout,
    /// The connection broke.
    #[error("connection lost: {0}")]
    Io(#[from] io::Error),
}

/// What a dialler says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Hello {
    /// A native client, with the cluster it expects.
    Client { cluster_id: Option<ClusterId> },
    /// A node.
    Peer {
        channel: Channel,
        identity: PeerIdentity,
        to: NodeId,
    },
}

/// Says hello and returns who answered.
pub(crate) async fn dial(
    stream: &mut Stream,
    hello: &Hello,
) -> Result<PeerIdentity, HandshakeError> {
    let exchange = async {
        write(stream, hello).await?;
        let answer: Result<PeerIdentity, Refusal> = read(stream).await?;
        Ok(answer?)
    };
    tokio::time::timeout(HANDSHAKE_TIMEOUT, exchange)
        .await
        .unwrap_or(Err(HandshakeError::Timeout))
}

/// Reads a hello, lets `judge` decide, and answers with `me` or the refusal.
pub(crate) async fn accept<T>(
    stream: &mut Stream,
    me: &PeerIdentity,
    judge: impl FnOnce(Hello) -> Result<T, Refusal>,
) -> Result<T, HandshakeError> {
    let exchange = async {
        let verdict = match read::<Hello>(stream).await {
            Ok(hello) => judge(hello),
            Err(HandshakeError::Refused(refusal)) => Err(refusal),
            Err(error) => return Err(error),
        };
        let answer = verdict.as_ref().map(|_| me).map_err(Clone::clone);
        write(stream, &answer).await?;
        Ok(verdict?)
    };
    tokio::time::timeout(HANDSHAKE_TIMEOUT, exchange)
        .await
        .unwrap_or(Err(HandshakeError::Timeout))
}

async fn write<T: Serialize>(stream: &mut Stream, message: &T) -> Result<(), HandshakeError> {
    let mut bytes = BytesMut::zeroed(HEAD_BYTES);
    wire::append(message, &mut bytes, BODY_BYTES_MAX).map_err(|_| Refusal::Malformed)?;
    let length = u16::try_from(bytes.len() - HEAD_BYTES).map_err(|_| Refusal::Malformed)?;
    bytes[..4].copy_from_slice(&MAGIC);
    bytes[4..6].copy_from_slice(&PROTOCOL_VERSION.to_be_bytes());
    bytes[6..8].copy_from_slice(&length.to_be_bytes());
    stream.write_all(&bytes).await?;
    stream.flush().await?;
    Ok(())
}

async fn read<T: DeserializeOwned>(stream: &mut Stream) -> Result<T, HandshakeError> {
    let mut head = [0; HEAD_BYTES];
    stream.read_exact(&mut head).await?;
    let [m0, m1, m2, m3, v0, v1, l0, l1] = head;
    if [m0, m1, m2, m3] != MAGIC {
        return Err(Refusal::Malformed.into());
    }
    let theirs = u16::from_be_bytes([v0, v1]);
    if theirs != PROTOCOL_VERSION {
        let ours = PROTOCOL_VERSION;
        return Err(Refusal::UnsupportedVersion { ours, theirs }.into());
    }
    let length = usize::from(u16::from_be_bytes([l0, l1]));
    if length > BODY_BYTES_MAX {
        return Err(Refusal::Malformed.into());
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await?;
    let body = Bytes::from(body);
    wire::decode_frame(&body, BODY_BYTES_MAX, Pinning::Free).map_err(|_| Refusal::Malformed.into())
}

/// Whether two nodes may belong to one cluster. A node without a cluster id may talk to any
/// cluster of its name: that is how it finds out.
pub(crate) fn same_cluster(ours: &PeerIdentity, theirs: &PeerIdentity) -> Result<(), Refusal> {
    if ours.cluster_name != theirs.cluster_name {
        return Err(Refusal::WrongClusterName {
            ours: ours.cluster_name.clone(),
            theirs: theirs.cluster_name.clone(),
        });
    }
    match (ours.cluster_id, theirs.cluster_id) {
        (Some(ours), Some(theirs)) if ours != theirs => Err(Refusal::WrongCluster { ours, theirs }),
        _ => Ok(()),
    }
}
