//! What members of protocol type `consumer` say to each other, as far as the broker looks.
//!
//! A subscription begins with a version (i16) and the topics as an array of strings, an
//! assignment with a version and an array of topics with their partitions. Nothing else in
//! this crate looks into bytes of members.

use std::collections::{BTreeMap, BTreeSet};

/// The topics of a subscription; `None` if the bytes are none.
#[must_use]
pub fn subscribed_topics(metadata: &[u8]) -> Option<BTreeSet<String>> {
    let (version, mut rest) = metadata.split_first_chunk::<2>()?;
    if i16::from_be_bytes(*version) < 0 {
        return None;
    }
    let count = i32::from_be_bytes(*take::<4>(&mut rest)?);
    let mut topics = BTreeSet::new();
    for _ in 0..u32::try_from(count).ok()? {
        topics.insert(text(&mut rest)?);
    }
    Some(topics)
}

/// The partitions of an assignment by topic; `None` if the bytes are none.
#[must_use]
pub fn assigned_partitions(assignment: &[u8]) -> Option<BTreeMap<String, Vec<u32>>> {
    let (version, mut rest) = assignment.split_first_chunk::<2>()?;
    if i16::from_be_bytes(*version) < 0 {
        return None;
    }
    let count = i32::from_be_bytes(*take::<4>(&mut rest)?);
    let mut topics: BTreeMap<String, Vec<u32>> = BTreeMap::new();
    for _ in 0..u32::try_from(count).ok()? {
        let partitions = topics.entry(text(&mut rest)?).or_default();
        let count = i32::from_be_bytes(*take::<4>(&mut rest)?);
        for _ in 0..u32::try_from(count).ok()? {
            let index = i32::from_be_bytes(*take::<4>(&mut rest)?);
            partitions.push(u32::try_from(index).ok()?);
        }
    }
    Some(topics)
}

fn text(rest: &mut &[u8]) -> Option<String> {
    let length = u16::from_be_bytes(*take::<2>(rest)?);
    let (text, behind) = rest.split_at_checked(length.into())?;
    *rest = behind;
    Some(str::from_utf8(text).ok()?.to_owned())
}

fn take<'a, const N: usize>(rest: &mut &'a [u8]) -> Option<&'a [u8; N]> {
    let (head, behind) = rest.split_first_chunk::<N>()?;
    *rest = behind;
    Some(head)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn topics_are_read_and_other_bytes_have_none() {
        let bytes = b"\0\x03\0\0\0\x02\0\x01a\0\x02bc\xff\xff\xff\xff rest";
        let topics = BTreeSet::from(["a".to_owned(), "bc".to_owned()]);
        assert_eq!(subscribed_topics(bytes), Some(topics));
        for bad in [
            &b""[..],
            b"{\"a\":1}",
            b"\xff\xff\0\0\0\0",
            b"\0\0\x7f\xff\xff\xff\0\0",
            b"\0\0\xff\xff\xff\xff",
        ] {
            assert_eq!(subscribed_topics(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn assigned_partitions_are_read_and_other_bytes_have_none() {
        let bytes = b"\0\0\0\0\0\x01\0\x01a\0\0\0\x02\0\0\0\x01\0\0\0\x05\xff\xff\xff\xff";
        let partitions = BTreeMap::from([("a".to_owned(), vec![1, 5])]);
        assert_eq!(assigned_partitions(bytes), Some(partitions));
        for bad in [
            &b""[..],
            &bytes[..12],
            b"\0\0\0\0\0\x01\0\x01a\x7f\xff\xff\xff",
        ] {
            assert_eq!(assigned_partitions(bad), None, "{bad:?}");
        }
    }
}
