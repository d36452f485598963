//! Tests of `preparation`: fitted on training rows only, invertible, sensible by default.

use super::*;
use crate::data::Values;

fn table(width: usize, values: &[f32]) -> Dataset {
    Dataset {
        maps: None,
        shape: ItemShape::Vector { columns: None, width },
        values: Values::F32(values.to_vec()),
        labels: None,
        names: None,
    }
}

fn image(values: Values) -> Dataset {
    Dataset {
        maps: None,
        shape: ItemShape::Image { height: 2, width: 2, channels: 1 },
        values,
        labels: None,
        names: None,
    }
}

fn fit(dataset: &Dataset, choice: PreparationChoice) -> Preparation {
    let rows: Vec<u32> = (0..dataset.rows() as u32).collect();
    Preparation::fit(dataset, &rows, choice).unwrap()
}

#[test]
fn the_lectures_normalisation_takes_means_off_and_divides_by_the_root_of_the_rows() {
    let dataset = table(2, &[1.0, 10.0, 3.0, 30.0, 5.0, 20.0, 3.0, 20.0]);
    let fitted = Preparation::fit(&dataset, &[0, 1, 2, 3], PreparationChoice::Centre).unwrap();
    assert_eq!(fitted, Preparation::Standardise { mean: vec![3.0, 20.0], deviation: vec![2.0, 2.0] });
}

#[test]
fn standardising_is_done_with_hand_computed_numbers() {
    let data = table(2, &[1.0, 10.0, 3.0, 30.0]);
    let prepared = fit(&data, PreparationChoice::Standardise);
    assert_eq!(prepared, Preparation::Standardise { mean: vec![2.0, 20.0], deviation: vec![1.0, 10.0] });
    let mut row = [5.0, 0.0];
    prepared.prepare(&mut row);
    assert_eq!(row, [3.0, -2.0]);
    prepared.restore(&mut row);
    assert_eq!(row, [5.0, 0.0]);
}

#[test]
fn only_the_training_rows_are_looked_at() {
    let data = table(1, &[1.0, 3.0, 1000.0]);
    let seen = Preparation::fit(&data, &[0, 1], PreparationChoice::Unit).unwrap();
    assert_eq!(seen, Preparation::Scale { minimum: vec![1.0], maximum: vec![3.0] });
    let seen = Preparation::fit(&data, &[0, 1], PreparationChoice::Standardise).unwrap();
    assert_eq!(seen, Preparation::Standardise { mean: vec![2.0], deviation: vec![1.0] });
}

#[test]
fn constant_columns_become_zero_and_come_back() {
    // 0.1 has no exact mean in binary, which must not pass for a spread.
    let data = table(2, &[0.1, 1.0, 0.1, 2.0, 0.1, 4.0]);
    for choice in [PreparationChoice::Unit, PreparationChoice::Standardise] {
        let preparation = fit(&data, choice);
        let mut row = [0.1, 2.0];
        preparation.prepare(&mut row);
        assert!(row[0].abs() < 1e-6 && row[1].is_finite(), "{choice:?}: {row:?}");
        preparation.restore(&mut row);
        assert!((row[0] - 0.1).abs() < 1e-7 && (row[1] - 2.0).abs() < 1e-6, "{choice:?}: {row:?}");
    }
}

#[test]
fn extreme_numbers_stay_finite_and_come_back() {
    let data = table(2, &[-3.0e38, 1.0e8, 3.0e38, 1.0e8 + 8.0]);
    for choice in [PreparationChoice::Unit, PreparationChoice::Standardise] {
        let preparation = fit(&data, choice);
        for original in [[-3.0e38, 1.0e8], [3.0e38, 1.0e8 + 8.0]] {
            let mut row = original;
            preparation.prepare(&mut row);
            assert!(row.iter().all(|v| v.abs() <= 2.0), "{choice:?}: {row:?}");
            preparation.restore(&mut row);
            assert!(
                row.iter().zip(&original).all(|(a, b)| (a / b - 1.0).abs() < 1e-6),
                "{choice:?}: {row:?}"
            );
        }
    }
}

#[test]
fn bytes_are_divided_by_255_even_if_none_is_so_bright() {
    let data = image(Values::U8(vec![0, 51, 102, 204]));
    let preparation = fit(&data, PreparationChoice::Auto);
    assert_eq!(preparation.range(), Some((0.0, 255.0)));
    let mut row = vec![0.0; 4];
    preparation.prepare_rows(&data, &[0], &mut row);
    assert_eq!(row, [0.0, 0.2, 0.4, 0.8]);
    // The same numbers as a division in 32 bits, which is what other readers of MNIST do.
    for byte in 0..=255u8 {
        let mut value = [f32::from(byte)];
        preparation.prepare(&mut value);
        assert_eq!(value[0], f32::from(byte) / 255.0);
    }
}

#[test]
fn the_default_follows_the_data() {
    let auto = |data: &Dataset| fit(data, PreparationChoice::Auto);
    assert_eq!(auto(&image(Values::F32(vec![0.0, 0.3, 0.9, 1.0]))), Preparation::None);
    assert_eq!(auto(&image(Values::F32(vec![0.0, 3.0, 100.0, 200.0]))).range(), Some((0.0, 255.0)));
    assert_eq!(auto(&image(Values::F32(vec![-1.0, 0.5, 0.0, 1.0]))).range(), Some((-1.0, 1.0)));
    assert_eq!(auto(&table(2, &[0.0, 1.0, 1.0, 0.0])), Preparation::None);
    assert!(matches!(auto(&table(2, &[0.0, 0.5, 1.0, 0.25])), Preparation::Standardise { .. }));
    assert!(matches!(auto(&table(2, &[0.0, 200.0, 1.0, 25.0])), Preparation::Standardise { .. }));
    let flat: Vec<f32> = (0..128).map(|v| (v * 2) as f32).collect();
    assert_eq!(auto(&table(64, &flat)).range(), Some((0.0, 255.0)));
    let words: Vec<f32> = (0..128).map(|v| (v % 5) as f32).collect();
    assert!(matches!(auto(&table(64, &words)), Preparation::Standardise { .. }));
}

#[test]
fn an_image_is_standardised_as_a_whole() {
    let data = image(Values::U8(vec![0, 0, 10, 10]));
    let expected = Preparation::Standardise { mean: vec![5.0], deviation: vec![5.0] };
    assert_eq!(fit(&data, PreparationChoice::Standardise), expected);
}

#[test]
fn nothing_to_fit_to_is_an_error() {
    let data = table(1, &[1.0]);
    assert!(matches!(Preparation::fit(&data, &[], PreparationChoice::Auto), Err(DataError::Empty { .. })));
}

#[test]
fn another_width_is_refused() {
    let preparation = fit(&table(2, &[1.0, 2.0, 3.0, 5.0]), PreparationChoice::Standardise);
    preparation.expect_shape(&columns(2), "model").unwrap();
    let error = preparation.expect_shape(&columns(3), "rows.csv").unwrap_err();
    assert_eq!(error.to_string(), "rows.csv: 3 features a row, expected 2");
    let crooked = Preparation::Scale { minimum: vec![0.0, 0.0], maximum: vec![1.0] };
    assert!(crooked.expect_shape(&columns(2), "x").is_err());
    assert!(preparation.expect_shape(&columns(4), "x").is_err());
}

fn columns(width: usize) -> ItemShape {
    ItemShape::Vector { columns: None, width }
}

#[test]
fn pictures_may_have_one_entry_a_channel() {
    let preparation = Preparation::Standardise { mean: vec![1.0, 2.0], deviation: vec![2.0, 4.0] };
    let pictures = |channels| ItemShape::Image { height: 2, width: 1, channels };
    preparation.expect_shape(&pictures(2), "x").unwrap();
    assert!(
        preparation.expect_shape(&pictures(1), "x").is_ok()
            && preparation.expect_shape(&pictures(4), "x").is_err()
    );
    let mut row = [1.0, 2.0, 5.0, 10.0];
    preparation.prepare(&mut row);
    assert_eq!(row, [0.0, 0.0, 2.0, 2.0]);
    preparation.restore(&mut row);
    assert_eq!(row, [1.0, 2.0, 5.0, 10.0]);
}

#[test]
fn a_preparation_survives_its_json_bit_for_bit() {
    let preparation = Preparation::Standardise {
        mean: vec![0.1, 1.0 / 3.0, 16_777_217.0, 1e-40, f32::MAX],
        deviation: vec![0.0, f32::MIN_POSITIVE, 3.4e-39, 1.000_000_1, 7.0],
    };
    let text = serde_json::to_string(&preparation).unwrap();
    assert!(text.starts_with(r#"{"kind":"standardise","mean":[0.1,"#), "{text}");
    assert_eq!(serde_json::from_str::<Preparation>(&text).unwrap(), preparation);
}

#[test]
fn the_output_that_suits_follows_the_prepared_data() {
    let suits = |data: &Dataset| {
        let rows: Vec<u32> = (0..data.rows() as u32).collect();
        Suits::of(data, &rows, &fit(data, PreparationChoice::Auto))
    };
    assert_eq!(suits(&image(Values::U8(vec![0, 255, 3, 250]))), Suits::Bernoulli);
    assert_eq!(suits(&image(Values::U8(vec![100, 255, 130, 70]))), Suits::Gaussian);
    assert_eq!(suits(&table(2, &[0.0, 1.0, 1.0, 1.0])), Suits::Bernoulli);
    assert_eq!(suits(&table(2, &[0.0, 1.5, 1.0, 1.0])), Suits::Gaussian);
}

#[test]
fn counts_become_weights_of_length_one() {
    let counts = table(3, &[1.0, 0.0, 2.0, 4.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0]);
    let preparation = fit(&counts, PreparationChoice::TfIdf);
    // In three, none and one of four rows; a word that no row has weighs as if one had it.
    let weight = vec![(4f64 / 3.0).ln() as f32, 4f64.ln() as f32, 4f64.ln() as f32];
    assert_eq!(preparation, Preparation::TfIdf { weight });
    let mut rows = counts.values.to_f32();
    preparation.prepare(&mut rows);
    let (a, b) = ((4f64 / 3.0).ln(), 4f64.ln() * (1.0 + 2f64.ln()));
    let length = a.hypot(b);
    let expected = [a / length, 0.0, b / length, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0];
    rows.iter().zip(expected).for_each(|(row, expected)| assert!((f64::from(*row) - expected).abs() < 1e-7));
    let weights = rows.clone();
    preparation.restore(&mut rows);
    assert_eq!(rows, weights);
    assert_eq!(Suits::of(&counts, &[0, 1, 2, 3], &preparation), Suits::Gaussian);
    assert!(preparation.expect_shape(&columns(4), "x").is_err());
    assert!(Preparation::TfIdf { weight: vec![1.0] }.expect_shape(&columns(4), "x").is_err());
    let text = serde_json::to_string(&preparation).unwrap();
    assert!(text.starts_with(r#"{"kind":"tf-idf","weight":["#), "{text}");
    let refused = |values: &[f32]| {
        let error = Preparation::fit(&table(1, values), &[0, 1], PreparationChoice::TfIdf).unwrap_err();
        assert!(error.hint().is_some());
        error.to_string()
    };
    assert!(refused(&[1.0, -2.0]).ends_with("the smallest value found is -2"));
    assert!(refused(&[1.0, 0.5]).ends_with("fractions were found"));
}
