//! Answers onto the socket: vectored writes of slices that are shared with the log.
//!
//! A peer that takes nothing for the stall limit is gone: what it does not read stays in memory.

use std::io::IoSlice;
use std::time::Duration;

use bytes::{Buf as _, Bytes};
use floe_kafka_codec::Frame;
use tokio::io::{AsyncWrite, AsyncWriteExt as _};
use tokio::time::timeout;

/// Slices in one write.
const SLICES_MAX: usize = 64;

/// Why an answer did not leave.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WriteEnd {
    /// The connection failed.
    #[error("connection lost: {0}")]
    Lost(#[from] std::io::Error),
    /// The peer read nothing for too long.
    #[error("the peer took nothing within {0:?}")]
    Slow(Duration),
}

/// Writes one frame; gives up when no byte leaves within `stall_limit`.
pub(crate) async fn write_frame<W: AsyncWrite + Unpin>(
    stream: &mut W,
    frame: Frame,
    stall_limit: Duration,
) -> Result<(), WriteEnd> {
    let mut slices = frame.into_slices();
    let mut done = 0;
    while done < slices.len() {
        let end = slices.len().min(done + SLICES_MAX);
        let parts: Vec<IoSlice<'_>> = slices[done..end].iter().map(|s| IoSlice::new(s)).collect();
        let wrote = timeout(stall_limit, stream.write_vectored(&parts)).await;
        let mut wrote = wrote.map_err(|_| WriteEnd::Slow(stall_limit))??;
        if wrote == 0 {
            return Err(std::io::Error::from(std::io::ErrorKind::WriteZero).into());
        }
        while wrote > 0 {
            let slice: &mut Bytes = &mut slices[done];
            let taken = wrote.min(slice.len());
            slice.advance(taken);
            wrote -= taken;
            if slice.is_empty() {
                done += 1;
            }
        }
    }
    let flushed = timeout(stall_limit, stream.flush()).await;
    flushed.map_err(|_| WriteEnd::Slow(stall_limit))??;
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use floe_kafka_codec::Request as _;
    use floe_kafka_codec::messages::{ApiVersionsRequest, ApiVersionsResponse};
    use tokio::io::AsyncReadExt as _;

    use super::*;

    fn frame() -> Frame {
        ApiVersionsRequest::response_frame(&ApiVersionsResponse::default(), 3, 7).unwrap()
    }

    #[tokio::test]
    async fn a_frame_leaves_whole_through_a_narrow_pipe() {
        let (mut client, mut server) = tokio::io::duplex(3);
        let expected = frame().to_bytes();
        let mut got = vec![0; expected.len()];
        let limit = Duration::from_secs(9);
        let (wrote, read) = tokio::join!(
            write_frame(&mut server, frame(), limit),
            client.read_exact(&mut got)
        );
        wrote.unwrap();
        read.unwrap();
        assert_eq!(got, expected);
    }

    #[tokio::test]
    async fn a_peer_that_does_not_read_is_given_up() {
        let (_client, mut server) = tokio::io::duplex(3);
        let end = write_frame(&mut server, frame(), Duration::from_millis(20)).await;
        assert!(matches!(end, Err(WriteEnd::Slow(_))));
    }
}
