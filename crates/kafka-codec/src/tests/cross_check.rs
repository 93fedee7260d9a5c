//! Every message in every version against the crate kafka-protocol, an implementation generated
//! from Kafka's schema files by other people: what either writes the other reads, field by field,
//! and writes again as the same bytes.

use std::fmt::Debug;

use bytes::{Buf, Bytes, BytesMut};
use kafka_protocol::messages as theirs;
use kafka_protocol::protocol::{Decodable, Encodable};

use crate::api::for_each_api;
use crate::consumer_protocol::LAST_VERSION;
use crate::reader::Reader;
use crate::tests::flat_debug::flat;
use crate::tests::sampler::Sampler;
use crate::tests::{versions_of, written};
use crate::wire::Wire;
use crate::{ConsumerProtocolAssignment, ConsumerProtocolSubscription, Message, messages as ours};

const SAMPLES: u64 = 24;

/// Each version of ours, and whether it is flexible.
fn agrees<Ours, Theirs>(
    versions: impl Iterator<Item = (i16, bool)>,
    add_unknown_tag: fn(&mut Theirs),
) where
    Ours: Wire + Debug + PartialEq,
    Theirs: Encodable + Decodable + Debug,
{
    for (version, flexible) in versions {
        let read = |bytes: &Bytes| Ours::read(&mut Reader::new(bytes, version, flexible));
        for seed in 0..SAMPLES {
            let sample = Ours::sample(&mut Sampler::new(seed, version, flexible));
            let bytes = written(&sample, version, flexible);
            let context = format!("version {version}, seed {seed}: {sample:?}");

            let mut unread = bytes.clone();
            let mut decoded = match Theirs::decode(&mut unread, version) {
                Ok(decoded) => decoded,
                Err(error) => panic!("{error}, {context}"),
            };
            assert_eq!(unread.remaining(), 0, "{context}");
            assert_same_fields(&sample, &decoded, &context);

            assert_eq!(encoded(&decoded, version), bytes, "{context}");
            assert_eq!(read(&bytes).as_ref(), Ok(&sample), "{context}");

            if flexible {
                add_unknown_tag(&mut decoded);
                let bytes = encoded(&decoded, version);
                assert_eq!(read(&bytes).as_ref(), Ok(&sample), "{context}");
            }
        }
    }
}

/// Theirs also has the fields of versions that are not served. Records, which are slices here and
/// not there, are compared as bytes.
fn assert_same_fields(ours: &impl Debug, theirs: &impl Debug, context: &str) {
    let (ours, theirs) = (flat(ours), flat(theirs));
    let missing: Vec<_> = ours
        .difference(&theirs)
        .filter(|line| !line.contains(".records.slices"))
        .collect();
    assert!(missing.is_empty(), "not read: {missing:?}, {context}");
}

fn versions<M: Message>() -> impl Iterator<Item = (i16, bool)> {
    versions_of::<M>().map(|version| (version, M::API.versions().is_flexible(version)))
}

fn encoded(message: &impl Encodable, version: i16) -> Bytes {
    let mut bytes = BytesMut::new();
    message.encode(&mut bytes, version).unwrap();
    bytes.freeze()
}

/// Their messages have a place for unknown tagged fields if some version is flexible.
macro_rules! add_unknown_tag {
    ($message:ident) => {
        let _ = $message;
    };
    ($message:ident $flexible:literal) => {
        $message
            .unknown_tagged_fields
            .insert(99, Bytes::from_static(b"later"));
    };
}

macro_rules! cross_checks {
    ($(
        $key:literal $name:ident $request:ident $response:ident $min:literal..=$max:literal
        $(flexible $flexible:literal)? $(advertised $advertised:literal)?;
    )*) => {
        $(
            #[allow(non_snake_case, reason = "named like the API")]
            mod $name {
                use super::*;

                #[test]
                fn requests_agree_with_an_independent_implementation() {
                    agrees::<ours::$request, theirs::$request>(versions::<ours::$request>(), |message| {
                        add_unknown_tag!(message $($flexible)?);
                    });
                }

                #[test]
                fn responses_agree_with_an_independent_implementation() {
                    agrees::<ours::$response, theirs::$response>(versions::<ours::$response>(), |message| {
                        add_unknown_tag!(message $($flexible)?);
                    });
                }
            }
        )*

        #[test]
        fn keys_and_first_flexible_versions_are_those_of_an_independent_implementation() {
            $(
                let served = crate::ApiKey::$name.versions();
                assert_eq!(served.key.number(), theirs::ApiKey::$name as i16);
                for version in served.min..=served.max {
                    assert_eq!(
                        served.is_flexible(version),
                        theirs::ApiKey::$name.request_header_version(version) == 2,
                        "{} {version}", stringify!($name),
                    );
                }
            )*
        }
    };
}

for_each_api!(cross_checks);

#[test]
fn what_members_tell_each_other_agrees_with_an_independent_implementation() {
    let versions = || (0..=LAST_VERSION).map(|version| (version, false));
    agrees::<ConsumerProtocolSubscription, theirs::ConsumerProtocolSubscription>(
        versions(),
        |_| (),
    );
    agrees::<ConsumerProtocolAssignment, theirs::ConsumerProtocolAssignment>(versions(), |_| ());
}
