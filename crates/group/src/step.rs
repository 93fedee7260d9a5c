//! The step of a group that is on its way: a proposal to metadata, then the fence of what
//! metadata has in the offsets log.
//!
//! Groups of every kind decide this way and differ in what they propose (`P`) and in what they
//! fence (`F`). What is not known to have happened is tried again after a pause.
//!
//! Invariant: at most one proposal or fence is on its way, so that an unknown outcome can be
//! found out by reading.

/// Pause before an unconfirmed step is tried again.
const RETRY_MS: u64 = 100;

/// What is on its way.
#[derive(Clone, Debug)]
pub(crate) enum Step<P, F> {
    /// Nothing.
    Idle,
    /// The first fence of a restored group is on its way.
    Loading { fence: F, retry_at_ms: Option<u64> },
    /// On its way to metadata; at `retry_at_ms` the record is to be read.
    Proposed {
        proposal: P,
        retry_at_ms: Option<u64>,
    },
    /// In metadata, on its way to the offsets log; at `retry_at_ms` the fence is repeated.
    Fencing {
        proposal: P,
        fence: F,
        retry_at_ms: Option<u64>,
    },
    /// Another node coordinates.
    Closed,
}

/// What is to be tried again.
pub(crate) enum Retry<'a, F> {
    /// Metadata may have the proposal: read the record.
    Read,
    /// The offsets log may have the fence: it changes nothing a second time.
    Fence(&'a F),
}

impl<P, F> Step<P, F> {
    pub(crate) fn loading(fence: F) -> Self {
        Self::Loading {
            fence,
            retry_at_ms: None,
        }
    }

    pub(crate) fn proposed(proposal: P) -> Self {
        Self::Proposed {
            proposal,
            retry_at_ms: None,
        }
    }

    pub(crate) fn fencing(proposal: P, fence: F) -> Self {
        Self::Fencing {
            proposal,
            fence,
            retry_at_ms: None,
        }
    }

    pub(crate) fn is_idle(&self) -> bool {
        matches!(self, Self::Idle)
    }

    pub(crate) fn is_loading(&self) -> bool {
        matches!(self, Self::Loading { .. })
    }

    pub(crate) fn is_closed(&self) -> bool {
        matches!(self, Self::Closed)
    }

    pub(crate) fn retry_at_ms(&self) -> Option<u64> {
        match self {
            Self::Loading { retry_at_ms, .. }
            | Self::Proposed { retry_at_ms, .. }
            | Self::Fencing { retry_at_ms, .. } => *retry_at_ms,
            Self::Idle | Self::Closed => None,
        }
    }

    /// What is to be tried again by now. It is told once.
    pub(crate) fn take_retry(&mut self, now_ms: u64) -> Option<Retry<'_, F>> {
        self.retry_at_ms().filter(|at_ms| *at_ms <= now_ms)?;
        match self {
            Self::Proposed { retry_at_ms, .. } => {
                *retry_at_ms = None;
                Some(Retry::Read)
            }
            Self::Loading { fence, retry_at_ms }
            | Self::Fencing {
                fence, retry_at_ms, ..
            } => {
                *retry_at_ms = None;
                Some(Retry::Fence(fence))
            }
            Self::Idle | Self::Closed => None,
        }
    }

    /// Whether metadata has the proposal is not known.
    pub(crate) fn doubt_proposal(&mut self, now_ms: u64) {
        if let Self::Proposed { retry_at_ms, .. } = self {
            *retry_at_ms = Some(now_ms.saturating_add(RETRY_MS));
        }
    }

    /// Whether the offsets log has the fence is not known.
    pub(crate) fn doubt_fence(&mut self, now_ms: u64) {
        if let Self::Loading { retry_at_ms, .. } | Self::Fencing { retry_at_ms, .. } = self {
            *retry_at_ms = Some(now_ms.saturating_add(RETRY_MS));
        }
    }
}
