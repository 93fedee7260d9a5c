//! Makes values for messages: a seed is a message. Edge values are frequent.

use bytes::Bytes;

/// A source of values that fit one version.
pub struct Sampler {
    state: u64,
    version: i16,
    flexible: bool,
}

impl Sampler {
    pub fn new(seed: u64, version: i16, flexible: bool) -> Self {
        Self {
            state: seed,
            version,
            flexible,
        }
    }

    pub fn version(&self) -> i16 {
        self.version
    }

    pub fn is_flexible(&self) -> bool {
        self.flexible
    }

    /// splitmix64.
    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }

    pub fn array<const N: usize>(&mut self) -> [u8; N] {
        match self.below(6) {
            0 => [0; N],
            1 => [0xff; N],
            _ => std::array::from_fn(|_| self.next() as u8),
        }
    }

    pub fn bytes(&mut self) -> Bytes {
        let length = [0, 1, 17, 127, 128, 700][self.below(6)];
        (0..length).map(|_| self.next() as u8).collect()
    }

    pub fn string(&mut self) -> String {
        let length = [0, 1, 5, 9, 126, 127][self.below(6)];
        let letters = ['a', 'Z', '0', '-', '"', '\\', '\n', 'é', '日'];
        (0..length)
            .map(|_| letters[self.below(letters.len())])
            .collect()
    }
}
