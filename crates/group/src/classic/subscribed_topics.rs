//! The topics in the metadata of a member of protocol type `consumer`.
//!
//! The layout is Kafka's `ConsumerProtocolSubscription`: a version (i16), then the topics as an
//! array of strings, then what does not matter here. Nothing else in this crate looks into
//! bytes of members; whatever cannot be read has no topics.

use std::collections::BTreeSet;

/// The topics; `None` if the bytes are not of that layout.
#[must_use]
pub fn subscribed_topics(metadata: &[u8]) -> Option<BTreeSet<String>> {
    let (version, mut rest) = metadata.split_first_chunk::<2>()?;
    if i16::from_be_bytes(*version) < 0 {
        return None;
    }
    let count = i32::from_be_bytes(*take::<4>(&mut rest)?);
    let mut topics = BTreeSet::new();
    for _ in 0..u32::try_from(count).ok()? {
        let length = u16::from_be_bytes(*take::<2>(&mut rest)?);
        let (topic, behind) = rest.split_at_checked(length.into())?;
        topics.insert(str::from_utf8(topic).ok()?.to_owned());
        rest = behind;
    }
    Some(topics)
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
}
