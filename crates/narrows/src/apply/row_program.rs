//! A graph of a model's parts, run over any number of rows, each on its own.

use super::codec::Codec;
use crate::error::Error;
use crate::network::prepare::prepare;
use narrows_engine::cpu::{Executable, Feed, Run};
use narrows_engine::{Graph, Tensor};

/// Rows of a run where memory does not ask for fewer.
pub const ROWS: usize = 256;

/// A compiled graph whose outputs have a row for each row that goes in.
pub struct RowProgram {
    executable: Executable,
    rows: usize,
    /// Numbers that each output has for a row.
    widths: Vec<usize>,
}

impl RowProgram {
    /// Builds a graph from so many prepared rows, B×D, and their ids, B; `build` gives the outputs, each with B rows or a multiple of it.
    ///
    /// # Errors
    /// A graph or plan that cannot be built.
    pub fn new(
        codec: &Codec,
        rows: usize,
        build: impl for<'g> FnOnce(&'g Graph, Tensor<'g>, Tensor<'g>) -> Result<Vec<Tensor<'g>>, Error>,
    ) -> Result<RowProgram, Error> {
        let rows = rows.min(codec.network().rows_at_once());
        let graph = Graph::new();
        let stored = graph.input("rows", [rows, codec.features()]);
        let row_ids = graph.indices("row ids", [rows]);
        let prepared = prepare(&graph, &codec.model().description.preparation, stored);
        let outputs = build(&graph, prepared, row_ids)?;
        let widths = outputs.iter().map(|output| output.shape().elements() / rows).collect();
        for (number, output) in outputs.into_iter().enumerate() {
            graph.output(&format!("output {number}"), output);
        }
        let compute = codec.compute();
        let executable = Executable::new(&graph, &compute.pool, compute.level)?;
        Ok(RowProgram { executable, rows, widths })
    }

    /// Runs on stored rows, N×D, keyed by their ids, a seed and a step; gives each output's values.
    ///
    /// # Errors
    /// Rows that are not finite, or not as many as ids.
    pub fn run(
        &mut self,
        codec: &Codec,
        rows: &[f32],
        ids: &[u32],
        (seed, step): (u64, u32),
    ) -> Result<Vec<Vec<f32>>, Error> {
        let features = codec.features();
        if rows.len() != ids.len() * features {
            return Err(Error::Mismatch {
                what: "rows".to_owned(),
                expected: format!("{} rows of {features} numbers, one for each id", ids.len()),
                found: format!("{} numbers", rows.len()),
                hint: "give each row its id".to_owned(),
            });
        }
        codec.finite(rows, features, 0)?;
        let count = self.rows;
        let mut results: Vec<Vec<f32>> = self.widths.iter().map(|_| Vec::new()).collect();
        for (rows, ids) in rows.chunks(count * features).zip(ids.chunks(count)) {
            // A short chunk is filled up; rows are independent and the others are not counted.
            let (mut padded, mut padded_ids) = (rows.to_vec(), ids.to_vec());
            padded.resize(count * features, 0.0);
            padded_ids.resize(count, 0);
            let feeds = [Feed::F32(&padded), Feed::U32(&padded_ids)];
            let run = Run { inputs: &feeds, seed, step, ..Run::default() };
            self.executable.infer(codec.states(), &run)?;
            for (number, (result, width)) in results.iter_mut().zip(&self.widths).enumerate() {
                let mut values = vec![0.0; count * width];
                self.executable.output(number, &mut values);
                result.extend_from_slice(&values[..ids.len() * width]);
            }
        }
        Ok(results)
    }
}
