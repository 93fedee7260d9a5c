//! Requests off the socket: a big-endian i32 size, then that many bytes.
//!
//! Invariant: memory grows with the bytes that arrive, not with the size that a frame claims, and
//! the bytes of all requests in progress have room in one budget before they are read.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use crate::GatewayLimits;

/// Memory taken for a frame before any of it is there, bytes.
const TRUSTED_BYTES: usize = 64 << 10;

/// Why no more requests come from a connection.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReadEnd {
    /// The peer closed, between two frames.
    #[error("closed by the peer")]
    Closed,
    /// The peer broke off inside a frame, or the connection failed.
    #[error("connection lost: {0}")]
    Lost(#[from] std::io::Error),
    /// The size of a frame is no size.
    #[error("frame of {size} bytes, at most {max} are allowed")]
    FrameSize {
        /// What the peer claims.
        size: i32,
        /// The limit at this point of the connection.
        max: usize,
    },
    /// Nothing came for too long.
    #[error("nothing within {0:?}")]
    Idle(Duration),
    /// A frame began and did not arrive in time.
    #[error("a frame of {size} bytes did not arrive in time")]
    Stalled {
        /// What the peer claims.
        size: usize,
    },
}

/// A frame behind its size, and its room in the budget of requests in progress.
pub(crate) struct RequestFrame {
    pub(crate) bytes: Bytes,
    pub(crate) room: OwnedSemaphorePermit,
}

/// Reads the requests of one connection.
pub(crate) struct FrameReader<R> {
    stream: R,
    budget: Arc<Semaphore>,
    limits: GatewayLimits,
}

impl<R: AsyncRead + Unpin> FrameReader<R> {
    pub(crate) fn new(stream: R, budget: Arc<Semaphore>, limits: GatewayLimits) -> Self {
        Self {
            stream,
            budget,
            limits,
        }
    }

    /// Waits for the first byte of a frame and reads its size. Cancelling loses nothing only
    /// before that byte.
    pub(crate) async fn size(&mut self, wait: Duration, max: usize) -> Result<usize, ReadEnd> {
        let mut size = [0; 4];
        let first = timeout(wait, self.stream.read(&mut size)).await;
        let mut read = first.map_err(|_| ReadEnd::Idle(wait))??;
        if read == 0 {
            return Err(ReadEnd::Closed);
        }
        let rest = async {
            while read < size.len() {
                match self.stream.read(&mut size[read..]).await? {
                    0 => return Err(std::io::Error::from(std::io::ErrorKind::UnexpectedEof)),
                    more => read += more,
                }
            }
            Ok(())
        };
        let stalled = |_| ReadEnd::Stalled { size: 4 };
        timeout(self.limits.stall_limit, rest)
            .await
            .map_err(stalled)??;
        let claimed = i32::from_be_bytes(size);
        match usize::try_from(claimed) {
            Ok(size) if size > 0 && size <= max => Ok(size),
            _ => Err(ReadEnd::FrameSize { size: claimed, max }),
        }
    }

    /// Waits for room and reads a frame of `size` bytes, which `FrameReader::size` gave.
    pub(crate) async fn body(&mut self, size: usize) -> Result<RequestFrame, ReadEnd> {
        let permits = u32::try_from(size).unwrap_or(u32::MAX);
        let room = Arc::clone(&self.budget).acquire_many_owned(permits).await;
        let room = room.expect("nobody closes the budget");
        let slowest = size / self.limits.bytes_per_second_min.max(1);
        let limit = self.limits.stall_limit + Duration::from_secs(slowest as u64);
        let arrived = timeout(limit, self.fill(size)).await;
        let bytes = arrived.map_err(|_| ReadEnd::Stalled { size })??;
        Ok(RequestFrame { bytes, room })
    }

    async fn fill(&mut self, size: usize) -> std::io::Result<Bytes> {
        let mut frame = BytesMut::with_capacity(size.min(TRUSTED_BYTES));
        while frame.len() < size {
            if frame.len() == frame.capacity() {
                // Doubles, and ends exactly at the frame.
                frame.reserve(frame.len().min(size - frame.len()));
            }
            let room = (frame.capacity().min(size) - frame.len()) as u64;
            if (&mut self.stream).take(room).read_buf(&mut frame).await? == 0 {
                return Err(std::io::Error::from(std::io::ErrorKind::UnexpectedEof));
            }
        }
        Ok(frame.freeze())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn reader(bytes: &[u8], limits: GatewayLimits) -> FrameReader<std::io::Cursor<Vec<u8>>> {
        let budget = Arc::new(Semaphore::new(limits.in_progress_bytes_max));
        FrameReader::new(std::io::Cursor::new(bytes.to_vec()), budget, limits)
    }

    #[tokio::test]
    async fn sizes_that_are_none_end_the_connection() {
        for claimed in [0, -1, i32::MIN, i32::MAX, 101] {
            let mut reader = reader(&i32::to_be_bytes(claimed), GatewayLimits::default());
            let end = reader.size(Duration::from_secs(1), 100).await.unwrap_err();
            assert!(matches!(end, ReadEnd::FrameSize { size, .. } if size == claimed));
        }
    }

    #[tokio::test]
    async fn a_frame_comes_whole_however_it_is_cut() {
        let body: Vec<u8> = (0..200_000u32).map(|i| i as u8).collect();
        let mut sent = 200_000i32.to_be_bytes().to_vec();
        sent.extend(&body);
        let (client, server) = tokio::io::duplex(1000);
        let limits = GatewayLimits::default();
        let budget = Arc::new(Semaphore::new(limits.in_progress_bytes_max));
        let mut reader = FrameReader::new(server, budget, limits);
        let mut client = client;
        let write = tokio::io::AsyncWriteExt::write_all(&mut client, &sent);
        let read = async {
            let size = reader.size(Duration::from_secs(9), 1 << 20).await.unwrap();
            reader.body(size).await.unwrap()
        };
        let (written, frame) = tokio::join!(write, read);
        written.unwrap();
        assert_eq!(frame.bytes, body);
    }

    #[tokio::test]
    async fn a_large_claim_takes_no_memory_and_a_short_frame_is_lost() {
        let mut reader = reader(&[0; 10], GatewayLimits::default());
        let end = reader.body(100 << 20).await.err().unwrap();
        assert!(matches!(end, ReadEnd::Lost(_)));
    }
}
