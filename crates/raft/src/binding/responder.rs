//! Carries the outcome of a proposal from openraft to its proposer.
//!
//! Each proposal holds its share of the byte budgets until it is answered; a responder that is
//! dropped unanswered (the group stopped) frees the share and reads as *outcome unknown*.

use std::any::Any;
use std::marker::PhantomData;

use openraft::errors::{ClientWriteError, ForwardToLeader};
use openraft::raft::ClientWriteResult;
use openraft::raft::responder::Responder;
use tokio::sync::{OwnedSemaphorePermit, oneshot};

use super::type_config::Types;
use crate::Applied;

/// Openraft's answer before it is put in our words.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// Committed and applied.
    Applied(Applied),
    /// Never appended: this replica did not lead in the expected term.
    NotLeader {
        /// The replica that leads, if known.
        leader: Option<u64>,
    },
    /// Appended, then replaced or covered by another leader's log.
    Unknown,
}

/// What a proposal holds of the budgets of its group and, for records, of the node.
pub(crate) type Share = (OwnedSemaphorePermit, Option<OwnedSemaphorePermit>);

/// Answers one proposal.
pub(crate) struct ProposalResponder<T> {
    answer: oneshot::Sender<Outcome>,
    _share: Share,
    _result: PhantomData<fn(T)>,
}

impl<T> ProposalResponder<T> {
    pub(crate) fn new(answer: oneshot::Sender<Outcome>, share: Share) -> Self {
        Self {
            answer,
            _share: share,
            _result: PhantomData,
        }
    }
}

impl<T: Send + 'static> Responder<Types, T> for ProposalResponder<T> {
    fn on_complete(self, result: T) {
        // Openraft asks for a responder of any result; writes are the only ones that use ours.
        let mut result = Some(result);
        let result =
            (&mut result as &mut dyn Any).downcast_mut::<Option<ClientWriteResult<Types>>>();
        if let Some(result) = result.and_then(Option::take) {
            // A proposer that gave up needs no answer.
            drop(self.answer.send(outcome(result)));
        }
    }
}

fn outcome(result: ClientWriteResult<Types>) -> Outcome {
    match result {
        Ok(response) => match response.data {
            Some(applied) => Outcome::Applied(applied),
            None => Outcome::Unknown,
        },
        Err(ClientWriteError::ForwardToLeader(ForwardToLeader { leader_id, .. })) => {
            Outcome::NotLeader { leader: leader_id }
        }
        Err(
            ClientWriteError::LogEntryDiscarded(_)
            | ClientWriteError::ChangeMembershipError(_)
            | ClientWriteError::PreconditionFailed(_),
        ) => Outcome::Unknown,
    }
}
