//! Damages frames, seeded: the same seed and corpus give the same inputs on every machine.
//!
//! Mutations are those that find bugs in length-prefixed formats: forged counts and lengths, cuts, pieces of
//! other frames, repeated and removed pieces, flipped bits, edge numbers.

/// Length of most headers in the corpus, bytes.
const HEADER_BYTES: usize = 16;
/// Longest input that growth makes, bytes.
const INPUT_BYTES_MAX: usize = 4096;

/// Numbers that decoders trip over, as they stand on the wire: of 8, 16, 32 and 64 bits and compact ones.
const EDGES: &[&[u8]] = &[
    b"\x00",
    b"\x01",
    b"\x7f",
    b"\x80",
    b"\xff",
    b"\x7f\xff",
    b"\xff\xff",
    b"\xff\xfe",
    b"\x80\x00",
    b"\x7f\xff\xff\xff",
    b"\x80\x00\x00\x00",
    b"\xff\xff\xff\xff",
    b"\xff\xff\xff\xfe",
    b"\x00\x00\x00\x00",
    b"\x00\x10\x00\x00",
    b"\x7f\xff\xff\xff\xff\xff\xff\xff",
    b"\x80\x00\x00\x00\x00\x00\x00\x00",
    b"\xff\xff\xff\xff\xff\xff\xff\xff",
    b"\xff\xff\xff\xff\x0f",
    b"\xff\xff\xff\xff\x07",
    b"\xff\xff\xff\xff\x10",
    b"\x80\x80\x80\x80\x80\x00",
    b"\x80\x80\x04",
];

/// Makes inputs out of a corpus.
pub(crate) struct Mutator<'a> {
    frames: &'a [Vec<u8>],
    corpus: &'a [(String, Vec<u8>)],
    state: u64,
}

impl<'a> Mutator<'a> {
    /// `frames` are damaged, with pieces of all of `corpus`; both hold at least one.
    pub(crate) fn new(frames: &'a [Vec<u8>], corpus: &'a [(String, Vec<u8>)], seed: u64) -> Self {
        Self {
            frames,
            corpus,
            state: seed,
        }
    }

    /// The next input: a frame with one to six mutations.
    pub(crate) fn input(&mut self) -> Vec<u8> {
        let mut frame = self.frames[self.below(self.frames.len())].clone();
        for _ in 0..1 + self.below(6) {
            self.mutate(&mut frame);
        }
        frame.truncate(INPUT_BYTES_MAX);
        frame
    }

    fn mutate(&mut self, frame: &mut Vec<u8>) {
        // Mostly behind the header, which would else be damaged in half of the frames.
        let first = if self.below(8) == 0 {
            0
        } else {
            frame.len().min(HEADER_BYTES)
        };
        let at = first + self.below(frame.len() - first + 1);
        let upto = at + self.below(frame.len() - at + 1);
        match self.below(10) {
            0 => frame.truncate(at),
            1 => self.overwrite(frame, at),
            2 => self.overwrite(frame, at),
            3 => {
                let edge = self.edge();
                frame.splice(at..at, edge.iter().copied());
            }
            4 => drop(frame.drain(at..upto.min(at + 8))),
            5 => {
                let piece = frame[at..upto].to_vec();
                frame.splice(at..at, piece);
            }
            6 => {
                let (_, other) = &self.corpus[self.below(self.corpus.len())];
                let from = self.below(other.len() + 1);
                frame.splice(at.., other[from..].iter().copied());
            }
            7 => {
                if let Some(byte) = frame.get_mut(at) {
                    *byte ^= 1 << self.below(8);
                }
            }
            8 => {
                if let Some(byte) = frame.get_mut(at) {
                    *byte = self.next() as u8;
                }
            }
            _ => {
                if let Some(byte) = frame.get_mut(at) {
                    *byte = byte.wrapping_add(if self.below(2) == 0 { 1 } else { 255 });
                }
            }
        }
    }

    fn overwrite(&mut self, frame: &mut [u8], at: usize) {
        let edge = self.edge();
        let upto = frame.len().min(at + edge.len());
        frame[at..upto].copy_from_slice(&edge[..upto - at]);
    }

    fn edge(&mut self) -> &'static [u8] {
        EDGES[self.below(EDGES.len())]
    }

    fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }

    /// splitmix64.
    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}
