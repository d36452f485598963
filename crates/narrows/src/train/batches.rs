//! Batches: which rows make up a step, and their stored values one after another.

use super::setup::Setup;
use super::stage::{Part, Stage};
use crate::data::{Dataset, ItemShape, Values};
use crate::recipe::{Chain, Recipe};
use crate::streams;
use narrows_engine::cpu::Feed;
use narrows_engine::random::{Stream, shuffle};

/// Fills batches; its buffers are allocated once.
pub struct Batches {
    order: Vec<u32>,
    values: Values,
    targets: Vec<f32>,
    row_ids: Vec<u32>,
    /// Ids of persistent chains: no row's.
    chain_ids: Vec<u32>,
}

impl Batches {
    /// Room for batches of `setup`.
    pub fn new(setup: &Setup) -> Batches {
        let batch = setup.stages.iter().map(Stage::batch).max().unwrap_or(0);
        let features = setup.source.train.features();
        let values = match setup.source.train.values {
            Values::U8(_) => Values::U8(vec![0; batch * features]),
            Values::F32(_) => Values::F32(vec![0.0; batch * features]),
        };
        Batches {
            order: Vec::with_capacity(setup.split.train.len()),
            values,
            targets: vec![0.0; batch * setup.classes.len()],
            row_ids: vec![0; batch],
            chain_ids: (0..batch as u32).map(|chain| u32::MAX - chain).collect(),
        }
    }

    /// Puts a stage's rows into the order of an epoch: the same for the same seed and epoch, whatever came before.
    pub fn begin_epoch(&mut self, setup: &Setup, stage: &Stage, epoch: usize) {
        self.order.clear();
        self.order.extend_from_slice(&stage.rows);
        shuffle(setup.recipe.train.seed, streams::ORDER, epoch as u32, &mut self.order);
    }

    /// Fills the batch of a step and tells how many rows it has.
    pub fn fill(&mut self, setup: &Setup, stage: &Stage, epoch: usize, step: usize) -> usize {
        let first = step * stage.batch();
        let last = (first + stage.batch()).min(self.order.len());
        let rows = &self.order[first..last];
        self.row_ids[..rows.len()].copy_from_slice(rows);
        let train = &setup.source.train;
        let moves = Moves::new(&setup.recipe, train, epoch);
        match (&train.values, &mut self.values) {
            (Values::U8(from), Values::U8(to)) => copy_rows(from, to, rows, train.features(), &moves),
            (Values::F32(from), Values::F32(to)) => copy_rows(from, to, rows, train.features(), &moves),
            _ => {}
        }
        if let (false, Some(labels)) = (setup.classes.is_empty(), &train.labels) {
            self.targets.fill(0.0);
            for (at, row) in rows.iter().enumerate() {
                self.targets[at * setup.classes.len() + labels.of_row[*row as usize] as usize] = 1.0;
            }
        }
        rows.len()
    }

    /// The filled batch as a run of a stage takes it: rows, row ids, and for a classifier targets.
    pub fn feeds<'b>(&'b self, setup: &Setup, stage: &Stage, rows: usize, feeds: &mut Vec<Feed<'b>>) {
        let count = rows * setup.source.train.features();
        feeds.push(match &self.values {
            Values::U8(values) => Feed::U8(&values[..count]),
            Values::F32(values) => Feed::F32(&values[..count]),
        });
        feeds.push(Feed::U32(&self.row_ids[..rows]));
        if !setup.classes.is_empty() && stage.is_whole() {
            feeds.push(Feed::F32(&self.targets[..rows * setup.classes.len()]));
        }
        if matches!((&stage.part, stage.train.chain), (Part::Machine(_), Chain::Persistent { .. })) {
            feeds.push(Feed::U32(&self.chain_ids[..stage.batch()]));
        }
    }
}

/// How pictures are moved in an epoch.
struct Moves {
    shift: usize,
    seed: u64,
    epoch: u32,
    picture: Option<(usize, usize, usize)>,
}

impl Moves {
    fn new(recipe: &Recipe, rows: &Dataset, epoch: usize) -> Moves {
        let picture = match rows.shape {
            ItemShape::Image { height, width, channels } => Some((height, width, channels)),
            ItemShape::Vector { .. } => None,
        };
        Moves { shift: recipe.train.augment_shift, seed: recipe.train.seed, epoch: epoch as u32, picture }
    }

    /// Pixels down and right, keyed by row and epoch.
    fn of(&self, row: u32) -> (isize, isize) {
        let mut stream = Stream::new(self.seed ^ (u64::from(row) << 20), streams::SHIFT, self.epoch);
        let span = 2 * self.shift as u32 + 1;
        let mut draw = || stream.below(span) as isize - self.shift as isize;
        (draw(), draw())
    }
}

fn copy_rows<T: Copy + Default>(from: &[T], to: &mut [T], rows: &[u32], features: usize, moves: &Moves) {
    for (row, out) in rows.iter().zip(to.chunks_exact_mut(features)) {
        let source = &from[*row as usize * features..][..features];
        match moves.picture {
            Some(picture) if moves.shift > 0 => copy_moved(source, out, picture, moves.of(*row)),
            _ => out.copy_from_slice(source),
        }
    }
}

/// Copies a picture, moved; what comes in from outside is 0.
fn copy_moved<T: Copy + Default>(
    from: &[T],
    to: &mut [T],
    picture: (usize, usize, usize),
    (down, right): (isize, isize),
) {
    let (height, width, channels) = picture;
    to.fill(T::default());
    let columns = right.max(0) as usize..(width as isize + right.min(0)) as usize;
    for y in down.max(0)..height as isize + down.min(0) {
        let line = ((y - down) as usize * width) as isize;
        let source = (line + columns.start as isize - right) as usize * channels;
        let target = (y as usize * width + columns.start) * channels;
        let count = columns.len() * channels;
        to[target..target + count].copy_from_slice(&from[source..source + count]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moved_picture_keeps_what_stays_in_sight() {
        let from: Vec<u8> = (1..=12).collect();
        let mut to = vec![9; 12];
        copy_moved(&from, &mut to, (3, 4, 1), (1, -1));
        assert_eq!(to, [0, 0, 0, 0, 2, 3, 4, 0, 6, 7, 8, 0]);
        copy_moved(&from, &mut to, (3, 2, 2), (-1, 1));
        assert_eq!(to, [0, 0, 5, 6, 0, 0, 9, 10, 0, 0, 0, 0]);
        copy_moved(&from, &mut to, (3, 4, 1), (0, 0));
        assert_eq!(to, from[..]);
    }

    /// The rows of every step of an epoch.
    fn epoch(seed: u64, epoch: usize) -> Vec<Vec<u32>> {
        let recipe = Recipe::parse(
            &format!("[data]\nvalidation = 0\ntest = 0\n[train]\nbatch = 7\nseed = {seed}\n"),
            &[],
        )
        .unwrap();
        let train = Dataset {
            shape: ItemShape::Vector { columns: None, width: 1 },
            values: Values::F32((0..20u8).map(f32::from).collect()),
            labels: None,
            names: None,
        };
        let source = crate::data::Source { name: "npy".to_owned(), train, test: None, notes: Vec::new() };
        let setup = Setup::new(&recipe, source).unwrap();
        let mut batches = Batches::new(&setup);
        let stage = &setup.stages[0];
        batches.begin_epoch(&setup, stage, epoch);
        let step = |step| {
            let rows = batches.fill(&setup, stage, epoch, step);
            let Values::F32(values) = &batches.values else { panic!("bytes") };
            // The only number of a row is its own.
            assert!(batches.row_ids[..rows].iter().zip(values).all(|(id, value)| *id as f32 == *value));
            batches.row_ids[..rows].to_vec()
        };
        (0..stage.steps()).map(step).collect()
    }

    #[test]
    fn an_epoch_takes_every_row_once_in_an_order_of_its_own() {
        let steps = epoch(1, 0);
        assert_eq!(steps.iter().map(Vec::len).collect::<Vec<usize>>(), [7, 7, 6]);
        let mut all = steps.concat();
        all.sort_unstable();
        assert_eq!(all, (0..20).collect::<Vec<u32>>());
        assert_eq!(steps, epoch(1, 0));
        assert_ne!(steps, epoch(1, 1));
        assert_ne!(steps, epoch(2, 0));
    }
}
