//! The known name nearest to a misspelt one.

/// Returns the candidate most like `name`, or nothing when none is near enough to be what was meant.
///
/// Nearness is the Damerau-Levenshtein distance, in which a swap of neighbours counts as one slip; about a third of
/// the letters may be wrong. A name that begins with the other is near as well (`optim` for `optimiser`).
pub fn nearest_name<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let wanted = name.to_lowercase().replace('-', "_");
    candidates
        .into_iter()
        .filter_map(|candidate| {
            let known = candidate.to_lowercase().replace('-', "_");
            let slips = strsim::damerau_levenshtein(&wanted, &known);
            let allowed = wanted.chars().count().max(known.chars().count()).div_ceil(3);
            let begins = wanted.len() >= 3 && (known.starts_with(&wanted) || wanted.starts_with(&known));
            (slips <= allowed || begins).then_some((slips, candidate))
        })
        .min_by_key(|(slips, _)| *slips)
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::nearest_name;

    #[test]
    fn slips_are_forgiven_and_strangers_are_not() {
        let known = ["epochs", "batch", "optimiser", "learning_rate"];
        assert_eq!(nearest_name("epoch", known), Some("epochs"));
        assert_eq!(nearest_name("bacth", known), Some("batch"));
        assert_eq!(nearest_name("optimizer", known), Some("optimiser"));
        assert_eq!(nearest_name("learning-rate", known), Some("learning_rate"));
        assert_eq!(nearest_name("optim", known), Some("optimiser"));
        assert_eq!(nearest_name("weather", known), None);
        assert_eq!(nearest_name("x", known), None);
    }
}
