//! What customers are told: "100 m away" and "delivered", each exactly once per order.

use std::collections::BTreeMap;

use crate::{Phase, Position};

/// Route left at which the customer is told, metres.
const NEAR_M: f64 = 100.0;

/// Messages sent, with how often.
#[derive(Debug, Default)]
pub(crate) struct Notifications {
    sent: BTreeMap<(u64, Message), u64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Message {
    Near,
    Delivered,
}

impl Notifications {
    /// Takes one position.
    pub(crate) fn on(&mut self, position: &Position) {
        let near = position.phase == Phase::ToCustomer && position.left_m <= NEAR_M;
        if near && !self.sent.contains_key(&(position.order, Message::Near)) {
            self.send(position.order, Message::Near);
        }
        if position.phase == Phase::Delivered {
            self.send(position.order, Message::Delivered);
        }
    }

    fn send(&mut self, order: u64, message: Message) {
        *self.sent.entry((order, message)).or_default() += 1;
    }

    /// Messages sent.
    #[must_use]
    pub(crate) fn count(&self) -> u64 {
        self.sent.values().sum()
    }

    /// Messages missing, unfounded, or sent more than once.
    #[must_use]
    pub(crate) fn wrong(&self, truth: &Self) -> u64 {
        super::differences(&self.sent, &truth.sent)
    }
}
