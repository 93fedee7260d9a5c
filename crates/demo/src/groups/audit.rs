//! Which positions arrived, and whether once and in order.

/// Keeps count per courier. Memory: one bit per position.
#[derive(Debug, Default)]
pub(crate) struct Audit {
    couriers: Vec<Arrivals>,
    received: u64,
    duplicates: u64,
    out_of_order: u64,
}

#[derive(Clone, Debug, Default)]
struct Arrivals {
    seen: Vec<u64>,
    next_seq: u64,
}

impl Audit {
    /// Notes one arrival; `true` when it is the first of this position.
    pub(crate) fn arrived(&mut self, courier: u32, seq: u64) -> bool {
        let courier = courier as usize;
        if courier >= self.couriers.len() {
            self.couriers.resize(courier + 1, Arrivals::default());
        }
        let arrivals = &mut self.couriers[courier];
        self.received += 1;
        if !arrivals.mark(seq) {
            self.duplicates += 1;
            return false;
        }
        if seq < arrivals.next_seq {
            self.out_of_order += 1;
        }
        arrivals.next_seq = arrivals.next_seq.max(seq + 1);
        true
    }

    /// All arrivals, repeated ones included.
    #[must_use]
    pub(crate) fn received(&self) -> u64 {
        self.received
    }

    /// Arrivals of positions that had arrived before.
    #[must_use]
    pub(crate) fn duplicates(&self) -> u64 {
        self.duplicates
    }

    /// First arrivals behind a later position of the same courier.
    #[must_use]
    pub(crate) fn out_of_order(&self) -> u64 {
        self.out_of_order
    }

    /// Positions that `other` has and this has not.
    #[must_use]
    pub(crate) fn missing_of(&self, other: &Self) -> u64 {
        let mut missing = 0;
        for (courier, theirs) in other.couriers.iter().enumerate() {
            let ours = self.couriers.get(courier);
            for (word, &bits) in theirs.seen.iter().enumerate() {
                let have = ours
                    .and_then(|ours| ours.seen.get(word))
                    .copied()
                    .unwrap_or(0);
                missing += u64::from((bits & !have).count_ones());
            }
        }
        missing
    }
}

impl Arrivals {
    fn mark(&mut self, seq: u64) -> bool {
        let (word, bit) = place(seq);
        if word >= self.seen.len() {
            self.seen.resize(word + 1, 0);
        }
        let first = self.seen[word] & bit == 0;
        self.seen[word] |= bit;
        first
    }
}

fn place(seq: u64) -> (usize, u64) {
    (
        usize::try_from(seq / 64).unwrap_or(usize::MAX),
        1 << (seq % 64),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arrivals_are_told_apart() {
        let (mut sent, mut got) = (Audit::default(), Audit::default());
        for seq in 0..200 {
            sent.arrived(3, seq);
        }
        for seq in [0, 1, 1, 5, 4, 70] {
            got.arrived(3, seq);
        }
        assert_eq!(
            (got.received(), got.duplicates(), got.out_of_order()),
            (6, 1, 1)
        );
        assert_eq!(got.missing_of(&sent), 195);
        assert_eq!(sent.missing_of(&got), 0);
    }
}
