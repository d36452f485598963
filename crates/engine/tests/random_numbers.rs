//! The generator against published answers, its distributions, and the promise that a draw depends on its key alone.

use narrows_engine::op::Distribution::{self, Normal, Uniform};
use narrows_engine::random::{Stream, draw, fill_row, normal_pair, philox, shuffle, uniform};

/// `kat_vectors` of Random123 1.14, lines `philox4x32 10`.
#[test]
fn philox_gives_the_published_answers() {
    let answers = [
        ([0; 4], [0; 2], [0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8]),
        ([u32::MAX; 4], [u32::MAX; 2], [0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd]),
        (
            [0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344],
            [0xa4093822, 0x299f31d0],
            [0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1],
        ),
    ];
    for (counter, key, expected) in answers {
        assert_eq!(philox(counter, key), expected);
    }
}

#[test]
fn a_draw_is_keyed_by_seed_step_stream_row_and_column() {
    let seed = 0x0123_4567_89ab_cdef;
    let words = philox([2, 7, 3, 5], [0x89ab_cdef, 0x0123_4567]);
    for within in 0..4 {
        let value = draw(seed, 5, 3, 7, 8 + within, Uniform);
        assert_eq!(value, uniform(words[within as usize]));
    }
    let pair = normal_pair(words[2], words[3]);
    assert_eq!((draw(seed, 5, 3, 7, 10, Normal), draw(seed, 5, 3, 7, 11, Normal)), pair);
}

#[test]
fn a_filled_row_has_the_bits_of_single_draws_at_any_offset() {
    for distribution in [Uniform, Normal] {
        let row: Vec<f32> = (0..300).map(|column| draw(9, 1, 2, 3, column, distribution)).collect();
        for first in [0, 1, 2, 3, 4, 5, 63, 64, 130] {
            for length in [0, 1, 2, 3, 4, 5, 63, 64, 65, 131, 170] {
                let mut out = vec![f32::NAN; length];
                fill_row(9, 1, 2, 3, first as u32, &mut out, distribution);
                let same =
                    out.iter().zip(&row[first..]).all(|(left, right)| left.to_bits() == right.to_bits());
                assert!(same, "{distribution:?} from {first}, {length} values");
            }
        }
    }
}

fn moments(distribution: Distribution) -> [f64; 4] {
    let (rows, columns) = (500, 1000);
    let mut sums = [0.0; 4];
    let mut out = vec![0.0; columns];
    for row in 0..rows {
        fill_row(1, 0, 0, row, 0, &mut out, distribution);
        for value in &out {
            for (power, sum) in sums.iter_mut().enumerate() {
                *sum += f64::from(*value).powi(power as i32 + 1);
            }
        }
    }
    sums.map(|sum| sum / (rows as usize * columns) as f64)
}

/// Moments of 500,000 draws within four standard errors of the distribution's own.
#[test]
fn the_distributions_have_their_moments() {
    let count: f64 = 500_000.0;
    for (found, (expected, square)) in
        moments(Uniform).iter().zip([(0.5, 1.0 / 3.0), (1.0 / 3.0, 0.2), (0.25, 1.0 / 7.0), (0.2, 1.0 / 9.0)])
    {
        let error = ((square - expected * expected) / count).sqrt();
        assert!((found - expected).abs() < 4.0 * error, "{found} for {expected}");
    }
    for (found, (expected, square)) in
        moments(Normal).iter().zip([(0.0, 1.0), (1.0, 3.0), (0.0, 15.0), (3.0, 105.0)])
    {
        let error = ((square - expected * expected) / count).sqrt();
        assert!((found - expected).abs() < 4.0 * error, "{found} for {expected}");
    }
}

#[test]
fn uniform_numbers_reach_0_and_stay_below_1() {
    assert_eq!(uniform(0), 0.0);
    assert_eq!(uniform(u32::MAX), 1.0 - 1.0 / 16_777_216.0);
    assert_eq!(uniform(0x8000_0000), 0.5);
}

/// Box and Muller's formula in f64 beside ours in f32, over extreme and ordinary words.
#[test]
fn normal_pairs_follow_box_and_muller() {
    let mut words = Stream::new(3, 0, 0);
    let mut pairs = vec![(0, 0), (u32::MAX, u32::MAX), (0, 0x4000_0000), (0, 0x8000_0000), (0, 0xc000_0000)];
    pairs.extend((0..100_000).map(|_| (words.word(), words.word())));
    let mut worst: f64 = 0.0;
    for (u, v) in pairs {
        let p = f64::from((u >> 8) + 1) / 16_777_216.0;
        let angle = std::f64::consts::TAU * f64::from(v >> 8) / 16_777_216.0;
        let radius = (-2.0 * p.ln()).sqrt();
        let (x, y) = normal_pair(u, v);
        for (found, expected) in [(x, radius * angle.cos()), (y, radius * angle.sin())] {
            worst = worst.max((f64::from(found) - expected).abs() / radius.max(1e-3));
        }
    }
    assert!(worst < 2.5e-7, "relative to the radius: {worst:e}");
}

#[test]
fn a_host_stream_is_not_a_graph_stream() {
    let mut host = Stream::new(1, 0, 0);
    let graph: Vec<f32> = (0..64).map(|column| draw(1, 0, 0, 0, column, Uniform)).collect();
    assert!((0..64).any(|column| host.uniform() != graph[column]));
    let words: Vec<u32> = Stream::new(1, 0, 0).take(8).collect();
    assert_eq!(words[..4], philox([0, 0, 1 << 31, 0], [1, 0]));
    assert_eq!(words[4..], philox([1, 0, 1 << 31, 0], [1, 0]));
}

#[test]
fn bounded_numbers_are_fair() {
    let mut words = Stream::new(5, 1, 0);
    let mut counts = [0; 7];
    for _ in 0..70_000 {
        counts[words.below(7) as usize] += 1;
    }
    assert!(counts.iter().all(|&count: &i32| (count - 10_000).abs() < 400), "{counts:?}");
    // A bound of ¾·2³², where scaling without rejection would give every third number twice as often as the others.
    let mut residues = [0; 3];
    for _ in 0..30_000 {
        residues[words.below(3 << 30) as usize % 3] += 1;
    }
    assert!(residues.iter().all(|&count: &i32| (count - 10_000).abs() < 400), "{residues:?}");
    assert_eq!((words.below(0), words.below(1)), (0, 0));
}

#[test]
fn a_shuffle_keeps_every_item_and_every_order_is_as_likely() {
    let mut items: Vec<u32> = (0..1000).collect();
    shuffle(7, 0, 0, &mut items);
    let moved = items.iter().enumerate().filter(|(place, item)| *place as u32 != **item).count();
    assert!(moved > 980);
    items.sort_unstable();
    assert!(items.iter().copied().eq(0..1000));

    let mut orders = std::collections::BTreeMap::new();
    for step in 0..24_000 {
        let mut four = [0, 1, 2, 3];
        shuffle(7, 1, step, &mut four);
        *orders.entry(four).or_insert(0) += 1;
    }
    assert_eq!(orders.len(), 24);
    assert!(orders.values().all(|&count: &i32| (count - 1000).abs() < 150), "{orders:?}");
}
