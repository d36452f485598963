//! Batches: which rows make up a step, and their stored values one after another.

use super::augment::{Augmentation, Drawn, PictureSize, Stored};
use super::setup::Setup;
use super::stage::{Part, Stage};
use super::targets::Targets;
use crate::data::{ItemShape, Values};
use crate::recipe::Chain;
use crate::streams;
use narrows_engine::cpu::Feed;
use narrows_engine::random::shuffle;

/// Fills batches; its buffers are allocated once.
pub struct Batches {
    order: Vec<u32>,
    values: Values,
    targets: Targets,
    drawn: Vec<Drawn>,
    /// A row from a file before it is changed.
    read: Vec<u8>,
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
            Values::U8(_) | Values::Stored(_) => Values::U8(vec![0; batch * features]),
            Values::F32(_) => Values::F32(vec![0.0; batch * features]),
        };
        Batches {
            order: Vec::with_capacity(setup.split.train.len()),
            values,
            targets: Targets::new(setup, batch),
            drawn: Vec::with_capacity(batch),
            read: Vec::new(),
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
        let size = match train.shape {
            ItemShape::Image { height, width, channels } => (height, width, channels),
            ItemShape::Vector { width, .. } => (1, width, 1),
        };
        self.drawn.clear();
        if let Some(augmentation) = Augmentation::new(&setup.recipe.train) {
            self.drawn.extend(rows.iter().map(|row| augmentation.draw(*row, epoch, size)));
        }
        let how = (train.features(), size);
        match (&train.values, &mut self.values) {
            (Values::U8(from), Values::U8(to)) => copy_rows(from, to, (rows, &self.drawn), how),
            (Values::F32(from), Values::F32(to)) => copy_rows(from, to, (rows, &self.drawn), how),
            (Values::Stored(stored), Values::U8(to)) => {
                let mut source = std::mem::take(&mut self.read);
                source.resize(train.features(), 0);
                for (at, (row, out)) in rows.iter().zip(to.chunks_exact_mut(train.features())).enumerate() {
                    match self.drawn.get(at) {
                        Some(drawn) => {
                            stored.read(*row as usize, &mut source);
                            drawn.picture(&source, out, size);
                        }
                        None => stored.read(*row as usize, out),
                    }
                }
                self.read = source;
            }
            _ => {}
        }
        let drawn = &self.drawn;
        self.targets.fill(train, rows, |at, map, out| match drawn.get(at) {
            Some(drawn) => drawn.map(map, out, size),
            None => out.copy_from_slice(map),
        });
        rows.len()
    }

    /// The filled batch as a run of a stage takes it: rows, row ids, and for a classifier targets.
    pub fn feeds<'b>(&'b self, setup: &Setup, stage: &Stage, rows: usize, feeds: &mut Vec<Feed<'b>>) {
        let count = rows * setup.source.train.features();
        feeds.push(match &self.values {
            Values::U8(values) => Feed::U8(&values[..count]),
            Values::F32(values) => Feed::F32(&values[..count]),
            // The buffer is in memory.
            Values::Stored(_) => Feed::U8(&[]),
        });
        feeds.push(Feed::U32(&self.row_ids[..rows]));
        if stage.is_whole() {
            feeds.extend(self.targets.feed(rows));
        }
        if matches!((&stage.part, stage.train.chain), (Part::Machine(_), Chain::Persistent { .. })) {
            feeds.push(Feed::U32(&self.chain_ids[..stage.batch()]));
        }
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
