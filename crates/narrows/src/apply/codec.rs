//! The codec: a trained model in use. Read-only, shared freely between threads, the same bits for a row alone and in a batch.
//! NaN and infinity are refused, with their row and column.

use super::evaluate::largest;
use crate::autoencoder::bottleneck::in_use;
use crate::data::{DataError, Dataset};
use crate::error::Error;
use crate::model_file::{Model, NamedTensor};
use crate::network::prepare::prepare;
use crate::network::{Mode, Network, Pass};
use crate::train::Compute;
use narrows_engine::cpu::{Executable, Feed, Pool, Run, States, all_finite};
use narrows_engine::{Graph, Shape};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

/// What a codec does with rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Task {
    Encode,
    Decode,
    Reconstruct,
}

/// What tells plans apart.
#[derive(Clone, Copy, PartialEq, Eq)]
struct PlanOf {
    task: Task,
    rows: usize,
    /// Whether one thread takes it from end to end.
    alone: bool,
}

/// Rows, room for what becomes of them, and whether it went well.
type Piece<'a> = (&'a [f32], &'a mut [f32], Result<(), Error>);

/// A trained model in use.
pub struct Codec {
    model: Model,
    network: Network,
    states: States,
    compute: Compute,
    /// What a plan runs on that a thread takes on its own.
    alone: Arc<Pool>,
    /// Compiled plans that nobody is using at the moment; boxed, because they are handed out and back at every call.
    idle: Mutex<Vec<(PlanOf, Box<Executable>)>>,
}

impl Codec {
    /// Loads a model's file.
    ///
    /// # Errors
    /// A file that is missing, truncated, altered, of a newer version, or not ours.
    pub fn load(path: &Path, compute: &Compute) -> Result<Codec, Error> {
        Codec::new(Model::load(path)?, compute)
    }

    /// Puts a model to use.
    ///
    /// # Errors
    /// Tensors that do not fit the model's layers.
    pub fn new(model: Model, compute: &Compute) -> Result<Codec, Error> {
        model.check().map_err(|problem| Error::Mismatch {
            what: "the model".to_owned(),
            expected: "parts that fit each other".to_owned(),
            found: problem,
            hint: "put the model together as training does, or load its file".to_owned(),
        })?;
        let network = model.network()?;
        let declared: Vec<(String, Shape)> = model
            .tensors
            .iter()
            .map(|tensor| (tensor.name.clone(), Shape::from(tensor.shape.as_slice())))
            .collect();
        let mut states = States::new(&declared);
        for NamedTensor { name, values, .. } in &model.tensors {
            states.set(name, values)?;
        }
        let alone = Pool::new(1)?;
        Ok(Codec { model, network, states, compute: compute.clone(), alone, idle: Mutex::new(Vec::new()) })
    }

    /// The model in use.
    pub fn model(&self) -> &Model {
        &self.model
    }

    /// The model's layers.
    pub fn network(&self) -> &Network {
        &self.network
    }

    /// The model's values.
    pub(super) fn states(&self) -> &States {
        &self.states
    }

    /// What it runs on.
    pub(super) fn compute(&self) -> &Compute {
        &self.compute
    }

    /// D, the numbers of a row.
    pub fn features(&self) -> usize {
        self.network.features
    }

    /// K, the numbers of a code.
    pub fn code(&self) -> usize {
        self.network.code()
    }

    /// Codes, N×K, of stored rows, N×D.
    ///
    /// # Errors
    /// Rows of another width; numbers that are not finite.
    pub fn encode(&self, rows: &[f32]) -> Result<Vec<f32>, Error> {
        self.run(Task::Encode, rows, self.features(), self.code())
    }

    /// Codes, N×K, of rows of a data set.
    ///
    /// # Errors
    /// As [`Codec::encode`].
    pub fn encode_rows(&self, dataset: &Dataset, rows: &[u32]) -> Result<Vec<f32>, Error> {
        let mut codes = Vec::with_capacity(rows.len() * self.code());
        for chunk in rows.chunks(1024) {
            codes.extend(self.encode(&dataset.select(chunk).values.to_f32())?);
        }
        Ok(codes)
    }

    /// Rows, N×D in their stored scale (of counted words: weights), of codes, N×K.
    ///
    /// # Errors
    /// Codes of another width; numbers that are not finite; a classifier.
    pub fn decode(&self, codes: &[f32]) -> Result<Vec<f32>, Error> {
        self.expect_autoencoder("decode")?;
        if let Some(layer) = self.network.asks_encoder() {
            return Err(Error::Setting {
                setting: "model.growth",
                problem: format!(
                    "{} puts pixels back to where the encoder found them, which a code alone does not tell",
                    layer.name
                ),
                hint: "use reconstruct, or train with --set model.growth=repeat".to_owned(),
            });
        }
        let mut rows = self.run(Task::Decode, codes, self.code(), self.features())?;
        self.model.description.preparation.restore(&mut rows);
        Ok(rows)
    }

    /// What the model makes of stored rows, N×D, in their stored scale (of counted words: weights).
    ///
    /// # Errors
    /// Rows of another width; numbers that are not finite; a classifier.
    pub fn reconstruct(&self, rows: &[f32]) -> Result<Vec<f32>, Error> {
        let mut rows = self.reconstruct_prepared(rows)?;
        self.model.description.preparation.restore(&mut rows);
        Ok(rows)
    }

    /// What the model makes of stored rows, N×D, in the prepared scale, in which errors are measured.
    ///
    /// # Errors
    /// As [`Codec::reconstruct`].
    pub fn reconstruct_prepared(&self, rows: &[f32]) -> Result<Vec<f32>, Error> {
        self.expect_autoencoder("reconstruct")?;
        self.run(Task::Reconstruct, rows, self.features(), self.features())
    }

    /// The confidence of each class, N×classes, for stored rows, N×D.
    ///
    /// # Errors
    /// Rows of another width; numbers that are not finite; an autoencoder.
    pub fn classify(&self, rows: &[f32]) -> Result<Vec<f32>, Error> {
        if !self.model.is_classifier() {
            let hint = "train a classifier: narrows train mnist-classifier, or --set model.kind=classifier";
            let kind = if self.model.is_segmenter() { "a segmenter" } else { "an autoencoder" };
            return Err(Error::WrongKind { operation: "classify", kind, hint });
        }
        self.run(Task::Reconstruct, rows, self.features(), self.network.outputs())
    }

    /// The class of each pixel, N×H·W, for stored pictures, N×D.
    ///
    /// # Errors
    /// Rows of another width; numbers that are not finite; a model of another kind.
    pub fn segment(&self, rows: &[f32]) -> Result<Vec<u8>, Error> {
        if !self.model.is_segmenter() {
            let hint = "train a segmenter: narrows train segnet, or --set model.kind=segmenter";
            let kind = if self.model.is_classifier() { "a classifier" } else { "an autoencoder" };
            return Err(Error::WrongKind { operation: "segment", kind, hint });
        }
        let classes = self.model.description.classes.len();
        let mut told = Vec::with_capacity(rows.len() / self.features() * self.network.outputs() / classes);
        // Confidences take as much as the widest of layers: not those of all rows at once.
        for rows in rows.chunks(self.features() * self.network.rows_at_once() * self.compute.pool.threads()) {
            let confidences = self.run(Task::Reconstruct, rows, self.features(), self.network.outputs())?;
            told.extend(confidences.chunks_exact(classes).map(|pixel| largest(pixel) as u8));
        }
        Ok(told)
    }

    /// Makes sure that the model rebuilds rows, for an operation of this name.
    ///
    /// # Errors
    /// A model that does something else.
    pub fn expect_autoencoder(&self, operation: &'static str) -> Result<(), Error> {
        if self.model.is_segmenter() {
            let hint = "use narrows segment, or train an autoencoder";
            return Err(Error::WrongKind { operation, kind: "a segmenter", hint });
        }
        if self.model.is_classifier() {
            let hint = "use narrows classify, or train an autoencoder";
            return Err(Error::WrongKind { operation, kind: "a classifier", hint });
        }
        Ok(())
    }

    fn run(&self, task: Task, rows: &[f32], width: usize, outputs: usize) -> Result<Vec<f32>, Error> {
        if !rows.len().is_multiple_of(width) {
            return Err(Error::Mismatch {
                what: "rows".to_owned(),
                expected: format!("{width} numbers each"),
                found: format!("{} numbers, which is no whole number of rows", rows.len()),
                hint: "give rows as wide as those that the model was trained on".to_owned(),
            });
        }
        let count = rows.len() / width;
        // Not `vec!`: memory that is zeroed by the system's allocator takes longer for a few numbers.
        let mut results = Vec::with_capacity(count * outputs);
        results.resize(count * outputs, 0.0);
        // Whole chunks are shared out, as many to each thread, and done by one of them from end to end: nobody waits for
        // anybody, and a chunk's values stay in one core's cache. All threads together do what is left.
        let chunk = self.network.rows_of_a_thread();
        let threads = self.compute.pool.threads();
        let shared = count / chunk / threads * threads;
        if shared > 0 {
            let (inputs, outputs_of) = (rows.chunks(chunk * width), results.chunks_mut(chunk * outputs));
            let pieces: Vec<Mutex<Piece<'_>>> = inputs
                .zip(outputs_of)
                .take(shared)
                .map(|(rows, results)| Mutex::new((rows, results, Ok(()))))
                .collect();
            self.compute.pool.each(shared, &|at| {
                let mut piece = pieces[at].lock().unwrap_or_else(PoisonError::into_inner);
                let (rows, results, outcome) = &mut *piece;
                // Rows are looked at where they are used: then they come to the core once.
                let of = PlanOf { task, rows: chunk, alone: true };
                *outcome =
                    self.finite(rows, width, at * chunk).and_then(|()| self.run_plan(of, rows, results));
            });
            for piece in pieces {
                piece.into_inner().unwrap_or_else(PoisonError::into_inner).2?;
            }
        }
        let mut done = shared * chunk;
        self.finite(&rows[done * width..], width, done)?;
        let [largest, ..] = self.plan_rows();
        while done < count {
            let left = count - done;
            let size = self.plan_rows().into_iter().rev().find(|size| *size >= left).unwrap_or(largest);
            let of = PlanOf { task, rows: size, alone: threads == 1 };
            let taken = left.min(size);
            let input = &rows[done * width..(done + taken) * width];
            let output = &mut results[done * outputs..(done + taken) * outputs];
            if taken == size {
                self.run_plan(of, input, output)?;
            } else {
                let mut padded = vec![0.0; size * width];
                padded[..input.len()].copy_from_slice(input);
                let mut all = vec![0.0; size * outputs];
                self.run_plan(of, &padded, &mut all)?;
                output.copy_from_slice(&all[..output.len()]);
            }
            done += taken;
        }
        Ok(results)
    }

    /// Rows of the plans that all threads share: what has not been shared out is cut into the largest, what is left then goes into the
    /// smallest that holds it.
    fn plan_rows(&self) -> [usize; 3] {
        let most = self.network.rows_of_a_thread();
        [most, most.min(16), 1]
    }

    /// Runs a plan on just as many rows as it is for.
    fn run_plan(&self, of: PlanOf, rows: &[f32], results: &mut [f32]) -> Result<(), Error> {
        let mut executable = self.borrow(of)?;
        executable.infer(&self.states, &Run { inputs: &[Feed::F32(rows)], ..Run::default() })?;
        executable.output(0, results);
        self.lock().push((of, executable));
        Ok(())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<(PlanOf, Box<Executable>)>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An idle plan, or a new one.
    fn borrow(&self, of: PlanOf) -> Result<Box<Executable>, Error> {
        let mut idle = self.lock();
        if let Some(at) = idle.iter().position(|(known, _)| *known == of) {
            return Ok(idle.swap_remove(at).1);
        }
        drop(idle);
        self.compile(of)
    }

    fn compile(&self, PlanOf { task, rows, alone }: PlanOf) -> Result<Box<Executable>, Error> {
        let graph = Graph::new();
        let mut pass = Pass::new(Mode::Use);
        let input =
            graph.input("rows", [rows, if task == Task::Decode { self.code() } else { self.features() }]);
        let mut code = input;
        if task != Task::Decode {
            let rows = prepare(&graph, &self.model.description.preparation, input);
            code = in_use(self.network.bottleneck, self.network.encode(&graph, &mut pass, rows));
        }
        let values = if task == Task::Encode {
            code
        } else {
            let sums = self.network.decode(&graph, &mut pass, code);
            // Of a segmenter, classes are those of each pixel.
            let last = if self.model.is_segmenter() {
                self.model.description.classes.len()
            } else {
                sums.shape().columns()
            };
            let each = sums.reshape([sums.shape().elements() / last, last]);
            self.model.description.output.mean(each).reshape(sums.shape())
        };
        graph.output("values", values);
        let pool = if alone { &self.alone } else { &self.compute.pool };
        Ok(Box::new(Executable::new(&graph, pool, self.compute.level)?))
    }

    /// Refuses NaN and infinity, as reading data does: a network makes of them anything, sometimes a number. The first row is number
    /// `first` of all.
    pub(super) fn finite(&self, rows: &[f32], width: usize, first: usize) -> Result<(), Error> {
        if all_finite(self.compute.level, rows) {
            return Ok(());
        }
        let at = rows.iter().position(|x| !x.is_finite()).unwrap_or(0);
        let (row, column) = (first + at / width, at % width);
        Err(Error::Data(DataError::NotFinite {
            name: "rows".to_owned(),
            row: (row + 1) as u64,
            column: (column + 1).to_string(),
            found: rows[at].to_string(),
        }))
    }
}
