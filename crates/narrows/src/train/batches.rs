//! Batches: which rows make up a step, and their stored values one after another.

use super::ahead::{Ahead, Which};
use super::augment::{Augmentation, Drawn, PictureSize, Stored};
use super::setup::Setup;
use super::stage::{Part, Stage};
use super::targets::Targets;
use crate::data::{ItemShape, Values};
use crate::recipe::Chain;
use crate::streams;
use narrows_engine::cpu::Feed;
use narrows_engine::random::shuffle;
use std::sync::Arc;

/// Fills batches, ahead of time where that takes some; buffers are allocated once.
pub struct Batches {
    order: Vec<u32>,
    batch: Batch,
    /// A batch to fill ahead with, while nobody does.
    spare: Option<Batch>,
    ahead: Option<Ahead>,
    /// Ids of persistent chains: no row's.
    chain_ids: Vec<u32>,
}

/// A batch.
pub struct Batch {
    values: Values,
    targets: Targets,
    drawn: Vec<Drawn>,
    /// A row from a file before it is changed.
    read: Vec<u8>,
    row_ids: Vec<u32>,
}

impl Batches {
    /// Room for batches of `setup`.
    pub fn new(setup: &Arc<Setup>) -> Batches {
        let most = setup.stages.iter().map(Stage::batch).max().unwrap_or(0);
        let stored = matches!(setup.source.train.values, Values::Stored(_));
        let slow = stored || Augmentation::new(&setup.recipe.train).is_some();
        let ahead = if slow { Ahead::new(setup) } else { None };
        Batches {
            order: Vec::with_capacity(setup.split.train.len()),
            batch: Batch::new(setup, most),
            spare: ahead.is_some().then(|| Batch::new(setup, most)),
            ahead,
            chain_ids: (0..most as u32).map(|chain| u32::MAX - chain).collect(),
        }
    }

    /// Bytes of the batches' rows.
    pub fn bytes(&self) -> usize {
        [Some(&self.batch), self.spare.as_ref()]
            .into_iter()
            .flatten()
            .map(|batch| batch.values.memory())
            .sum()
    }

    /// Puts a stage's rows into the order of an epoch: the same for the same seed and epoch, whatever came before.
    pub fn begin_epoch(&mut self, setup: &Setup, stage: &Stage, epoch: usize) {
        self.order.clear();
        self.order.extend_from_slice(&stage.rows);
        shuffle(setup.recipe.train.seed, streams::ORDER, epoch as u32, &mut self.order);
    }

    /// Fills the batch of a step and tells how many rows it has. The step that follows is filled ahead if it is before `end`.
    pub fn fill(&mut self, setup: &Setup, stage: &Stage, (epoch, step, end): (usize, usize, usize)) -> usize {
        let which = |step: usize| {
            let first = step * stage.batch();
            let rows = (first + stage.batch()).min(self.order.len()).saturating_sub(first);
            (Which { epoch, step, rows }, first)
        };
        let ((own, first), (next, next_first)) = (which(step), which(step + 1));
        let found = self.ahead.as_mut().and_then(|ahead| ahead.take(own));
        let right = found.as_ref().is_some_and(|(_, right)| *right);
        if let Some((batch, _)) = found {
            self.spare = Some(if right { std::mem::replace(&mut self.batch, batch) } else { batch });
        }
        if !right {
            self.batch.row_ids[..own.rows].copy_from_slice(&self.order[first..first + own.rows]);
            self.batch.fill(setup, own);
        }
        if next.step < end
            && next.rows > 0
            && let (Some(ahead), Some(mut batch)) = (&mut self.ahead, self.spare.take())
        {
            batch.row_ids[..next.rows].copy_from_slice(&self.order[next_first..next_first + next.rows]);
            ahead.ask(batch, next);
        }
        own.rows
    }

    /// The filled batch as a run of a stage takes it: rows, row ids, and for a classifier targets.
    pub fn feeds<'b>(&'b self, setup: &Setup, stage: &Stage, rows: usize, feeds: &mut Vec<Feed<'b>>) {
        let count = rows * setup.source.train.features();
        let batch = &self.batch;
        feeds.push(match &batch.values {
            Values::U8(values) => Feed::U8(&values[..count]),
            Values::F32(values) => Feed::F32(&values[..count]),
            // The buffer is in memory.
            Values::Stored(_) => Feed::U8(&[]),
        });
        feeds.push(Feed::U32(&batch.row_ids[..rows]));
        if stage.is_whole() {
            feeds.extend(batch.targets.feed(rows));
        }
        if matches!((&stage.part, stage.train.chain), (Part::Machine(_), Chain::Persistent { .. })) {
            feeds.push(Feed::U32(&self.chain_ids[..stage.batch()]));
        }
    }
}

impl Batch {
    fn new(setup: &Setup, rows: usize) -> Batch {
        let features = setup.source.train.features();
        let values = match setup.source.train.values {
            Values::U8(_) | Values::Stored(_) => Values::U8(vec![0; rows * features]),
            Values::F32(_) => Values::F32(vec![0.0; rows * features]),
        };
        Batch {
            values,
            targets: Targets::new(setup, rows),
            drawn: Vec::with_capacity(rows),
            read: Vec::new(),
            row_ids: vec![0; rows],
        }
    }

    /// Fills in what belongs to the row ids.
    pub fn fill(&mut self, setup: &Setup, which: Which) {
        let rows = &self.row_ids[..which.rows];
        let train = &setup.source.train;
        let size = match train.shape {
            ItemShape::Image { height, width, channels } => (height, width, channels),
            ItemShape::Vector { width, .. } => (1, width, 1),
        };
        self.drawn.clear();
        if let Some(augmentation) = Augmentation::new(&setup.recipe.train) {
            self.drawn.extend(rows.iter().map(|row| augmentation.draw(*row, which.epoch, size)));
        }
        let how = (train.features(), size);
        match (&train.values, &mut self.values) {
            (Values::U8(from), Values::U8(to)) => copy_rows(from, to, (rows, &self.drawn), how),
            (Values::F32(from), Values::F32(to)) => copy_rows(from, to, (rows, &self.drawn), how),
            (Values::Stored(stored), Values::U8(to)) => {
                self.read.resize(train.features(), 0);
                for (at, (row, out)) in rows.iter().zip(to.chunks_exact_mut(train.features())).enumerate() {
                    match self.drawn.get(at) {
                        Some(drawn) => {
                            stored.read(*row as usize, &mut self.read);
                            drawn.picture(&self.read, out, size);
                        }
                        None => stored.read(*row as usize, out),
                    }
                }
            }
            _ => {}
        }
        let drawn = &self.drawn;
        self.targets.fill(train, rows, |at, map, out| match drawn.get(at) {
            Some(drawn) => drawn.map(map, out, size),
            None => out.copy_from_slice(map),
        });
    }
}

/// Copies rows, changed as drawn where anything is.
fn copy_rows<T: Stored>(
    from: &[T],
    to: &mut [T],
    (rows, drawn): (&[u32], &[Drawn]),
    (features, size): (usize, PictureSize),
) {
    for (at, (row, out)) in rows.iter().zip(to.chunks_exact_mut(features)).enumerate() {
        let source = &from[*row as usize * features..][..features];
        match drawn.get(at) {
            Some(drawn) => drawn.picture(source, out, size),
            None => out.copy_from_slice(source),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Dataset;
    use crate::recipe::Recipe;

    /// The rows of every step of an epoch.
    fn epoch(seed: u64, epoch: usize) -> Vec<Vec<u32>> {
        let recipe = Recipe::parse(
            &format!("[data]\nvalidation = 0\ntest = 0\n[train]\nbatch = 7\nseed = {seed}\n"),
            &[],
        )
        .unwrap();
        let train = Dataset {
            maps: None,
            shape: ItemShape::Vector { columns: None, width: 1 },
            values: Values::F32((0..20u8).map(f32::from).collect()),
            labels: None,
            names: None,
        };
        let source = crate::data::Source { name: "npy".to_owned(), train, test: None, notes: Vec::new() };
        let setup = Arc::new(Setup::new(&recipe, source).unwrap());
        let mut batches = Batches::new(&setup);
        let stage = &setup.stages[0];
        batches.begin_epoch(&setup, stage, epoch);
        let step = |step| {
            let rows = batches.fill(&setup, stage, (epoch, step, stage.steps()));
            let Values::F32(values) = &batches.batch.values else { panic!("bytes") };
            // The only number of a row is its own.
            assert!(batches.batch.row_ids[..rows].iter().zip(values).all(|(id, value)| *id as f32 == *value));
            batches.batch.row_ids[..rows].to_vec()
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

    /// Pictures that are changed are filled ahead: the same ones, in order, again, after a jump and in the next epoch.
    #[test]
    fn what_is_filled_ahead_is_what_would_be_filled() {
        let recipe = Recipe::parse("[train]\nbatch = 3\naugment_shift = 2\naugment_brightness = 0.3\n", &[]);
        let train = Dataset {
            maps: None,
            shape: ItemShape::Image { height: 5, width: 4, channels: 1 },
            values: Values::U8((0..20 * 20u32).map(|at| (at * 37 % 251) as u8).collect()),
            labels: None,
            names: None,
        };
        let source = crate::data::Source { name: "npy".to_owned(), train, test: None, notes: Vec::new() };
        let setup = Arc::new(Setup::new(&recipe.unwrap(), source).unwrap());
        let (mut ahead, stage) = (Batches::new(&setup), &setup.stages[0]);
        assert!(ahead.ahead.is_some());
        let mut alone = Batches { ahead: None, ..Batches::new(&setup) };
        for (epoch, steps) in [(0, vec![0, 1, 2, 2, 3, 0, 4]), (1, vec![0, 1, 4]), (3, vec![1, 2])] {
            ahead.begin_epoch(&setup, stage, epoch);
            alone.begin_epoch(&setup, stage, epoch);
            for step in steps {
                let which = (epoch, step, stage.steps());
                let rows = ahead.fill(&setup, stage, which);
                assert_eq!(rows, alone.fill(&setup, stage, which));
                let (Values::U8(found), Values::U8(expected)) = (&ahead.batch.values, &alone.batch.values)
                else {
                    panic!("pictures are bytes")
                };
                assert_eq!(ahead.batch.row_ids[..rows], alone.batch.row_ids[..rows]);
                assert!(found[..20 * rows] == expected[..20 * rows], "epoch {epoch}, step {step}");
            }
        }
    }
}
