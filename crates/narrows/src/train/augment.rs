//! Augmentation: training pictures moved, mirrored, cut, turned, scaled, lightened and bent at random, and label maps with them; drawn anew for each
//! row and epoch, whatever came before.

use crate::data::VOID;
use crate::recipe::TrainRecipe;
use crate::streams;
use narrows_engine::random::Stream;

/// Displacements across and down from which the others of an elastic picture are interpolated.
const GRID: usize = 4;

/// Height, width and channels.
pub type PictureSize = (usize, usize, usize);

/// What may be done to pictures.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Augmentation {
    shift: usize,
    flip: bool,
    crop: f32,
    rotate: f32,
    scale: f32,
    brightness: f32,
    elastic: f32,
    seed: u64,
}

impl Augmentation {
    /// What a recipe asks for; nothing where it asks for nothing.
    pub fn new(train: &TrainRecipe) -> Option<Augmentation> {
        let all = Augmentation {
            shift: train.augment_shift,
            flip: train.augment_flip,
            crop: train.augment_crop as f32,
            rotate: train.augment_rotate as f32,
            scale: train.augment_scale as f32,
            brightness: train.augment_brightness as f32,
            elastic: train.augment_elastic as f32,
            seed: train.seed,
        };
        let shares = [all.crop, all.rotate, all.scale, all.brightness, all.elastic];
        let asked = all.shift > 0 || all.flip || shares.iter().any(|share| *share > 0.0);
        asked.then_some(all)
    }

    /// What is done to a row in an epoch.
    pub fn draw(&self, row: u32, epoch: usize, (height, width, _): PictureSize) -> Drawn {
        let mut stream = Stream::new(self.seed ^ (u64::from(row) << 20), streams::SHIFT, epoch as u32);
        let span = 2 * self.shift as u32 + 1;
        let mut whole = || stream.below(span) as isize - self.shift as isize;
        let (down, right) = (whole(), whole());
        let flipped = self.flip && stream.below(2) == 1;
        let mut between = |low: f32, high: f32| low + (high - low) * stream.uniform();
        let brightness = 1.0 + between(-self.brightness, self.brightness);
        let (sine, cosine) = between(-self.rotate, self.rotate).to_radians().sin_cos();
        let kept = 1.0 - between(0.0, self.crop);
        let scale = kept / (1.0 + between(-self.scale, self.scale));
        // What is left of a cut picture lies anywhere in it.
        let room = (1.0 - kept) / 2.0;
        let centre = [height, width].map(|size| between(-room, room) * size as f32);
        let bends = self.elastic > 0.0;
        let bent =
            (0..if bends { 2 * GRID * GRID } else { 0 }).map(|_| self.elastic * stream.normal()).collect();
        let moves = [self.crop, self.rotate, self.scale, self.elastic].iter().any(|share| *share > 0.0);
        Drawn { down, right, flipped, brightness, turned: [sine, cosine], scale, centre, bent, moves }
    }
}

/// What is done to a row.
#[derive(Clone, Debug, PartialEq)]
pub struct Drawn {
    down: isize,
    right: isize,
    flipped: bool,
    brightness: f32,
    /// Sine and cosine of the angle.
    turned: [f32; 2],
    /// Pixels of the source for one of the result.
    scale: f32,
    /// Where the result's middle lies in the source, from the middle, down and right.
    centre: [f32; 2],
    /// Displacements, down and right in turns, of the points of a grid.
    bent: Vec<f32>,
    /// Whether pixels come to lie between pixels.
    moves: bool,
}

/// A stored number.
pub trait Stored: Copy + Default {
    /// As a number.
    fn number(self) -> f32;
    /// From a number, rounded and clipped where the type asks for it.
    fn of(number: f32) -> Self;
}

impl Stored for u8 {
    fn number(self) -> f32 {
        f32::from(self)
    }
    fn of(number: f32) -> u8 {
        number.round() as u8
    }
}

impl Stored for f32 {
    fn number(self) -> f32 {
        self
    }
    fn of(number: f32) -> f32 {
        number
    }
}

impl Drawn {
    /// Copies a picture, changed; what comes in from outside is 0.
    pub fn picture<T: Stored>(&self, from: &[T], to: &mut [T], size: PictureSize) {
        if self.moves {
            self.resample(from, to, size);
        } else {
            copy_moved(from, to, size, self, T::default());
        }
        if self.brightness != 1.0 {
            to.iter_mut().for_each(|value| *value = T::of(value.number() * self.brightness));
        }
    }

    /// Copies a label map, changed alike; what comes in from outside is [`VOID`].
    pub fn map(&self, from: &[u8], to: &mut [u8], (height, width, _): PictureSize) {
        if !self.moves {
            return copy_moved(from, to, (height, width, 1), self, VOID);
        }
        for (at, out) in to.iter_mut().enumerate() {
            let [y, x] = self.source(at / width, at % width, (height, width));
            let (y, x) = (y.round(), x.round());
            let inside = y >= 0.0 && x >= 0.0 && y < height as f32 && x < width as f32;
            *out = if inside { from[y as usize * width + x as usize] } else { VOID };
        }
    }

    fn resample<T: Stored>(&self, from: &[T], to: &mut [T], (height, width, channels): PictureSize) {
        for (at, out) in to.chunks_exact_mut(channels).enumerate() {
            let [y, x] = self.source(at / width, at % width, (height, width));
            let (top, left) = (y.floor(), x.floor());
            let (down, right) = (y - top, x - left);
            let corners = [
                (top, left, (1.0 - down) * (1.0 - right)),
                (top, left + 1.0, (1.0 - down) * right),
                (top + 1.0, left, down * (1.0 - right)),
                (top + 1.0, left + 1.0, down * right),
            ];
            for (channel, out) in out.iter_mut().enumerate() {
                let mut sum = 0.0;
                for (y, x, weight) in corners {
                    if y >= 0.0 && x >= 0.0 && y < height as f32 && x < width as f32 {
                        let place = (y as usize * width + x as usize) * channels + channel;
                        sum += weight * from[place].number();
                    }
                }
                *out = T::of(sum);
            }
        }
    }

    /// Where a pixel of the result lies in the source, down and right from the middle of its first pixel.
    fn source(&self, row: usize, column: usize, (height, width): (usize, usize)) -> [f32; 2] {
        let middle = [height, width].map(|size| (size as f32 - 1.0) / 2.0);
        let y = row as f32 - self.down as f32 - middle[0];
        let mut x = column as f32 - self.right as f32 - middle[1];
        if self.flipped {
            x = -x;
        }
        let [sine, cosine] = self.turned;
        let turned = [cosine * y - sine * x, sine * y + cosine * x];
        let bent = self.bend(row as f32 / height.max(2) as f32, column as f32 / width.max(2) as f32);
        [0, 1].map(|axis| turned[axis] * self.scale + self.centre[axis] + middle[axis] + bent[axis])
    }

    /// The displacement at a place, given from 0 to 1: between the four around it.
    fn bend(&self, down: f32, right: f32) -> [f32; 2] {
        if self.bent.is_empty() {
            return [0.0; 2];
        }
        let last = (GRID - 1) as f32;
        let (y, x) = ((down * last).min(last), (right * last).min(last));
        let (top, left) = ((y as usize).min(GRID - 2), (x as usize).min(GRID - 2));
        let (down, right) = (y - top as f32, x - left as f32);
        [0, 1].map(|axis| {
            let point = |row: usize, column: usize| self.bent[2 * (row * GRID + column) + axis];
            let upper = point(top, left) * (1.0 - right) + point(top, left + 1) * right;
            let lower = point(top + 1, left) * (1.0 - right) + point(top + 1, left + 1) * right;
            upper * (1.0 - down) + lower * down
        })
    }
}

/// Copies a picture, moved by whole pixels and perhaps mirrored; what comes in from outside is `outside`.
fn copy_moved<T: Copy>(from: &[T], to: &mut [T], size: PictureSize, drawn: &Drawn, outside: T) {
    let (height, width, channels) = size;
    let Drawn { down, right, flipped, .. } = *drawn;
    to.fill(outside);
    let columns = right.max(0) as usize..(width as isize + right.min(0)) as usize;
    for y in down.max(0)..height as isize + down.min(0) {
        let line = (y - down) as usize * width;
        if flipped {
            for x in columns.clone() {
                let source = line + width - 1 - (x as isize - right) as usize;
                let target = y as usize * width + x;
                to[target * channels..][..channels].copy_from_slice(&from[source * channels..][..channels]);
            }
            continue;
        }
        let source = (line + (columns.start as isize - right) as usize) * channels;
        let target = (y as usize * width + columns.start) * channels;
        let count = columns.len() * channels;
        to[target..target + count].copy_from_slice(&from[source..source + count]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn still() -> Drawn {
        let (down, right, flipped, moves, bent) = (0, 0, false, false, Vec::new());
        Drawn {
            down,
            right,
            flipped,
            brightness: 1.0,
            turned: [0.0, 1.0],
            scale: 1.0,
            centre: [0.0; 2],
            bent,
            moves,
        }
    }

    fn picture(drawn: &Drawn, from: &[u8], size: PictureSize) -> Vec<u8> {
        let mut to = vec![9; from.len()];
        drawn.picture(from, &mut to, size);
        to
    }

    #[test]
    fn a_moved_picture_keeps_what_stays_in_sight() {
        let from: Vec<u8> = (1..=12).collect();
        let moved = |down, right| Drawn { down, right, ..still() };
        assert_eq!(picture(&moved(1, -1), &from, (3, 4, 1)), [0, 0, 0, 0, 2, 3, 4, 0, 6, 7, 8, 0]);
        assert_eq!(picture(&moved(-1, 1), &from, (3, 2, 2)), [0, 0, 5, 6, 0, 0, 9, 10, 0, 0, 0, 0]);
        assert_eq!(picture(&moved(0, 0), &from, (3, 4, 1)), from);
    }

    /// Whole pixels and pixels between pixels agree where both can say what comes out, and maps go with pictures.
    #[test]
    fn both_ways_move_alike_and_maps_go_with_pictures() {
        let from: Vec<u8> = (1..=20).collect();
        for (down, right, flipped) in [(0, 0, true), (1, -2, false), (-1, 1, true), (0, 0, false)] {
            let whole = Drawn { down, right, flipped, ..still() };
            let between = Drawn { moves: true, ..whole.clone() };
            let size = (4, 5, 1);
            let expected = picture(&whole, &from, size);
            assert_eq!(picture(&between, &from, size), expected, "{whole:?}");
            for drawn in [whole, between] {
                let mut map = vec![9; 20];
                drawn.map(&from, &mut map, size);
                let same = map
                    .iter()
                    .zip(&expected)
                    .all(|(map, value)| map == value || (*value == 0 && *map == VOID));
                assert!(same, "{drawn:?}: {map:?}");
            }
        }
        let mirrored = picture(&Drawn { flipped: true, ..still() }, &from[..6], (1, 3, 2));
        assert_eq!(mirrored, [5, 6, 3, 4, 1, 2]);
    }

    /// A quarter turn, half the size, and a grid that bends everything one pixel down.
    #[test]
    fn pictures_are_turned_scaled_and_bent() {
        let from: Vec<u8> = (1..=9).collect();
        let turned = Drawn { turned: [1.0, 0.0], moves: true, ..still() };
        assert_eq!(picture(&turned, &from, (3, 3, 1)), [7, 4, 1, 8, 5, 2, 9, 6, 3]);
        let bent = Drawn { bent: [1.0, 0.0].repeat(GRID * GRID), moves: true, ..still() };
        assert_eq!(picture(&bent, &from, (3, 3, 1)), [4, 5, 6, 7, 8, 9, 0, 0, 0]);
        let half = Drawn { scale: 2.0, moves: true, ..still() };
        assert_eq!(picture(&half, &from, (3, 3, 1)), [0, 0, 0, 0, 5, 0, 0, 0, 0]);
        let corner = Drawn { scale: 0.5, centre: [-0.5, -0.5], moves: true, ..still() };
        assert_eq!(
            picture(&corner, &[10, 20, 30, 40, 50, 60, 70, 80, 90], (3, 3, 1)),
            [10, 15, 20, 25, 30, 35, 40, 45, 50]
        );
        let light = Drawn { brightness: 1.5, ..still() };
        assert_eq!(picture(&light, &[10, 200, 3], (1, 3, 1)), [15, 255, 5]);
    }

    /// Draws stay within what was asked for, differ from row to row and epoch to epoch, and come again.
    #[test]
    fn draws_are_keyed_by_row_and_epoch() {
        let train = TrainRecipe {
            augment_shift: 2,
            augment_flip: true,
            augment_crop: 0.25,
            augment_rotate: 10.0,
            augment_scale: 0.2,
            augment_brightness: 0.5,
            augment_elastic: 1.0,
            ..TrainRecipe::default()
        };
        assert_eq!(Augmentation::new(&TrainRecipe::default()), None);
        let augmentation = Augmentation::new(&train).unwrap();
        let draw = |row, epoch| augmentation.draw(row, epoch, (8, 6, 3));
        assert_eq!(draw(5, 1), draw(5, 1));
        assert!(draw(5, 1) != draw(6, 1) && draw(5, 1) != draw(5, 2));
        let all: Vec<Drawn> = (0..200).map(|row| draw(row, 3)).collect();
        assert!(all.iter().any(|drawn| drawn.flipped) && all.iter().any(|drawn| !drawn.flipped));
        for drawn in &all {
            assert!(drawn.down.abs() <= 2 && drawn.right.abs() <= 2 && drawn.bent.len() == 32);
            assert!(
                drawn.turned[0].abs() <= 10f32.to_radians().sin() && (0.5..=1.5).contains(&drawn.brightness)
            );
            assert!((0.75 / 1.2..=1.0 / 0.8).contains(&drawn.scale));
            assert!(drawn.centre[0].abs() <= 1.0 && drawn.centre[1].abs() <= 0.75);
        }
    }
}
