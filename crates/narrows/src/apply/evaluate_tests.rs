//! Tests of `evaluate`.

use super::*;

fn sentence(own: f64, mean: f64, pca: f64, code: usize, fitted: usize) -> String {
    let baselines = Baselines {
        mean: Baseline { squared_error: mean },
        pca: Baseline { squared_error: pca },
        pca_components: code,
    };
    verdict(own, &baselines, code, 10, fitted, false, false)
}

#[test]
fn each_case_has_its_verdict() {
    for (own, mean, pca, code, fitted, expected) in [
        (
            5.0,
            10.0,
            8.0,
            3,
            5000,
            "worth having: 3 numbers a row leave an error of 5.00, 38 % less than PCA with as many (8.00) and 50 % less than the mean (10.00)",
        ),
        (5.0, 10.0, 8.0, 1, 5000, "worth having: 1 number a row"),
        (7.95, 10.0, 8.0, 3, 5000, "as good as PCA"),
        (8.05, 10.0, 8.0, 3, 5000, "as good as PCA"),
        (7.9, 10.0, 8.0, 3, 5000, "worth having"),
        (
            8.1,
            10.0,
            8.0,
            3,
            5000,
            "worse than PCA: 3 numbers a row leave an error of 8.10, PCA with as many 8.00; train longer",
        ),
        (
            8.1,
            10.0,
            8.0,
            3,
            500,
            "worse than PCA: 3 numbers a row leave an error of 8.10, PCA with as many 8.00; with so few training rows",
        ),
        (10.0, 10.0, 8.0, 3, 5000, "not useful yet"),
        (11.0, 10.0, 8.0, 30, 5000, "not useful yet"),
        (f64::NAN, 10.0, 8.0, 3, 5000, "not useful yet"),
        (0.1, 10.0, 0.0, 10, 5000, "an error of 0.100 a row with a code as wide as the row"),
    ] {
        let found = sentence(own, mean, pca, code, fitted);
        assert!(found.starts_with(expected), "{found}");
    }
}

/// Rows that lie in K dimensions leave PCA with rounding errors only, and a good model with little more.
#[test]
fn next_to_nothing_is_as_good_as_nothing() {
    assert!(sentence(1e-7, 10.0, 1e-13, 3, 5000).starts_with("as good as PCA"));
    assert!(sentence(0.0, 10.0, 0.0, 3, 5000).starts_with("as good as PCA"));
}

#[test]
fn small_figures_keep_their_digits() {
    assert_eq!(
        [123.456, 1.0, 0.5, 0.012_345, 0.0].map(figure),
        ["123.46", "1.00", "0.500", "0.0123", "0.00"]
    );
}

#[test]
fn the_largest_is_the_first_of_equals() {
    assert_eq!([largest(&[0.2, 0.5, 0.3]), largest(&[0.5, 0.5]), largest(&[1.0])], [1, 0, 0]);
}

/// What is kept from copying is not told to copy better.
#[test]
fn a_code_that_is_held_back_is_judged_by_what_that_buys() {
    let baselines = Baselines {
        mean: Baseline { squared_error: 10.0 },
        pca: Baseline { squared_error: 1.0 },
        pca_components: 4,
    };
    // Of 10 features PCA has at most as many components; of wide rows it may have fewer than the code has numbers, and that is said.
    for (code, pca) in [(4, "PCA with as many numbers"), (40, "PCA with 4 numbers")] {
        let said = verdict(5.0, &baselines, code, 10, 5000, true, false);
        assert!(said.contains("copying is held back") && said.contains(pca), "{said}");
    }
    assert!(verdict(0.5, &baselines, 4, 10, 5000, true, false).starts_with("worth having"));
    assert!(verdict(0.5, &baselines, 4, 10, 5000, true, true).starts_with("worth having: 4 bits a row"));
    assert!(verdict(11.0, &baselines, 4, 10, 5000, true, false).starts_with("not useful yet"));
}
