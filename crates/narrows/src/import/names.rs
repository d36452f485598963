//! Names of tensors in other programs' files: `layer3.22.bn1.running_var`.

use crate::model_file::NamedTensor;
use std::collections::HashMap;

/// Whether a tensor counts steps, which no layer needs in use.
pub fn is_counter(name: &str) -> bool {
    name.rsplit('.').next() == Some("num_batches_tracked")
}

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

/// The layers of a file, in the order in which their first tensors come.
///
/// # Errors
/// A tensor that is none of a layer's, or does not go with the layer's others: its name, and what was expected in its place.
pub fn modules(tensors: Vec<NamedTensor>) -> Result<Vec<Module>, (String, String)> {
    let mut all: Vec<Module> = Vec::new();
    let mut places: HashMap<String, usize> = HashMap::new();
    for tensor in tensors {
        let name = tensor.name.clone();
        let (module, part) = name.rsplit_once('.').unwrap_or(("", &name));
        let place = *places.entry(module.to_owned()).or_insert_with(|| {
            let (weight, bias, mean, variance) = Default::default();
            all.push(Module { name: module.to_owned(), weight, bias, mean, variance });
            all.len() - 1
        });
        let place = match part {
            "weight" => &mut all[place].weight,
            "bias" => &mut all[place].bias,
            "running_mean" => &mut all[place].mean,
            "running_var" => &mut all[place].variance,
            _ => return Err((name, "a tensor called weight, bias, running_mean or running_var".to_owned())),
        };
        if tensor.values.iter().any(|value| !value.is_finite()) {
            return Err((name, "finite numbers".to_owned()));
        }
        if part != "weight" && tensor.shape.len() != 1 {
            return Err((name, "a number for each channel".to_owned()));
        }
        *place = Some(tensor);
    }
    all.iter().try_for_each(Module::expect_whole)?;
    Ok(all)
}

impl Module {
    /// Statistics come together, and as many as there are scales and shifts; sums have none.
    fn expect_whole(&self) -> Result<(), (String, String)> {
        let of =
            |part: &str| if self.name.is_empty() { part.to_owned() } else { format!("{}.{part}", self.name) };
        let Some(size) = self.normalises() else {
            return match (&self.variance, &self.weight) {
                (Some(_), _) => Err((of("running_var"), "a running_mean beside it".to_owned())),
                (None, None) => Err((of("bias"), "a weight beside it".to_owned())),
                (None, Some(_)) => Ok(()),
            };
        };
        if self.mean.is_some() != self.variance.is_some() {
            return Err((of("running_mean"), "a running_var beside it".to_owned()));
        }
        if self.sums().is_some() {
            return Err((of("running_mean"), "none beside a matrix of weights".to_owned()));
        }
        let parts = [(&self.weight, "weight"), (&self.bias, "bias"), (&self.variance, "running_var")];
        let odd = |(tensor, _): &(&Option<NamedTensor>, &str)| {
            tensor.as_ref().is_some_and(|tensor| tensor.values.len() != size)
        };
        match parts.into_iter().find(odd) {
            Some((_, part)) => Err((of(part), format!("{size} numbers, as there are channels"))),
            None => Ok(()),
        }
    }
}

/// The order in which people would count names: `layer.10` behind `layer.9`. Files that keep none are read in this one.
pub fn by_name(a: &str, b: &str) -> std::cmp::Ordering {
    a.split('.').map(runs).cmp(b.split('.').map(runs)).then_with(|| a.cmp(b))
}

/// Whether two names differ by more than numbers: which of two such layers comes first cannot be told by them.
pub fn differ_in_words(a: &str, b: &str) -> bool {
    let words = |name: &str| name.split(|letter: char| letter.is_ascii_digit()).collect::<String>();
    words(a) != words(b)
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
    fn names_are_ordered_as_people_count() {
        let mut names =
            ["fc", "b.10.conv", "b.9.conv", "b.9.bn", "a10", "a9", "b.conv1", "b.conv1_x", "b.conv1.d"];
        names.sort_by(|a, b| by_name(a, b));
        let expected =
            ["a9", "a10", "b.9.bn", "b.9.conv", "b.10.conv", "b.conv1", "b.conv1.d", "b.conv1_x", "fc"];
        assert_eq!(names, expected);
        assert!(
            differ_in_words("fc_mu", "fc_logvar") && !differ_in_words("layer1.0.conv2", "layer1.11.conv2")
        );
    }

    #[test]
    fn tensors_of_a_layer_come_together_in_the_files_order() {
        let all =
            [("n.weight", 4), ("n.bias", 4), ("weight", 3), ("n.running_mean", 4), ("n.running_var", 4)];
        let found = modules(all.iter().map(|(name, size)| tensor(name, &[*size])).collect()).unwrap();
        assert_eq!(found.iter().map(|module| module.name.as_str()).collect::<Vec<_>>(), ["n", ""]);
        assert_eq!((found[0].normalises(), found[0].sums()), (Some(4), None));
        assert!(found[0].variance.is_some() && found[0].bias.is_some());
    }

    #[test]
    fn tensors_that_go_with_nothing_are_named() {
        let mut odd = tensor("a.weight", &[2, 2]);
        odd.values[3] = f32::NAN;
        assert_eq!(modules(vec![odd]).unwrap_err().0, "a.weight");
        type Tensors<'t> = &'t [(&'t str, &'t [usize])];
        let refused: [(Tensors<'_>, &str); 6] = [
            (&[("n.weight_g", &[1])], "n.weight_g"),
            (&[("n.bias", &[1, 1])], "n.bias"),
            (&[("n.bias", &[1])], "n.bias"),
            (&[("n.weight", &[2]), ("n.running_mean", &[2])], "n.running_mean"),
            (&[("running_mean", &[2]), ("running_var", &[3])], "running_var"),
            (&[("n.weight", &[2, 2]), ("n.running_mean", &[2]), ("n.running_var", &[2])], "n.running_mean"),
        ];
        for (tensors, name) in refused {
            let tensors = tensors.iter().map(|(name, shape)| tensor(name, shape)).collect();
            assert_eq!(modules(tensors).unwrap_err().0, name);
        }
    }
}
