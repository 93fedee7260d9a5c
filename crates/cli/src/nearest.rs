//! The name that somebody probably meant.

/// The closest of `known` to `typed`, if any is close enough to be worth saying.
pub(crate) fn nearest<'a>(
    typed: &str,
    known: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    let limit = (typed.chars().count() / 3).clamp(1, 4);
    known
        .into_iter()
        .map(|name| (edits(typed, name), name))
        .filter(|&(distance, name)| {
            let contains = typed.len() >= 4 && (name.contains(typed) || typed.contains(name));
            // Where every character differs nothing was meant.
            let differs = distance >= name.chars().count().max(typed.chars().count());
            (distance <= limit && !differs) || contains
        })
        .min()
        .map(|(_, name)| name)
}

/// Levenshtein distance, with a swap of neighbours counted as one edit.
fn edits(from: &str, to: &str) -> usize {
    let (from, to): (Vec<char>, Vec<char>) = (from.chars().collect(), to.chars().collect());
    let mut rows = vec![(0..=to.len()).collect::<Vec<_>>()];
    for (i, a) in from.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, b) in to.iter().enumerate() {
            let replaced = rows[i][j] + usize::from(a != b);
            let mut best = replaced.min(rows[i][j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && *a == to[j - 1] && from[i - 1] == *b {
                best = best.min(rows[i - 1][j - 1] + 1);
            }
            row.push(best);
        }
        rows.push(row);
    }
    rows[from.len()][to.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn typos_are_found_and_strangers_are_not() {
        let known = ["orders", "payments", "courier.location"];
        assert_eq!(nearest("order", known), Some("orders"));
        assert_eq!(nearest("oredrs", known), Some("orders"));
        assert_eq!(nearest("location", known), Some("courier.location"));
        assert_eq!(nearest("x", known), None);
        assert_eq!(nearest("k", ["t"]), None);
        assert_eq!(nearest("kk", ["k"]), Some("k"));
        assert_eq!(nearest("inventory", known), None);
        assert_eq!(edits("ab", "ba"), 1);
        assert_eq!(edits("", "abc"), 3);
    }
}
