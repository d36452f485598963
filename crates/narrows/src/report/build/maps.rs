//! Feature maps and filters of layers, and pictures beside the classes of their pixels.

use super::Shown;
use crate::apply::Figures;
use crate::apply::row_program::RowProgram;
use crate::autoencoder::bottleneck::in_use;
use crate::data::{Legend, VOID};
use crate::error::Error;
use crate::network::{Layer, Mode, Pass};
use crate::report::{LayerMaps, SegmentedPictures};

/// Maps that are shown of a layer.
const MOST_MAPS: usize = 16;
/// Layers that are shown, those inside others among them.
const MOST_LAYERS: usize = 32;
/// Pictures that are shown beside their classes.
const MOST_SEGMENTED: usize = 6;

/// Maps of one of the pictures that judge the model, layer by layer.
pub(super) fn feature_maps(shown: &Shown<'_>, followed: usize) -> Result<Vec<LayerMaps>, Error> {
    let network = shown.codec.network();
    let is_shown = |layer: &&Layer| layer.to.pixels() > 1 && layer.work_is_seen();
    let every = || network.layers.iter().flat_map(Layer::with_inner);
    let layers: Vec<&Layer> = every().filter(is_shown).take(MOST_LAYERS).collect();
    let looks_at_pictures = every().any(|layer| layer.window().is_some());
    if layers.is_empty() || !looks_at_pictures || shown.picture.is_none() {
        return Ok(Vec::new());
    }
    let Some(row) = shown.rows.get(followed) else { return Ok(Vec::new()) };
    let rows = [*row];
    let mut program = RowProgram::new(shown.codec, 1, |graph, rows, _| {
        let mut pass = Pass::new(Mode::Use);
        let code = in_use(network.bottleneck, network.encode(graph, &mut pass, rows));
        network.decode(graph, &mut pass, code);
        let of = |layer: &&Layer| {
            let mut steps = pass.trace.iter().chain(&pass.inner);
            steps.find(|step| step.name == layer.name).map(|step| step.values)
        };
        Ok(layers.iter().filter_map(of).collect())
    })?;
    let values = program.run(shown.codec, &shown.stored(&rows), &rows, (0, 0))?;
    Ok(layers.into_iter().zip(values).map(|(layer, values)| maps_of(shown, layer, &values)).collect())
}

fn maps_of(shown: &Shown<'_>, layer: &Layer, values: &[f32]) -> LayerMaps {
    let channels = layer.to.channels;
    let map = |channel: usize| values.iter().skip(channel).step_by(channels).copied().collect::<Vec<f32>>();
    let spread = |values: &[f32]| {
        let mean = values.iter().sum::<f32>() / values.len() as f32;
        values.iter().map(|value| (value - mean).powi(2)).sum::<f32>()
    };
    let mut order: Vec<(usize, f32)> =
        (0..channels).map(|channel| (channel, spread(&map(channel)))).collect();
    order.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
    order.truncate(MOST_MAPS);
    let name = format!("{}.weight", layer.tied.as_ref().unwrap_or(&layer.name));
    let weight = shown.codec.model().tensors.iter().find(|tensor| tensor.name == name);
    let [down, across, inputs, outputs] = layer.kernel();
    let own = layer.tied.is_none() && layer.window().is_some() && [down, across] != [1, 1];
    let filter = |channel: usize, weight: &[f32]| {
        let window = |input: usize| -> Vec<f32> {
            (0..down * across).map(|at| weight[(at * inputs + input) * outputs + channel]).collect()
        };
        let strength = |values: &[f32]| values.iter().map(|value| value * value).sum::<f32>();
        (0..inputs).map(window).max_by(|a, b| strength(a).total_cmp(&strength(b))).unwrap_or_default()
    };
    let filters = weight.filter(|_| own).map_or_else(Vec::new, |weight| {
        order.iter().map(|(channel, _)| filter(*channel, &weight.values)).collect()
    });
    LayerMaps {
        name: format!("{}: {}, {}", layer.name, layer.in_words(), layer.to),
        size: layer.to.size(),
        maps: order.iter().map(|(channel, _)| map(*channel)).collect(),
        maps_of: channels,
        window: [down, across],
        filters,
    }
}

/// Pictures beside the classes of their pixels.
pub(super) fn segmentation(shown: &Shown<'_>, figures: &Figures) -> Result<Option<SegmentedPictures>, Error> {
    let (Figures::Segmentation(own), Some(picture)) = (figures, shown.picture) else { return Ok(None) };
    let rows = shown.spread(MOST_SEGMENTED);
    let stored = shown.stored(&rows);
    let legend = Legend::new(&own.classes);
    let pixels = picture.height * picture.width;
    let coloured = |classes: &[u8]| -> Vec<Vec<f32>> {
        let colours = |class: &u8| {
            let colour = if *class == VOID { [0; 3] } else { legend.colour(*class) };
            colour.map(|level| f32::from(level) / 255.0)
        };
        classes.chunks_exact(pixels).map(|map| map.iter().flat_map(colours).collect()).collect()
    };
    let told = shown.codec.segment(&stored)?;
    let truths = shown.dataset.select(&rows).maps.map(|maps| maps.of_pixel).unwrap_or_default();
    let three = |row: Vec<f32>| match picture.channels {
        1 => row.into_iter().flat_map(|value| [value; 3]).collect(),
        _ => row,
    };
    Ok(Some(SegmentedPictures {
        pictures: shown.draw(stored).into_iter().map(three).collect(),
        truths: coloured(&truths),
        told: coloured(&told),
        legend: legend.classes().to_vec(),
        iou: own.iou.clone(),
    }))
}
