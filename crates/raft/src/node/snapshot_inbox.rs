//! Puts a snapshot together from its pieces. One at a time per replica, bounded in bytes.

use bytes::{Bytes, BytesMut};
use floe_model::ReplicaId;

/// Largest snapshot that is taken: states are kept small by design.
const SNAPSHOT_BYTES_MAX: u64 = 1 << 30;

/// The snapshot that is being received.
#[derive(Debug, Default)]
pub(crate) struct SnapshotInbox {
    transfer: Option<(ReplicaId, u64)>,
    bytes: BytesMut,
}

/// What became of a piece.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Piece {
    /// Taken; more to come.
    More,
    /// Taken, and it was the last.
    Whole(Bytes),
    /// It does not continue what is here.
    Restart,
}

impl SnapshotInbox {
    /// Takes the piece at `offset` of transfer `(from, id)`.
    pub(crate) fn take(
        &mut self,
        transfer: (ReplicaId, u64),
        offset: u64,
        total: u64,
        data: &[u8],
    ) -> Piece {
        if offset == 0 {
            self.transfer = Some(transfer);
            self.bytes.clear();
        }
        let end = self.bytes.len() as u64 + data.len() as u64;
        let continues = self.transfer == Some(transfer) && offset == self.bytes.len() as u64;
        if !continues || end > total || total > SNAPSHOT_BYTES_MAX {
            *self = Self::default();
            return Piece::Restart;
        }
        self.bytes.extend_from_slice(data);
        if end < total {
            return Piece::More;
        }
        self.transfer = None;
        Piece::Whole(std::mem::take(&mut self.bytes).freeze())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: (ReplicaId, u64) = (ReplicaId(1), 1);
    const B: (ReplicaId, u64) = (ReplicaId(1), 2);

    #[test]
    fn pieces_in_order_make_a_whole() {
        let mut inbox = SnapshotInbox::default();
        assert_eq!(inbox.take(A, 0, 5, b"abc"), Piece::More);
        assert_eq!(
            inbox.take(A, 3, 5, b"de"),
            Piece::Whole(Bytes::from_static(b"abcde"))
        );
    }

    #[test]
    fn gaps_strangers_and_excess_restart() {
        let mut inbox = SnapshotInbox::default();
        assert_eq!(inbox.take(A, 3, 5, b"de"), Piece::Restart);
        assert_eq!(inbox.take(A, 0, 5, b"abc"), Piece::More);
        assert_eq!(inbox.take(B, 3, 5, b"de"), Piece::Restart);
        assert_eq!(inbox.take(A, 0, 5, b"abc"), Piece::More);
        assert_eq!(inbox.take(A, 3, 5, b"def"), Piece::Restart);
        assert_eq!(
            inbox.take(A, 0, SNAPSHOT_BYTES_MAX + 1, b"a"),
            Piece::Restart
        );
    }
}
