//! Principal directions of rows by way of their covariance, which is decomposed whole.

use super::{Centred, Eigen, PcaError};
use nalgebra::DMatrix;
use narrows_engine::Graph;
use narrows_engine::cpu::{Executable, Feed, Level, Pool, Run, States};
use std::sync::Arc;

/// The principal directions of rows, and their summed variance.
pub(super) fn principal(
    centred: &mut Centred<'_, '_>,
    components: usize,
    pool: &Arc<Pool>,
    level: Level,
) -> Result<(Eigen, f64), PcaError> {
    let features = centred.features();
    let rows = centred.chunk_rows();
    let graph = Graph::new();
    let x = graph.input("centred", [rows, features]);
    graph.output("products", x.product(x, true, false));
    let mut states = States::new(&graph.states());
    let mut executable = Executable::new(&graph, pool, level)?;
    let mut chunk = vec![0.0; rows * features];
    let mut products = vec![0.0; features * features];
    let mut covariance = DMatrix::<f64>::zeros(features, features);
    for first in (0..centred.rows).step_by(rows) {
        centred.chunk(first, &mut chunk);
        executable.run(&mut states, &Run { inputs: &[Feed::F32(&chunk)], ..Run::default() })?;
        executable.output(0, &mut products);
        // Rows of one are columns of the other, and both are symmetric; the lower half is enough.
        let lines = products.chunks_exact(features).zip(covariance.column_iter_mut());
        for (number, (from, mut to)) in lines.enumerate() {
            let to = to.rows_range_mut(number..);
            to.into_iter().zip(&from[number..]).for_each(|(to, from)| *to += f64::from(*from));
        }
    }
    covariance /= centred.rows as f64;
    let variance = covariance.trace();
    if !variance.is_finite() {
        return Err(PcaError::NotFinite);
    }
    if components == 0 {
        return Ok((Eigen::none(features), variance));
    }
    Ok((Eigen::of(covariance, components)?, variance))
}
