#![allow(clippy::unwrap_used)]

use proptest::prelude::*;

use super::*;
use ::zstd as zstd_crate;

const LIMIT: usize = 1 << 20;
const PACKED: [Compression; 4] = [
    Compression::Gzip,
    Compression::Snappy,
    Compression::Lz4,
    Compression::Zstd,
];

fn unpack(compression: Compression, packed: &[u8], limit: usize) -> Result<Bytes, BatchError> {
    compression.decompress(Bytes::copy_from_slice(packed), limit)
}

/// Text that compresses well but is not constant.
fn text(length: usize) -> Vec<u8> {
    (0_u32..)
        .flat_map(|n| format!("courier-{} ", n % 977).into_bytes())
        .take(length)
        .collect()
}

#[test]
fn names_round_trip_and_others_are_refused() {
    for (code, compression) in Compression::ALL.into_iter().enumerate() {
        assert_eq!(compression as usize, code);
        assert_eq!(compression.to_string().parse(), Ok(compression));
    }
    assert!("LZ4".parse::<Compression>().is_err());
    assert_eq!(Compression::from_code(5), None);
}

#[test]
fn exactly_the_limit_is_allowed_and_one_more_is_not() {
    for compression in Compression::ALL {
        for length in [1, 100, 5_000, 300_000] {
            let plain = text(length);
            let packed = compression.compress(plain.clone());
            assert_eq!(
                unpack(compression, &packed, length).unwrap(),
                plain,
                "{compression}"
            );
            assert_eq!(
                unpack(compression, &packed, length - 1),
                Err(BatchError::DecompressedTooLarge {
                    limit_bytes: length - 1
                }),
                "{compression} {length}"
            );
        }
    }
}

#[test]
fn bombs_stop_at_the_limit() {
    let zeroes = vec![0; 64 << 20];
    for compression in PACKED {
        let bomb = compression.compress(zeroes.clone());
        assert_eq!(
            unpack(compression, &bomb, LIMIT),
            Err(BatchError::DecompressedTooLarge { limit_bytes: LIMIT }),
            "{compression}"
        );
    }
}

#[test]
fn truncated_streams_are_refused() {
    let plain = text(200_000);
    for compression in PACKED {
        let packed = compression.compress(plain.clone());
        // Snappy's framing has no end mark: a cut between chunks is for the record parser.
        for cut in [1, 2, 4, 5, 9, packed.len() / 2] {
            let cut = &packed[..packed.len() - cut];
            assert!(
                unpack(compression, cut, LIMIT).is_err(),
                "{compression} {}",
                cut.len()
            );
        }
    }
}

#[test]
fn bytes_behind_the_end_are_refused() {
    for compression in PACKED {
        let mut packed = compression.compress(text(1000));
        packed.extend_from_slice(b"more");
        assert_eq!(
            unpack(compression, &packed, LIMIT),
            Err(BatchError::Decompression { compression })
        );
    }
}

#[test]
fn several_members_or_frames_read_as_one() {
    let (first, second) = (text(200_000), b"tail".to_vec());
    for compression in [Compression::Gzip, Compression::Lz4, Compression::Zstd] {
        let mut packed = compression.compress(first.clone());
        packed.extend(compression.compress(second.clone()));
        let plain = unpack(compression, &packed, LIMIT).unwrap();
        assert_eq!(plain, [first.as_slice(), &second].concat(), "{compression}");
        let limit_bytes = first.len() + 3;
        let error = unpack(compression, &packed, limit_bytes).unwrap_err();
        assert_eq!(
            error,
            BatchError::DecompressedTooLarge { limit_bytes },
            "{compression}"
        );
    }
}

#[test]
fn a_bare_snappy_block_is_read() {
    let plain = text(100_000);
    let block = snap::raw::Encoder::new().compress_vec(&plain).unwrap();
    assert_eq!(unpack(Compression::Snappy, &block, LIMIT).unwrap(), plain);
}

#[test]
fn snappy_framing_is_xerials() {
    let packed = Compression::Snappy.compress(b"abc".to_vec());
    let mut expected = b"\x82SNAPPY\0\0\0\0\x01\0\0\0\x01\0\0\0\x05".to_vec();
    expected.extend_from_slice(&[3, 2 << 2, b'a', b'b', b'c']);
    assert_eq!(packed, expected);
}

#[test]
fn forged_snappy_sizes_reserve_nothing() {
    // A bare block that claims 4 GiB - 1.
    let claim = [0xff, 0xff, 0xff, 0xff, 0x0f, 0x00];
    let refused = Err(BatchError::Decompression {
        compression: Compression::Snappy,
    });
    assert_eq!(unpack(Compression::Snappy, &claim, usize::MAX), refused);
    for length in [-1_i32, i32::MIN, 6, i32::MAX] {
        let mut packed = Compression::Snappy.compress(b"abc".to_vec());
        packed[16..20].copy_from_slice(&length.to_be_bytes());
        assert_eq!(
            unpack(Compression::Snappy, &packed, LIMIT),
            refused,
            "{length}"
        );
    }
}

#[test]
fn lz4_frames_of_other_writers_are_read() {
    use lz4_flex::frame::{BlockMode, BlockSize, FrameEncoder, FrameInfo};
    let plain = text(700_000);
    let mut several = Vec::new();
    for size in [BlockSize::Max4MB, BlockSize::Max64KB, BlockSize::Max256KB] {
        for mode in [BlockMode::Independent, BlockMode::Linked] {
            let frame = FrameInfo::new()
                .block_size(size)
                .block_mode(mode)
                .block_checksums(mode == BlockMode::Linked)
                .content_checksum(true)
                .content_size(Some(plain.len() as u64));
            let mut encoder = FrameEncoder::with_frame_info(frame, Vec::new());
            encoder.write_all(&plain).unwrap();
            let packed = encoder.finish().unwrap();
            assert_eq!(unpack(Compression::Lz4, &packed, LIMIT).unwrap(), plain);
            several.extend(packed);
        }
    }
    let all = unpack(Compression::Lz4, &several, 6 * plain.len()).unwrap();
    assert_eq!(all, plain.repeat(6));
}

#[test]
fn an_lz4_frame_without_its_end_mark_is_refused() {
    let packed = Compression::Lz4.compress(text(1000));
    let cut = &packed[..packed.len() - 4];
    assert_eq!(
        unpack(Compression::Lz4, cut, LIMIT),
        Err(BatchError::Decompression {
            compression: Compression::Lz4
        })
    );
}

#[test]
fn zstd_without_content_size_and_with_a_huge_window_is_read() {
    let plain = text(900_000);
    for level in [1, 3, 19, 22] {
        let mut encoder = zstd_crate::Encoder::new(Vec::new(), level).unwrap();
        encoder.write_all(&plain).unwrap();
        let packed = encoder.finish().unwrap();
        let stated = zstd_crate::zstd_safe::get_frame_content_size(&packed);
        assert_eq!(stated.unwrap_or(None), None);
        assert_eq!(
            unpack(Compression::Zstd, &packed, LIMIT).unwrap(),
            plain,
            "{level}"
        );
    }
}

#[test]
fn nothing_decompresses_to_nothing_or_an_error() {
    for compression in Compression::ALL {
        let packed = compression.compress(Vec::new());
        assert_eq!(
            unpack(compression, &packed, 0).unwrap(),
            Bytes::new(),
            "{compression}"
        );
        if let Ok(plain) = unpack(compression, &[], LIMIT) {
            assert!(plain.is_empty());
        }
    }
}

proptest! {
    #[test]
    fn any_plain_bytes_round_trip(
        plain in prop_oneof![
            proptest::collection::vec(any::<u8>(), 0..5000),
            (any::<u8>(), 0_usize..200_000).prop_map(|(byte, length)| vec![byte; length]),
            (0_usize..200_000).prop_map(text),
        ],
        codec in 0_usize..5,
    ) {
        let compression = Compression::ALL[codec];
        let packed = compression.compress(plain.clone());
        prop_assert_eq!(unpack(compression, &packed, LIMIT).unwrap(), plain);
    }

    #[test]
    fn any_packed_bytes_stay_within_the_limit(
        codec in 0_usize..4,
        noise in proptest::collection::vec(any::<u8>(), 0..300),
    ) {
        if let Ok(plain) = unpack(PACKED[codec], &noise, LIMIT) {
            prop_assert!(plain.len() <= LIMIT);
        }
    }

    /// Damage behind a valid start reaches deeper into the decoders than noise does.
    #[test]
    fn damaged_packed_bytes_never_panic(
        codec in 0_usize..4,
        length in 1_usize..100_000,
        damage in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
        cut in any::<prop::sample::Index>(),
        limit in 0_usize..150_000,
    ) {
        let mut packed = PACKED[codec].compress(text(length));
        for (place, byte) in damage {
            let place = place.index(packed.len());
            packed[place] = byte;
        }
        for end in [packed.len(), cut.index(packed.len())] {
            if let Ok(plain) = unpack(PACKED[codec], &packed[..end], limit) {
                prop_assert!(plain.len() <= limit);
            }
        }
    }
}
