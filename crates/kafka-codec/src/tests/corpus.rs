//! Replays the frames of `corpus/`; its README says what they are.

use std::collections::BTreeMap;
use std::path::Path;

use bytes::Bytes;

use crate::api::for_each_api;
use crate::tests::sample_of;
use crate::writer::SIZE_PREFIX_BYTES;
use crate::{APIS, ApiKey, DecodeError, Request, RequestHeader, messages};

/// Decodes a frame and encodes what it holds, without its size.
fn again<R: Request>(header: &RequestHeader, body: &Bytes) -> Result<Bytes, DecodeError> {
    let request = R::decode(body, header.api_version)?;
    let frame = request
        .to_frame(
            header.api_version,
            header.correlation_id,
            header.client_id.as_deref(),
        )
        .unwrap();
    Ok(frame.to_bytes().slice(SIZE_PREFIX_BYTES..))
}

macro_rules! replay_any {
    ($(
        $key:literal $name:ident $request:ident $response:ident $min:literal..=$max:literal
        $(flexible $flexible:literal)? $(advertised $advertised:literal)?;
    )*) => {
        fn replay(frame: &Bytes) -> Result<Bytes, DecodeError> {
            let (header, body) = RequestHeader::decode(frame)?;
            match header.api().expect("the corpus names served APIs") {
                $(ApiKey::$name => again::<messages::$request>(&header, &body),)*
            }
        }
    };
}

for_each_api!(replay_any);

fn corpus() -> BTreeMap<String, Bytes> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");
    std::fs::read_dir(folder)
        .unwrap()
        .map(|file| file.unwrap().path())
        .map(|path| {
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            (name, std::fs::read(path).unwrap().into())
        })
        .filter(|(name, _)| name != "README.md")
        .collect()
}

#[test]
fn frames_of_another_client_encode_to_the_same_bytes() {
    let mut apis = BTreeMap::new();
    for (name, frame) in corpus().iter().filter(|(name, _)| name.starts_with("ok_")) {
        assert_eq!(replay(frame).as_ref(), Ok(frame), "{name}");
        *apis.entry(frame[..2].to_vec()).or_insert(0) += 1;
    }
    // kafka-python has no schema of ConsumerGroupHeartbeat and ConsumerGroupDescribe.
    assert_eq!(apis.len(), APIS.len() - 2);
}

#[test]
fn hostile_frames_are_refused() {
    let corpus = corpus();
    let bad: Vec<_> = corpus
        .iter()
        .filter(|(name, _)| name.starts_with("bad_"))
        .collect();
    assert!(bad.len() >= 15, "{} hostile frames", bad.len());
    for (name, frame) in bad {
        assert!(replay(frame).is_err(), "{name}");
    }
}

#[test]
fn damaged_frames_never_panic() {
    for frame in corpus().values() {
        for at in 0..frame.len() {
            let mut damaged = frame.to_vec();
            damaged[at] ^= 0x81;
            let damaged = Bytes::from(damaged);
            let served = RequestHeader::decode(&damaged).is_ok_and(|(header, _)| {
                header
                    .api()
                    .is_some_and(|api| api.versions().serves(header.api_version))
            });
            if served {
                drop(replay(&damaged));
            }
        }
    }
}

/// Name and bytes of the golden request of each API and version: sampled, so never empty of fields.
fn golden() -> BTreeMap<String, Bytes> {
    let mut frames = BTreeMap::new();
    macro_rules! sample_all {
        ($(
            $key:literal $name:ident $request:ident $response:ident $min:literal..=$max:literal
            $(flexible $flexible:literal)? $(advertised $advertised:literal)?;
        )*) => {$(
            for version in $min..=$max {
                let request = sample_of::<messages::$request>(version, GOLDEN_SEED + $key);
                let frame = request.to_frame(version, 7, Some("golden")).unwrap().to_bytes();
                let name = format!("golden_{}_v{version}", stringify!($name));
                frames.insert(name, frame.slice(SIZE_PREFIX_BYTES..));
            }
        )*};
    }
    for_each_api!(sample_all);
    frames
}

/// Chosen so that the corpus is small and most fields are there.
const GOLDEN_SEED: u64 = 3;

/// `FLOE_WRITE_CORPUS=1` writes what is missing; what is there must never change.
#[test]
fn the_corpus_holds_the_golden_request_of_every_api_and_version() {
    let corpus = corpus();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");
    for (name, frame) in golden() {
        if !corpus.contains_key(&name) && std::env::var_os("FLOE_WRITE_CORPUS").is_some() {
            std::fs::write(folder.join(&name), &frame).unwrap();
            continue;
        }
        assert_eq!(corpus.get(&name), Some(&frame), "{name}");
        assert_eq!(replay(&frame).as_ref(), Ok(&frame), "{name}");
    }
}
