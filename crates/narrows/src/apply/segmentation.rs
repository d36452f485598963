//! Figures of segmenters, from how often pixels of each class were given each.

use super::codec::Codec;
use super::evaluate::{Evaluation, Figures, add_sentences};
use super::health;
use crate::data::{Dataset, VOID};
use crate::error::Error;
use serde::Serialize;

/// Figures of a segmenter; pixels whose class nobody knows are not counted.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Segmentation {
    /// Share of pixels given their own class.
    pub pixel_accuracy: f64,
    /// The same of each class's pixels, averaged over the classes that there are.
    pub class_average: f64,
    /// Pixels that both are and are called a class over those that either are or are called it, averaged over classes.
    pub mean_iou: f64,
    /// That share for each class; nothing where a class is neither there nor named.
    pub iou: Vec<Option<f64>>,
    /// Pixels of true class i that were given class j.
    pub confusion: Vec<Vec<u64>>,
    /// Names of the classes.
    pub classes: Vec<String>,
    /// Pixel accuracy of naming the most frequent class of these pixels everywhere.
    pub most_frequent: f64,
}

impl Segmentation {
    /// The figures that follow from a confusion.
    pub fn of(confusion: Vec<Vec<u64>>, classes: Vec<String>) -> Segmentation {
        let there: Vec<u64> = confusion.iter().map(|row| row.iter().sum()).collect();
        let named = |class: usize| confusion.iter().map(|row| row[class]).sum::<u64>();
        let right = |class: usize| confusion[class][class] as f64;
        let all = there.iter().sum::<u64>().max(1) as f64;
        let mean = |shares: Vec<f64>| shares.iter().sum::<f64>() / shares.len().max(1) as f64;
        let iou: Vec<Option<f64>> = (0..classes.len())
            .map(|class| {
                let either = (there[class] + named(class)) as f64 - right(class);
                (either > 0.0).then(|| right(class) / either)
            })
            .collect();
        let seen = (0..classes.len()).filter(|class| there[*class] > 0);
        Segmentation {
            pixel_accuracy: (0..classes.len()).map(right).sum::<f64>() / all,
            class_average: mean(seen.map(|class| right(class) / there[class] as f64).collect()),
            mean_iou: mean(iou.iter().flatten().copied().collect()),
            iou,
            most_frequent: there.iter().max().copied().unwrap_or(0) as f64 / all,
            confusion,
            classes,
        }
    }
}

/// Judges a segmenter on rows with label maps.
///
/// # Errors
/// No label maps, or classes that the model does not know.
pub fn segmentation(codec: &Codec, dataset: &Dataset, rows: &[u32]) -> Result<Evaluation, Error> {
    let classes = codec.model().description.classes.clone();
    let pixels = dataset.shape.pixels();
    let places = known_places(&classes, dataset)?;
    let mut confusion = vec![vec![0u64; classes.len()]; classes.len()];
    for chunk in rows.chunks(codec.network().rows_at_once() * 4) {
        let selected = dataset.select(chunk);
        let told = codec.segment(&selected.values.to_f32())?;
        let truths = selected.maps.map(|maps| maps.of_pixel).unwrap_or_default();
        debug_assert_eq!(told.len(), chunk.len() * pixels);
        for (truth, told) in truths.iter().zip(told).filter(|(truth, _)| **truth != VOID) {
            confusion[places[usize::from(*truth)]][usize::from(told)] += 1;
        }
    }
    let own = Segmentation::of(confusion, classes);
    let [right, commonest] = [own.pixel_accuracy, own.most_frequent].map(|share| 100.0 * share);
    let mut verdict = if right > commonest {
        format!(
            "{right:.2} % of the pixels get their own class, {:.2} % on average over classes, mean IoU {:.2} %; naming the most frequent class everywhere gets {commonest:.2} %",
            100.0 * own.class_average,
            100.0 * own.mean_iou
        )
    } else {
        format!(
            "not useful yet: {right:.2} % of the pixels right, no better than naming the most frequent class everywhere"
        )
    };
    add_sentences(&mut verdict, health::sentences(&codec.model().description));
    let figures = Figures::Segmentation(own);
    Ok(Evaluation { rows: rows.len(), figures, verdict, rivals: Vec::new() })
}

/// The places of a data set's classes among known ones.
fn known_places(known: &[String], dataset: &Dataset) -> Result<Vec<usize>, Error> {
    let Some(maps) = &dataset.maps else { return Err(Error::NoLabelMaps { name: "the data".to_owned() }) };
    maps.names
        .iter()
        .map(|name| {
            known
                .iter()
                .position(|class| class == name)
                .ok_or_else(|| Error::UnknownLabel { label: name.clone(), known: known.len() })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two classes of 6 and 2 pixels, one that is never there but named once, and one that is neither.
    #[test]
    fn figures_follow_from_the_confusion() {
        let names = ["a", "b", "c", "d"].map(str::to_owned).to_vec();
        let own = Segmentation::of(vec![vec![5, 0, 1, 0], vec![1, 1, 0, 0], vec![0; 4], vec![0; 4]], names);
        assert_eq!((own.pixel_accuracy, own.most_frequent), (0.75, 0.75));
        assert!((own.class_average - (5.0 / 6.0 + 0.5) / 2.0).abs() < 1e-12);
        assert_eq!(own.iou, [Some(5.0 / 7.0), Some(0.5), Some(0.0), None]);
        assert!((own.mean_iou - (5.0 / 7.0 + 0.5) / 3.0).abs() < 1e-12);
    }
}
