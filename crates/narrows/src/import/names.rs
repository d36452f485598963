//! Names of tensors in other programs' files: `layer3.22.bn1.running_var`.

use crate::model_file::NamedTensor;
use std::cmp::Ordering;
use std::collections::BTreeMap;

/// What a layer brought along, as it was named there.
#[derive(Debug)]
pub struct Module {
    /// Its name.
    pub name: String,
    /// Weights of sums, or what a normalisation multiplies by.
    pub weight: Option<NamedTensor>,
    /// What is added.
    pub bias: Option<NamedTensor>,
    /// A batch normalisation's running mean.
    pub mean: Option<NamedTensor>,
    /// Its running variance.
    pub variance: Option<NamedTensor>,
}

impl Module {
    /// Channels that it normalises, if it is a normalisation: it has running statistics, or a weight for each channel.
    pub fn normalises(&self) -> Option<usize> {
        match (&self.mean, &self.weight) {
            (Some(mean), _) => Some(mean.values.len()),
            (None, Some(weight)) if weight.shape.len() == 1 => Some(weight.values.len()),
            _ => None,
        }
    }

    /// Sizes of its weights, if it has weights of sums.
    pub fn sums(&self) -> Option<&[usize]> {
        self.weight.as_ref().map(|weight| &weight.shape[..]).filter(|sizes| sizes.len() > 1)
    }
}

/// The layers of a file, as people would count them: `layer.10` behind `layer.9`.
///
/// # Errors
/// The name of a tensor that is none of a layer's.
pub fn modules(tensors: Vec<NamedTensor>) -> Result<Vec<Module>, String> {
    let mut all: BTreeMap<Natural, Module> = BTreeMap::new();
    for tensor in tensors {
        let name = tensor.name.clone();
        let (module, part) = name.rsplit_once('.').unwrap_or(("", &name));
        // Counts of steps, in some files as fractions.
        if part == "num_batches_tracked" {
            continue;
        }
        let module = all.entry(Natural(module.to_owned())).or_insert_with(|| Module {
            name: module.to_owned(),
            weight: None,
            bias: None,
            mean: None,
            variance: None,
        });
        let place = match part {
            "weight" => &mut module.weight,
            "bias" => &mut module.bias,
            "running_mean" => &mut module.mean,
            "running_var" => &mut module.variance,
            _ => return Err(name),
        };
        *place = Some(tensor);
    }
    Ok(all.into_values().collect())
}

/// A name, ordered by its parts, and these by the numbers in them.
#[derive(PartialEq, Eq)]
struct Natural(String);

impl Ord for Natural {
    fn cmp(&self, other: &Natural) -> Ordering {
        let (own, others) = (self.0.split('.').map(runs), other.0.split('.').map(runs));
        own.cmp(others).then_with(|| self.0.cmp(&other.0))
    }
}

impl PartialOrd for Natural {
    fn partial_cmp(&self, other: &Natural) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// A part of a name, cut where digits begin and end; numbers by their lengths first.
fn runs(part: &str) -> Vec<(bool, usize, &str)> {
    let mut all = Vec::new();
    let mut rest = part;
    while let Some(first) = rest.chars().next() {
        let digits = first.is_ascii_digit();
        let end = rest.find(|other: char| other.is_ascii_digit() != digits).unwrap_or(rest.len());
        let run = match &rest[..end] {
            number if digits => number.trim_start_matches('0'),
            word => word,
        };
        all.push((!digits, if digits { run.len() } else { 0 }, run));
        rest = &rest[end..];
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tensor(name: &str, shape: &[usize]) -> NamedTensor {
        let values = vec![0.0; shape.iter().product()];
        NamedTensor { name: name.to_owned(), shape: shape.to_vec(), values }
    }

    #[test]
    fn layers_come_as_people_count() {
        let names =
            ["fc", "b.10.conv", "b.9.conv", "b.9.bn", "a10", "a9", "b.conv1", "b.conv1_x", "b.conv1.d"];
        let tensors = names.map(|name| tensor(&format!("{name}.weight"), &[2])).to_vec();
        let found: Vec<String> = modules(tensors).unwrap().into_iter().map(|module| module.name).collect();
        let expected =
            ["a9", "a10", "b.9.bn", "b.9.conv", "b.10.conv", "b.conv1", "b.conv1.d", "b.conv1_x", "fc"];
        assert_eq!(found, expected);
    }

    #[test]
    fn tensors_of_a_layer_come_together_and_others_are_named() {
        let all =
            [("n.weight", 4), ("n.bias", 4), ("n.running_mean", 4), ("n.running_var", 4), ("weight", 3)];
        let tensors: Vec<_> = all.iter().map(|(name, size)| tensor(name, &[*size])).collect();
        let counter = tensor("n.num_batches_tracked", &[]);
        let found = modules([tensors, vec![counter]].concat()).unwrap();
        assert_eq!(found.iter().map(|module| module.name.as_str()).collect::<Vec<_>>(), ["", "n"]);
        assert_eq!((found[1].normalises(), found[1].sums()), (Some(4), None));
        assert!(found[1].variance.is_some() && found[1].bias.is_some());
        assert_eq!(modules(vec![tensor("n.weight_g", &[1])]).unwrap_err(), "n.weight_g");
    }
}
