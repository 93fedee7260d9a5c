//! The fuzz targets on stable Rust: the corpus replayed, and a bounded number of damaged frames of it.
//! The example `fuzz` does the same with millions.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

#[path = "../fuzz/corpus.rs"]
mod corpus;
#[path = "../fuzz/mutation.rs"]
mod mutation;
#[path = "../fuzz/target.rs"]
mod target;

use floe_kafka_codec::APIS;

use mutation::Mutator;
use target::{Outcome, TARGETS};

/// Of each target.
const INPUTS: usize = 30_000;

#[test]
fn there_is_a_target_for_every_request_decoder() {
    let targets: Vec<_> = TARGETS.iter().map(|target| target.api).collect();
    let served: Vec<_> = APIS.iter().map(|api| api.key).collect();
    assert_eq!(targets, served);
}

#[test]
fn every_frame_of_the_corpus_is_survived_by_every_target() {
    let corpus = corpus::all().unwrap();
    for target in TARGETS {
        let own = target.api.number().to_be_bytes();
        for (name, frame) in &corpus {
            let outcome = target.run(frame);
            if !name.starts_with("bad_") && frame.starts_with(&own) {
                assert_eq!(outcome, Outcome::Decoded, "{name}");
            }
        }
    }
}

#[test]
fn damaged_frames_of_the_corpus_give_requests_or_errors() {
    let corpus = corpus::all().unwrap();
    for target in TARGETS {
        let own = corpus::of(target.api, &corpus);
        let mut mutator = Mutator::new(&own, &corpus, 1);
        let mut decoded = 0;
        for _ in 0..INPUTS {
            decoded += usize::from(target.run(&mutator.input()) == Outcome::Decoded);
        }
        // Damage that is always refused at once would test nothing behind the first field.
        assert!(decoded > INPUTS / 50, "{:?}: {decoded}", target.api);
        assert!(decoded < INPUTS * 49 / 50, "{:?}: {decoded}", target.api);
    }
}
