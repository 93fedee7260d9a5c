//! Replays the corpus.
