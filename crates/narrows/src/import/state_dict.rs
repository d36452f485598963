//! Dictionaries of tensors in PyTorch's pickles: which one is meant, and where each tensor's numbers lie.

use super::names::is_counter;
use super::numbers::Stored;
use super::pickle::{Handle, Pickle, Value};
use crate::model_file::NamedTensor;

/// What people call the weights in files that hold other things, too; the likeliest first.
const USUAL: [&str; 4] = ["state_dict", "model_state_dict", "model", "weights"];
/// Axes of a tensor at most.
const MOST_AXES: usize = 8;

/// A tensor by where its numbers lie.
pub struct Placed<'p> {
    /// The key of its storage.
    pub storage: &'p str,
    stored: Stored,
    offset: usize,
    sizes: Vec<usize>,
    strides: Vec<usize>,
}

impl Placed<'_> {
    /// How many numbers, if they can be counted.
    pub fn count(&self) -> Option<usize> {
        self.sizes.iter().try_fold(1usize, |all, size| all.checked_mul(*size))
    }

    /// Its numbers, row-major.
    ///
    /// # Errors
    /// Numbers that lie beyond the storage's bytes.
    pub fn gather(&self, name: &str, bytes: &[u8]) -> Result<NamedTensor, String> {
        let (size, lies) = (self.stored.size(), || format!("{name}: it reaches beyond its storage"));
        let count = self.count().ok_or_else(lies)?;
        let last = self.sizes.iter().zip(&self.strides).try_fold(self.offset, |at, (size, stride)| {
            at.checked_add(size.saturating_sub(1).checked_mul(*stride)?)
        });
        if count > 0 && last.is_none_or(|last| last >= bytes.len() / size) {
            return Err(lies());
        }
        let mut values = Vec::with_capacity(count);
        let mut place = vec![0; self.sizes.len()];
        for _ in 0..count {
            let steps = place.iter().zip(&self.strides).map(|(at, stride)| at * stride);
            let at = (self.offset + steps.sum::<usize>()) * size;
            values.push(self.stored.number(&bytes[at..at + size]));
            for axis in (0..place.len()).rev() {
                place[axis] += 1;
                if place[axis] < self.sizes[axis] {
                    break;
                }
                place[axis] = 0;
            }
        }
        Ok(NamedTensor { name: name.to_owned(), shape: self.sizes.clone(), values })
    }
}

/// The tensors that are meant: those of what was saved, or of the one part of it that has any, or is called as weights are.
///
/// # Errors
/// Nothing of the kind, or several; a tensor that cannot be understood.
pub fn tensors(pickle: &Pickle) -> Result<Vec<(&str, Placed<'_>)>, String> {
    if has_tensors(pickle, pickle.root) {
        return of(pickle, pickle.root);
    }
    let parts: Vec<(&str, Handle)> = pickle
        .entries(pickle.root)
        .iter()
        .filter_map(|(key, part)| Some((pickle.text(*key)?, *part)))
        .filter(|(_, part)| has_tensors(pickle, *part))
        .collect();
    let usual = USUAL.iter().find_map(|name| parts.iter().find(|(key, _)| key == name));
    match (usual, &parts[..]) {
        (Some((_, part)), _) | (None, [(_, part)]) => of(pickle, *part),
        (None, []) => {
            Err("expected a dictionary of tensors, as torch.save(model.state_dict(), FILE) writes it"
                .to_owned())
        }
        (None, [(first, _), (second, _), ..]) => Err(format!(
            "expected weights of one network, found those of {first}, of {second} and perhaps of more"
        )),
    }
}

/// Whether a dictionary holds tensors with axes; figures such as a loss have none.
fn has_tensors(pickle: &Pickle, handle: Handle) -> bool {
    let axes = |value: Handle| {
        let (_, arguments) = tensor_call(pickle, value)?;
        let sizes = arguments.get(2)?;
        matches!(&pickle.values[*sizes], Value::Sequence(sizes) if !sizes.is_empty()).then_some(())
    };
    pickle.entries(handle).iter().any(|(key, value)| pickle.text(*key).is_some() && axes(*value).is_some())
}

/// Every tensor of a dictionary, but counters of steps.
fn of(pickle: &Pickle, handle: Handle) -> Result<Vec<(&str, Placed<'_>)>, String> {
    let mut found = Vec::new();
    for (key, value) in pickle.entries(handle) {
        let (Some(name), Some((function, arguments))) = (pickle.text(*key), tensor_call(pickle, *value))
        else {
            continue;
        };
        if !is_counter(name) {
            let placed = placed(pickle, function, arguments);
            found.push((name, placed.map_err(|problem| format!("{name}: {problem}"))?));
        }
    }
    Ok(found)
}

/// The function that would have made a tensor, and what it is given; of a parameter those of the tensor in it.
fn tensor_call(pickle: &Pickle, handle: Handle) -> Option<(&str, &[Handle])> {
    let call = |handle: Handle| match &pickle.values[handle] {
        Value::Call(called, arguments) => match (&pickle.values[*called], &pickle.values[*arguments]) {
            (Value::Name(name), Value::Sequence(arguments)) => Some((name.as_str(), &arguments[..])),
            _ => None,
        },
        _ => None,
    };
    let parameters = [
        "torch._utils._rebuild_parameter",
        "torch._utils._rebuild_parameter_with_state",
        "torch.nn.parameter.Parameter",
    ];
    let made = match call(handle)? {
        (name, [inner, ..]) if parameters.contains(&name) => call(*inner)?,
        made => made,
    };
    made.0.starts_with("torch._utils._rebuild_").then_some(made)
}

/// Where a tensor's numbers lie: its storage, the first number, sizes and steps; and since PyTorch 0.4 what else there is to say of it.
fn placed<'p>(pickle: &'p Pickle, function: &str, arguments: &[Handle]) -> Result<Placed<'p>, String> {
    let known = ["torch._utils._rebuild_tensor", "torch._utils._rebuild_tensor_v2"].contains(&function);
    let [from, offset, sizes, strides, rest @ ..] = arguments else {
        return Err("a tensor without numbers".to_owned());
    };
    if !known {
        return Err(format!("expected a plain tensor, found one that {function} makes"));
    }
    // Behind whether it learns and its hooks: such as that all its signs are changed.
    let more = rest.get(2).is_some_and(|more| !pickle.entries(*more).is_empty());
    if more {
        return Err("expected a plain tensor, found one with more to be done to it".to_owned());
    }
    let (storage, kind) = storage(pickle, *from)?;
    let stored = stored(kind).ok_or_else(|| format!("expected fractions, found a {kind}"))?;
    let whole = |handle: Handle| match pickle.values[handle] {
        Value::Whole(number) => usize::try_from(number).map_err(|_| "a tensor of negative size".to_owned()),
        _ => Err("a tensor's size that is no number".to_owned()),
    };
    let wholes = |handle: Handle| match &pickle.values[handle] {
        Value::Sequence(all) if all.len() > MOST_AXES => Err(format!("a tensor of {} axes", all.len())),
        Value::Sequence(all) => all.iter().map(|one| whole(*one)).collect::<Result<Vec<_>, _>>(),
        _ => Err("a tensor without sizes".to_owned()),
    };
    let (offset, sizes, strides) = (whole(*offset)?, wholes(*sizes)?, wholes(*strides)?);
    if sizes.len() != strides.len() {
        return Err(format!("a tensor of {} sizes and {} strides", sizes.len(), strides.len()));
    }
    Ok(Placed { storage, stored, offset, sizes, strides })
}

/// A storage's key and kind: ("storage", kind, key, where it lay, how many numbers), in old files with the part of another that it is.
///
/// # Errors
/// Something that is no storage, or a part of one.
pub fn storage(pickle: &Pickle, handle: Handle) -> Result<(&str, &str), String> {
    let Value::Outside(called) = &pickle.values[handle] else {
        return Err("a tensor without a storage".to_owned());
    };
    if let Value::Sequence(parts) = &pickle.values[*called]
        && let [_, kind, key, _, _, rest @ ..] = &parts[..]
        && let (Value::Name(kind), Some(key)) = (&pickle.values[*kind], pickle.text(*key))
    {
        return match rest.first().map(|view| &pickle.values[*view]) {
            None | Some(Value::Other) => Ok((key, kind)),
            Some(_) => Err("expected a storage of its own, found a part of another".to_owned()),
        };
    }
    Err("a storage without a key".to_owned())
}

/// How a storage's numbers are stored, if they are fractions.
fn stored(kind: &str) -> Option<Stored> {
    Some(match kind {
        "torch.HalfStorage" => Stored::F16,
        "torch.BFloat16Storage" => Stored::Bf16,
        "torch.FloatStorage" => Stored::F32,
        "torch.DoubleStorage" => Stored::F64,
        _ => return None,
    })
}

/// Bytes of a storage's numbers.
pub fn size_of(kind: &str) -> Option<usize> {
    match kind {
        "torch.ByteStorage" | "torch.CharStorage" | "torch.BoolStorage" => Some(1),
        "torch.ShortStorage" => Some(2),
        "torch.IntStorage" => Some(4),
        "torch.LongStorage" => Some(8),
        _ => stored(kind).map(Stored::size),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A pickle, made by hand.
    #[derive(Default)]
    struct Making {
        values: Vec<Value>,
    }

    impl Making {
        fn add(&mut self, value: Value) -> Handle {
            self.values.push(value);
            self.values.len() - 1
        }

        fn call(&mut self, function: &str, arguments: Vec<Handle>) -> Handle {
            let (function, arguments) =
                (self.add(Value::Name(function.to_owned())), self.add(Value::Sequence(arguments)));
            self.add(Value::Call(function, arguments))
        }

        /// A tensor of `sizes` with a storage of this kind; of old files with the part of another that it is.
        fn tensor(&mut self, function: &str, kind: &str, sizes: &[i64], view: bool) -> Handle {
            let texts = ["storage", "7", "cpu"].map(|text| self.add(Value::Text(text.to_owned())));
            let kind = self.add(Value::Name(kind.to_owned()));
            let (count, nothing) = (self.add(Value::Whole(12)), self.add(Value::Other));
            let view = if view { texts[1] } else { nothing };
            let parts = self.add(Value::Sequence(vec![texts[0], kind, texts[1], texts[2], count, view]));
            let (from, offset) = (self.add(Value::Outside(parts)), self.add(Value::Whole(0)));
            let wholes: Vec<Handle> = sizes.iter().map(|size| self.add(Value::Whole(*size))).collect();
            let (sizes, strides) =
                (self.add(Value::Sequence(wholes.clone())), self.add(Value::Sequence(wholes)));
            self.call(function, vec![from, offset, sizes, strides])
        }

        fn plain(&mut self, sizes: &[i64]) -> Handle {
            self.tensor("torch._utils._rebuild_tensor", "torch.FloatStorage", sizes, false)
        }

        fn dictionary(&mut self, entries: &[(&str, Handle)]) -> Handle {
            let entries = entries
                .iter()
                .map(|(key, value)| (self.add(Value::Text((*key).to_owned())), *value))
                .collect();
            self.add(Value::Dictionary(entries))
        }

        /// The names of the tensors in `root`, or why there are none.
        fn names(self, root: Handle) -> Result<Vec<String>, String> {
            let pickle = Pickle { values: self.values, root, length: 0 };
            Ok(tensors(&pickle)?.into_iter().map(|(name, _)| name.to_owned()).collect())
        }
    }

    #[test]
    fn the_weights_are_found_among_other_things() {
        let parts = |keys: &[&str]| {
            let mut making = Making::default();
            let figure = making.plain(&[]);
            let mut entries = vec![("loss", figure)];
            for key in keys {
                let weight = making.plain(&[2]);
                entries.push((*key, making.dictionary(&[(&format!("{key}.weight"), weight)])));
            }
            let root = making.dictionary(&entries);
            making.names(root)
        };
        assert_eq!(parts(&["anything"]).unwrap(), ["anything.weight"]);
        assert_eq!(parts(&["ema", "state_dict"]).unwrap(), ["state_dict.weight"]);
        assert!(parts(&[]).unwrap_err().contains("expected a dictionary of tensors"));
        assert!(parts(&["netD", "netG"]).unwrap_err().contains("found those of netD, of netG"));
    }

    #[test]
    fn tensors_that_are_more_than_their_numbers_are_refused() {
        let refused = |make: &dyn Fn(&mut Making) -> Handle| {
            let mut making = Making::default();
            let (good, tensor) = (making.plain(&[1]), make(&mut making));
            let root = making.dictionary(&[("good.weight", good), ("a.weight", tensor)]);
            making.names(root).unwrap_err()
        };
        let (second, float) = ("torch._utils._rebuild_tensor_v2", "torch.FloatStorage");
        for (function, kind, expected) in [
            (second, "torch.LongStorage", "a.weight: expected fractions, found a torch.LongStorage"),
            (second, "torch.ComplexFloatStorage", "expected fractions"),
            ("torch._utils._rebuild_qtensor", float, "found one that torch._utils._rebuild_qtensor makes"),
        ] {
            let told = refused(&|making| making.tensor(function, kind, &[2], false));
            assert!(told.contains(expected), "{told}");
        }
        assert!(refused(&|making| making.tensor(second, float, &[2], true)).contains("a part of another"));
        assert!(
            refused(&|making| making.tensor(second, float, &[1; 9], false)).contains("a tensor of 9 axes")
        );
        assert!(refused(&|making| making.tensor(second, float, &[-1], false)).contains("negative size"));
        let negated = refused(&|making| {
            let tensor = making.tensor(second, float, &[2], false);
            let (yes, hooks) = (making.add(Value::Truth(true)), making.dictionary(&[]));
            let more = making.dictionary(&[("neg", yes)]);
            let Value::Call(_, arguments) = making.values[tensor] else { panic!() };
            if let Value::Sequence(arguments) = &mut making.values[arguments] {
                arguments.extend([yes, hooks, more]);
            }
            tensor
        });
        assert!(negated.contains("more to be done to it"), "{negated}");
    }

    #[test]
    fn parameters_are_their_tensors_and_counters_are_left_out() {
        let mut making = Making::default();
        let counter = making.tensor("torch._utils._rebuild_tensor_v2", "torch.LongStorage", &[1], false);
        let mut entries = vec![("n.num_batches_tracked", counter)];
        for (name, function) in [
            ("a", "torch._utils._rebuild_parameter"),
            ("b", "torch._utils._rebuild_parameter_with_state"),
            ("c", "torch.nn.parameter.Parameter"),
        ] {
            let inner = making.plain(&[2]);
            entries.push((name, making.call(function, vec![inner])));
        }
        let root = making.dictionary(&entries);
        assert_eq!(making.names(root).unwrap(), ["a", "b", "c"]);
    }
}
