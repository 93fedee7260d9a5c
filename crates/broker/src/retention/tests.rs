#![allow(clippy::unwrap_used)]

use floe_model::LogIndex;

use super::*;

fn segments(sizes_and_times: &[(u64, i64)]) -> Vec<SegmentInfo> {
    let segment = |(place, &(size_bytes, max_timestamp_ms)): (i64, &(u64, i64))| SegmentInfo {
        base_offset: Offset(place * 10),
        first_index: LogIndex(place.unsigned_abs()),
        size_bytes,
        max_timestamp_ms,
        last_appended_at_ms: max_timestamp_ms,
    };
    (0_i64..).zip(sizes_and_times).map(segment).collect()
}

#[test]
fn age_and_size_drop_closed_segments_from_the_front_only() {
    let all = segments(&[(100, 1), (100, 50), (100, 2), (100, 3)]);
    let age = |after_ms| Keep {
        after_ms: Some(after_ms),
        bytes: None,
    };
    let size = |bytes| Keep {
        after_ms: None,
        bytes: Some(bytes),
    };
    assert_eq!(first_kept(&all, &age(1)), None);
    assert_eq!(first_kept(&all, &age(2)), Some(Offset(10)));
    assert_eq!(
        first_kept(&all, &age(50)),
        Some(Offset(10)),
        "a younger one protects those behind"
    );
    assert_eq!(
        first_kept(&all, &age(99)),
        Some(Offset(30)),
        "the open segment stays"
    );
    assert_eq!(first_kept(&all, &size(400)), None);
    assert_eq!(first_kept(&all, &size(301)), None, "never below the limit");
    assert_eq!(first_kept(&all, &size(300)), Some(Offset(10)));
    assert_eq!(first_kept(&all, &size(0)), Some(Offset(30)));
    assert_eq!(first_kept(&[], &size(0)), None);
}
