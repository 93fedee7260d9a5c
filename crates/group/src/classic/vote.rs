//! Which protocol a generation uses: of those that all members support, the one that most of
//! them prefer.
//!
//! The same members choose the same protocol: a tie goes to the name that sorts first.

use std::collections::{BTreeMap, BTreeSet};

use super::Protocol;

/// The protocols that every one of `members` supports; all names without members.
pub(super) fn supported_by_all<'a>(
    mut members: impl Iterator<Item = &'a [Protocol]>,
) -> BTreeSet<&'a str> {
    let names = |protocols: &'a [Protocol]| -> BTreeSet<&'a str> {
        protocols.iter().map(|one| one.name.as_str()).collect()
    };
    let mut common = members.next().map(names).unwrap_or_default();
    for protocols in members {
        let theirs = names(protocols);
        common.retain(|name| theirs.contains(name));
    }
    common
}

/// The protocol of a generation; `None` if there is none in common.
pub(super) fn choose<'a>(members: &[&'a [Protocol]]) -> Option<&'a str> {
    let common = supported_by_all(members.iter().copied());
    let mut votes: BTreeMap<&str, usize> = BTreeMap::new();
    for protocols in members {
        let preferred = protocols
            .iter()
            .map(|one| one.name.as_str())
            .find(|name| common.contains(name));
        if let Some(preferred) = preferred {
            *votes.entry(preferred).or_default() += 1;
        }
    }
    let most = votes.values().copied().max()?;
    votes
        .into_iter()
        .find(|&(_, count)| count == most)
        .map(|(name, _)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn protocols(names: &[&str]) -> Vec<Protocol> {
        let protocol = |name: &&str| Protocol {
            name: (*name).to_owned(),
            metadata: Vec::new(),
        };
        names.iter().map(protocol).collect()
    }

    #[test]
    fn the_majority_chooses_among_what_all_support() {
        let (a, b, c) = (
            protocols(&["x", "range", "sticky"]),
            protocols(&["sticky", "range"]),
            protocols(&["range", "sticky"]),
        );
        assert_eq!(choose(&[&a, &b, &c]), Some("range"));
        assert_eq!(choose(&[&b]), Some("sticky"));
        assert_eq!(choose(&[&b, &protocols(&["x"])]), None);
        assert_eq!(choose(&[]), None);
    }
}
