//! Digits drawn by our own code, 28 × 28 grey, labelled: the data that needs no network and no file.
//!
//! A digit's strokes (`glyph_forms`) are bent by a smooth random field (elastic wobble), scaled, slanted, rotated and
//! shifted at random, and drawn with a pen of random width and pressure, antialiased. Glyph `row` of a part depends on
//! the seed, the part and `row`, and on nothing else: more glyphs are the same glyphs and more.

use std::f64::consts::TAU;

use narrows_engine::random::{Stream, shuffle};

use super::Options;
use super::dataset::{Dataset, ItemShape, Values};
use super::glyph_forms::{Pen, Point, Stroke, strokes};
use super::labels::Labels;
use super::source::Source;
use super::streams;

/// Height and width of a glyph, in pixels.
pub const GLYPH_SIZE: usize = 28;

const PIXELS: usize = GLYPH_SIZE * GLYPH_SIZE;

/// How many glyphs are drawn where nothing else is said: to learn from, and to judge by.
const DEFAULT_ROWS: (usize, usize) = (10_000, 2_000);

/// No ink comes nearer to the edge of the picture than this many pixels.
const MARGIN: f64 = 1.0;

/// Straight pieces between two points of a stroke.
const PIECES: usize = 6;

/// Which of the two parts a glyph belongs to; they share no glyph.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GlyphPart {
    /// To learn from.
    Train,
    /// To judge by.
    Test,
}

/// Draws both parts.
pub(super) fn draw(options: &Options) -> Source {
    let rows = options.rows.unwrap_or(DEFAULT_ROWS.0);
    let test_rows = options.test_rows.unwrap_or(DEFAULT_ROWS.1);
    let test = (test_rows > 0).then(|| draw_part(options.seed, GlyphPart::Test, test_rows));
    Source {
        name: "glyphs".to_string(),
        train: draw_part(options.seed, GlyphPart::Train, rows),
        test,
        notes: vec![],
    }
}

/// Draws the first `rows` glyphs of a part.
fn draw_part(seed: u64, part: GlyphPart, rows: usize) -> Dataset {
    let mut values = Vec::with_capacity(rows * PIXELS);
    let mut of_row = Vec::with_capacity(rows);
    for row in 0..rows as u32 {
        let (digit, pixels) = draw_glyph(seed, part, row);
        values.extend_from_slice(&pixels);
        of_row.push(u32::from(digit));
    }
    Dataset {
        maps: None,
        shape: ItemShape::Image { height: GLYPH_SIZE, width: GLYPH_SIZE, channels: 1 },
        values: Values::U8(values),
        labels: Some(Labels { names: (0..10).map(|digit: u8| digit.to_string()).collect(), of_row }),
        names: None,
    }
}

/// Draws glyph `row` of a part: its digit, and its pixels from black (0) to white (255), row after row.
pub fn draw_glyph(seed: u64, part: GlyphPart, row: u32) -> (u8, [u8; GLYPH_SIZE * GLYPH_SIZE]) {
    let digit = digit_of(seed, part, row);
    let stream = match part {
        GlyphPart::Train => streams::GLYPHS_TRAIN,
        GlyphPart::Test => streams::GLYPHS_TEST,
    };
    let mut pen = Pen::new(Stream::new(seed, stream, row));
    let mut lines: Vec<Stroke> = strokes(digit, &mut pen).iter().map(smooth).collect();
    wobble(&mut lines, &mut pen);
    let radius = pen.between(0.75, 1.75);
    place(&mut lines, radius, &mut pen);
    (digit, ink(&lines, radius, &mut pen))
}

/// The digit of a row: each ten rows hold every digit once, in random order.
fn digit_of(seed: u64, part: GlyphPart, row: u32) -> u8 {
    let stream = match part {
        GlyphPart::Train => streams::GLYPHS_TRAIN_DIGITS,
        GlyphPart::Test => streams::GLYPHS_TEST_DIGITS,
    };
    let mut digits: [u32; 10] = std::array::from_fn(|digit| digit as u32);
    shuffle(seed, stream, row / 10, &mut digits);
    digits[row as usize % 10] as u8
}

/// The smooth curve through a stroke's points, as short straight pieces (Catmull and Rom 1974).
fn smooth(stroke: &Stroke) -> Stroke {
    let point = |i: isize| stroke[i.clamp(0, stroke.len() as isize - 1) as usize];
    let mut line = vec![stroke[0]];
    for i in 0..stroke.len() as isize - 1 {
        let [a, b, c, d] = [point(i - 1), point(i), point(i + 1), point(i + 2)];
        for piece in 1..=PIECES {
            let t = piece as f64 / PIECES as f64;
            line.push(std::array::from_fn(|k| {
                let (a, b, c, d) = (a[k], b[k], c[k], d[k]);
                let cubic = 3.0 * (b - c) + d - a;
                let square = 2.0 * a - 5.0 * b + 4.0 * c - d;
                b + 0.5 * t * (c - a + t * (square + t * cubic))
            }));
        }
    }
    line
}

/// Bends the square that the digit is written in: a sum of slow waves, so that joined strokes stay joined.
fn wobble(lines: &mut [Stroke], pen: &mut Pen) {
    let waves: [[f64; 5]; 3] = std::array::from_fn(|_| {
        [
            pen.between(-1.1, 1.1),
            pen.between(-1.1, 1.1),
            pen.between(0.0, 1.0),
            pen.around_zero(0.026),
            pen.around_zero(0.022),
        ]
    });
    for point in lines.iter_mut().flatten() {
        let [x, y] = *point;
        for [across, down, phase, strength_x, strength_y] in waves {
            let wave = (TAU * (across * x + down * y + phase)).sin();
            point[0] += strength_x * wave;
            point[1] += strength_y * wave;
        }
    }
}

/// Scales, slants, rotates and shifts the lines into the picture, ink and all.
fn place(lines: &mut [Stroke], radius: f64, pen: &mut Pen) {
    let height = pen.between(16.5, 21.0);
    let width = height * pen.between(0.88, 1.24);
    let slant = 0.1 + pen.around_zero(0.16);
    let (sine, cosine) = pen.around_zero(0.1).sin_cos();
    for point in lines.iter_mut().flatten() {
        let y = height * (point[1] - 0.5);
        let x = width * (point[0] - 0.5) - slant * y;
        *point = [cosine * x - sine * y, sine * x + cosine * y];
    }
    let room = GLYPH_SIZE as f64 - 2.0 * (MARGIN + radius);
    for axis in 0..2 {
        let (low, high) = extent(lines, axis);
        // What is too large is made to fit; what is not is put in the middle, more or less.
        let scale = (room / (high - low)).min(1.0);
        let slack = 0.5 * (room - scale * (high - low));
        let shift = GLYPH_SIZE as f64 / 2.0 + pen.around_zero(1.1).clamp(-slack, slack);
        let middle = 0.5 * (low + high);
        for point in lines.iter_mut().flatten() {
            point[axis] = (point[axis] - middle) * scale + shift;
        }
    }
}

/// The smallest and the largest coordinate of all points along one axis.
fn extent(lines: &[Stroke], axis: usize) -> (f64, f64) {
    let along = lines.iter().flatten().map(|point| point[axis]);
    along.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), v| (low.min(v), high.max(v)))
}

/// Draws the lines: each pixel is as white as the pen covers it.
fn ink(lines: &[Stroke], radius: f64, pen: &mut Pen) -> [u8; PIXELS] {
    let mut cover = [0f32; PIXELS];
    let softness = pen.between(0.9, 1.5) as f32;
    for line in lines {
        // The pressure changes slowly along a stroke.
        let (start, end) = (pen.between(0.82, 1.12), pen.between(0.78, 1.08));
        let pieces = (line.len() - 1).max(1) as f64;
        let width = |i: usize| radius * (start + (end - start) * i as f64 / pieces);
        for (i, pair) in line.windows(2).enumerate() {
            cover_piece(&mut cover, [pair[0], pair[1]], [width(i), width(i + 1)], softness);
        }
    }
    let white = pen.between(225.0, 256.0) as f32;
    cover.map(|cover| (white * cover).min(255.0).round() as u8)
}

/// Adds a straight piece with round ends whose radius goes from one value to the other.
fn cover_piece(cover: &mut [f32; PIXELS], [a, b]: [Point; 2], radii: [f64; 2], softness: f32) {
    let reach = radii[0].max(radii[1]) + f64::from(softness);
    let range = |axis: usize| {
        let low = (a[axis].min(b[axis]) - reach).max(0.0) as usize;
        let high = (a[axis].max(b[axis]) + reach).ceil().max(0.0) as usize;
        low..high.min(GLYPH_SIZE)
    };
    let (ax, ay) = (a[0] as f32, a[1] as f32);
    let (dx, dy) = ((b[0] - a[0]) as f32, (b[1] - a[1]) as f32);
    // Two points in the same place are a dot.
    let square = (dx * dx + dy * dy).max(1e-12);
    let (start, growth) = (radii[0] as f32, (radii[1] - radii[0]) as f32);
    for y in range(1) {
        for x in range(0) {
            let (px, py) = (x as f32 + 0.5 - ax, y as f32 + 0.5 - ay);
            let along = ((px * dx + py * dy) / square).clamp(0.0, 1.0);
            let (ex, ey) = (px - along * dx, py - along * dy);
            let inside = start + growth * along - (ex * ex + ey * ey).sqrt();
            let pixel = &mut cover[y * GLYPH_SIZE + x];
            *pixel = pixel.max((inside / softness + 0.5).clamp(0.0, 1.0));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::load;

    fn drawn(rows: usize, test_rows: usize, seed: u64) -> Source {
        load(None, &Options { rows: Some(rows), test_rows: Some(test_rows), seed, ..Options::default() })
            .unwrap()
    }

    #[test]
    fn more_glyphs_are_the_same_glyphs_and_more() {
        let (few, many) = (drawn(15, 5, 3), drawn(40, 20, 3));
        let rows: Vec<u32> = (0..15).collect();
        assert_eq!(many.train.select(&rows), few.train);
        assert_eq!(many.test.unwrap().select(&rows[..5]), few.test.unwrap());
    }

    #[test]
    fn seeds_and_parts_differ() {
        let (a, b) = (drawn(20, 20, 1), drawn(20, 20, 2));
        assert_eq!(a, drawn(20, 20, 1));
        assert_ne!(a.train.values, b.train.values);
        assert_ne!(Some(&a.train.values), a.test.as_ref().map(|test| &test.values));
    }

    #[test]
    fn the_glyphs_of_a_seed_never_change() {
        // Recipes' published results rest on these; a change of the drawing must be a decision.
        let fingerprint = drawn(1000, 200, 0).fingerprint();
        assert_eq!(fingerprint, "46bab90004d4f2653265faeaec1ecba48cedaf8a6cb3117edf755db91bee5cf5");
    }

    #[test]
    fn every_ten_rows_hold_every_digit_once() {
        let labels = drawn(200, 1, 0).train.labels.unwrap();
        let mut orders = Vec::new();
        for ten in labels.of_row.chunks(10) {
            let mut digits = ten.to_vec();
            orders.push(digits.clone());
            digits.sort_unstable();
            assert_eq!(digits, (0..10).collect::<Vec<u32>>());
        }
        orders.sort();
        orders.dedup();
        assert!(orders.len() > 15, "the order changes");
    }

    #[test]
    fn ink_is_where_it_should_be_and_not_at_the_edge() {
        let source = drawn(500, 1, 0);
        let mut row = [0f32; PIXELS];
        let mut mean = 0.0;
        for i in 0..500 {
            source.train.row_f32(i, &mut row);
            let sum = row.iter().sum::<f32>() / 255.0;
            assert!((20.0..260.0).contains(&sum), "glyph {i} has {sum} pixels of ink");
            assert!(row.iter().any(|&v| v > 190.0), "glyph {i} is pale");
            let edge = (0..GLYPH_SIZE).flat_map(|k| {
                [row[k], row[PIXELS - 1 - k], row[k * GLYPH_SIZE], row[(k + 1) * GLYPH_SIZE - 1]]
            });
            assert!(edge.fold(0f32, f32::max) < 160.0, "glyph {i} is cut off");
            mean += sum / 500.0;
        }
        assert!((60.0..140.0).contains(&mean), "{mean} pixels of ink on average; MNIST has 101");
    }

    #[test]
    fn a_digit_resembles_its_kind_more_than_others() {
        // Nearest mean of 1,000 glyphs, on 500 others: chance is 10 %.
        let source = drawn(1000, 500, 0);
        let test = source.test.unwrap();
        let mut means = vec![[0f32; PIXELS]; 10];
        let mut row = [0f32; PIXELS];
        for (i, &digit) in source.train.labels.as_ref().unwrap().of_row.iter().enumerate() {
            source.train.row_f32(i, &mut row);
            means[digit as usize].iter_mut().zip(&row).for_each(|(mean, v)| *mean += v / 100.0);
        }
        let mut right = 0;
        for (i, &digit) in test.labels.as_ref().unwrap().of_row.iter().enumerate() {
            test.row_f32(i, &mut row);
            let distance =
                |mean: &[f32; PIXELS]| mean.iter().zip(&row).map(|(a, b)| (a - b).powi(2)).sum::<f32>();
            let nearest = (0..10).min_by(|&a, &b| distance(&means[a]).total_cmp(&distance(&means[b])));
            right += usize::from(nearest == Some(digit as usize));
        }
        assert!(
            (300..480).contains(&right),
            "{right} of 500 by the nearest mean: neither noise nor one stencil"
        );
    }
}
