//! Every message in every version against the crate kafka-protocol, an implementation generated
//! from Kafka's schema files by other people: what either writes the other reads, field by field,
//! and writes again as the same bytes.

use std::fmt::Debug;

use bytes::{Buf, Bytes, BytesMut};
use kafka_protocol::messages as theirs;
use kafka_protocol::protocol::{Decodable, Encodable};

use crate::api::for_each_api;
use crate::tests::flat_debug::flat;
use crate::tests::{body_of, sample_of, versions_of};
use crate::{Message, messages as ours};

const SAMPLES: u64 = 24;

fn agrees<Ours, Theirs>(add_unknown_tag: fn(&mut Theirs))
where
    Ours: Message + Debug + PartialEq,
    Theirs: Encodable + Decodable + Debug,
{
    for version in versions_of::<Ours>() {
        for seed in 0..SAMPLES {
            let sample: Ours = sample_of(version, seed);
            let bytes = body_of(&sample, version);
            let context = format!("version {version}, seed {seed}: {sample:?}");

            let mut unread = bytes.clone();
            let mut decoded = match Theirs::decode(&mut unread, version) {
                Ok(decoded) => decoded,
                Err(error) => panic!("{error}, {context}"),
            };
            assert_eq!(unread.remaining(), 0, "{context}");
            assert_eq!(flat(&sample), flat(&decoded), "{context}");

            assert_eq!(encoded(&decoded, version), bytes, "{context}");
            assert_eq!(
                Ours::decode(&bytes, version).as_ref(),
                Ok(&sample),
                "{context}"
            );

            if Ours::API.versions().is_flexible(version) {
                add_unknown_tag(&mut decoded);
                let bytes = encoded(&decoded, version);
                assert_eq!(
                    Ours::decode(&bytes, version).as_ref(),
                    Ok(&sample),
                    "{context}"
                );
            }
        }
    }
}

fn encoded(message: &impl Encodable, version: i16) -> Bytes {
    let mut bytes = BytesMut::new();
    message.encode(&mut bytes, version).unwrap();
    bytes.freeze()
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
                    agrees::<ours::$request, theirs::$request>(|message| {
                        message.unknown_tagged_fields.insert(99, Bytes::from_static(b"later"));
                    });
                }

                #[test]
                fn responses_agree_with_an_independent_implementation() {
                    agrees::<ours::$response, theirs::$response>(|message| {
                        message.unknown_tagged_fields.insert(99, Bytes::from_static(b"later"));
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
