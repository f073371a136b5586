//! "Did you mean": the nearest of the names that would have been right.

/// The candidate nearest to the text, if it is near enough that a slip of the hand explains it.
pub(crate) fn nearest<'a>(
    text: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    // A long text is no slip, and the distance costs the product of both lengths.
    if text.len() > 64 {
        return None;
    }
    let text = plain(text);
    let allowed = (text.len() / 3).max(1);
    let mut near: Vec<(usize, &str)> = candidates
        .into_iter()
        .map(|candidate| (distance(&text, &plain(candidate)), candidate))
        .filter(|(distance, _)| *distance <= allowed)
        .collect();
    near.sort_unstable();
    match near[..] {
        [] => None,
        // Two that are equally near are a guess.
        [(one, _), (other, _), ..] if one == other => None,
        [(_, nearest), ..] => Some(nearest),
    }
}

/// Lower case, with '-' and '_' left out: `control_planes` is `controlPlanes` to a hand in a hurry.
fn plain(text: &str) -> Vec<char> {
    text.chars()
        .filter(|c| !matches!(c, '-' | '_'))
        .flat_map(char::to_lowercase)
        .collect()
}

/// Optimal string alignment: insertions, deletions, substitutions and swaps of neighbours.
fn distance(a: &[char], b: &[char]) -> usize {
    let mut rows = vec![vec![0; b.len() + 1]; a.len() + 1];
    for (i, row) in rows.iter_mut().enumerate() {
        row[0] = i;
    }
    rows[0] = (0..=b.len()).collect();
    for i in 1..=a.len() {
        for j in 1..=b.len() {
            let other = usize::from(a[i - 1] != b[j - 1]);
            let mut best = (rows[i - 1][j] + 1)
                .min(rows[i][j - 1] + 1)
                .min(rows[i - 1][j - 1] + other);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(rows[i - 2][j - 2] + 1);
            }
            rows[i][j] = best;
        }
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn a_slip_is_recognised_and_another_word_is_not() {
        let names = ["address", "name", "zone", "controlPlanes"];
        assert_eq!(nearest("adress", names), Some("address"));
        assert_eq!(nearest("zoen", names), Some("zone"));
        assert_eq!(nearest("control_planes", names), Some("controlPlanes"));
        assert_eq!(nearest("replicas", names), None);
        assert_eq!(nearest("", names), None);
        assert_eq!(nearest("cp4", ["cp1", "cp2"]), None);
    }
}
