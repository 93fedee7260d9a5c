//! Reads the frames of `corpus/`, sorted by name so that a seed means the same everywhere.

use std::io;
use std::path::Path;

use floe_kafka_codec::ApiKey;

/// The frames of one API.
pub(crate) fn of(api: ApiKey, corpus: &[(String, Vec<u8>)]) -> Vec<Vec<u8>> {
    let key = api.number().to_be_bytes();
    let frames = corpus.iter().map(|(_, frame)| frame);
    frames
        .filter(|frame| frame.starts_with(&key))
        .cloned()
        .collect()
}

/// Every file of the corpus by name.
pub(crate) fn all() -> io::Result<Vec<(String, Vec<u8>)>> {
    let mut corpus = Vec::new();
    for file in std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus"))? {
        let path = file?.path();
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        if name != "README.md" {
            corpus.push((name, std::fs::read(&path)?));
        }
    }
    corpus.sort();
    Ok(corpus)
}
