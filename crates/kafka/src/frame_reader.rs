//! Requests off the socket: a big-endian i32 size, then that many bytes.
//!
//! Invariant: a claim holds nothing. Memory grows with the bytes that arrive, and a frame gets its
//! room among the requests in progress when it has begun to arrive; from then on every stretch of
//! time must bring its share of it.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::timeout;

use crate::GatewayLimits;
use crate::request_room::RequestRoom;

/// What of a frame is read before it has room, bytes, on each connection.
const TRUSTED_BYTES: usize = 16 << 10;

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

/// A frame behind its size, and its room among the requests in progress.
pub(crate) struct RequestFrame {
    pub(crate) bytes: Bytes,
    pub(crate) room: OwnedSemaphorePermit,
}

/// Reads the requests of one connection.
pub(crate) struct FrameReader<R> {
    stream: R,
    room: RequestRoom,
    limits: GatewayLimits,
}

impl<R: AsyncRead + Unpin> FrameReader<R> {
    pub(crate) fn new(stream: R, room: RequestRoom, limits: GatewayLimits) -> Self {
        Self {
            stream,
            room,
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

    /// Reads a frame of `size` bytes, which `FrameReader::size` gave; waits for room when it has
    /// begun to arrive.
    pub(crate) async fn body(&mut self, size: usize) -> Result<RequestFrame, ReadEnd> {
        let mut frame = BytesMut::with_capacity(size.min(TRUSTED_BYTES));
        self.fill(&mut frame, size.min(TRUSTED_BYTES), size).await?;
        let room = self.room.acquire(size).await;
        self.fill(&mut frame, size, size).await?;
        Ok(RequestFrame {
            bytes: frame.freeze(),
            room,
        })
    }

    /// Reads on until `upto` bytes of a frame of `size` are there.
    async fn fill(
        &mut self,
        frame: &mut BytesMut,
        upto: usize,
        size: usize,
    ) -> Result<(), ReadEnd> {
        let stretch = self.limits.stall_limit;
        let share = self.limits.bytes_per_second_min as f64 * stretch.as_secs_f64();
        // Rounded down, but never nothing.
        let share = (share as usize).max(1);
        while frame.len() < upto {
            let next = upto.min(frame.len().saturating_add(share));
            let arrived = timeout(stretch, self.read_to(frame, next, size)).await;
            arrived.map_err(|_| ReadEnd::Stalled { size })??;
        }
        Ok(())
    }

    async fn read_to(
        &mut self,
        frame: &mut BytesMut,
        upto: usize,
        size: usize,
    ) -> std::io::Result<()> {
        while frame.len() < upto {
            if frame.len() == frame.capacity() {
                // Doubles, and ends exactly at the frame.
                frame.reserve(frame.len().min(size - frame.len()));
            }
            let wanted = (frame.capacity().min(upto) - frame.len()) as u64;
            if (&mut self.stream).take(wanted).read_buf(frame).await? == 0 {
                return Err(std::io::Error::from(std::io::ErrorKind::UnexpectedEof));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn reader(bytes: &[u8], limits: GatewayLimits) -> FrameReader<std::io::Cursor<Vec<u8>>> {
        let room = RequestRoom::new(&limits);
        FrameReader::new(std::io::Cursor::new(bytes.to_vec()), room, limits)
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
        let mut reader = FrameReader::new(server, RequestRoom::new(&limits), limits);
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
