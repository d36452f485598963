//! Which plain numbers are maps to other programs: these write a picture's channels one after another before a dense layer hears it, and
//! take what a dense layer says apart in the same way. Layers that look at each number by itself stand in between.

use super::channels_last::Maps;
use crate::error::Error;
use crate::network::{Extent, Layer, LayerWork, Network};
use std::collections::HashMap;

/// What the network's layers hear and say as maps, by their names; of an autoencoder the last says a picture.
///
/// # Errors
/// Numbers taken apart that no dense layer says: here they lie in another order, which no weights can mend.
pub fn flattened(network: &Network, picture: Extent, rebuilds: bool) -> Result<HashMap<&str, Maps>, Error> {
    let first = network.layers.first().map_or(picture, |layer| layer.from);
    // Rows that nobody looks at as pictures have plain numbers.
    let heard = if first.numbers() == picture.numbers() { picture } else { first };
    let mut all = list(&network.layers, heard, rebuilds.then_some(picture))?;
    for head in &network.auxiliary {
        all.extend(list(&head.layers, network.layers[head.after].to, None)?);
    }
    if let Some(layer) = &network.log_variance {
        let code = all.get(network.layers[network.encoder - 1].name.as_str()).copied();
        all.extend(code.map(|maps| (layer.name.as_str(), maps)));
    }
    Ok(all)
}

/// Layers one after another, the first hearing `heard`, the last saying `said`.
fn list(layers: &[Layer], mut heard: Extent, said: Option<Extent>) -> Result<HashMap<&str, Maps>, Error> {
    let mut all: Vec<Maps> = Vec::new();
    // The dense layer whose numbers these still are.
    let mut dense = None;
    for layer in layers {
        let is_flat = layer.from.pixels() == 1;
        let maps = match &layer.work {
            LayerWork::Dense => {
                dense = Some(all.len());
                Maps { heard: if is_flat { heard } else { layer.from }, said: layer.to }
            }
            LayerWork::Reshape if layer.to.pixels() == 1 => Maps { heard, said: heard },
            LayerWork::Reshape => {
                if layer.from != layer.to {
                    take(&mut all, dense.filter(|_| is_flat), [heard, layer.to], layer)?;
                }
                Maps { heard: layer.to, said: layer.to }
            }
            _ => {
                let inner = layer.with_inner().into_iter().skip(1);
                let mut reshaped =
                    inner.filter(|inner| inner.work == LayerWork::Reshape && inner.from != inner.to);
                if reshaped.next().is_some() || is_flat && !is_plain(heard) {
                    return Err(refused(layer));
                }
                dense = None;
                Maps { heard: layer.from, said: layer.to }
            }
        };
        heard = maps.said;
        all.push(maps);
    }
    if let (Some(said), Some(last)) = (said, layers.last()) {
        take(&mut all, dense, [heard, said], last)?;
    }
    Ok(layers.iter().map(|layer| layer.name.as_str()).zip(all).collect())
}

/// Takes numbers for other maps from the dense layer on that says them.
fn take(all: &mut [Maps], dense: Option<usize>, [from, to]: [Extent; 2], layer: &Layer) -> Result<(), Error> {
    match dense {
        _ if from == to || is_plain(from) && is_plain(to) => Ok(()),
        Some(dense) => {
            all[dense..].iter_mut().for_each(|maps| maps.said = to);
            Ok(())
        }
        None => Err(refused(layer)),
    }
}

/// Whether channels first and channels last are the same.
fn is_plain(maps: Extent) -> bool {
    maps.pixels() == 1 || maps.channels == 1
}

fn refused(layer: &Layer) -> Error {
    Error::Setting {
        setting: "model.hidden",
        problem: format!(
            "{} takes maps for plain numbers or these for maps, which lie channel by channel in other programs",
            layer.name
        ),
        hint: "only what a dense layer says can be brought into another order".to_owned(),
    }
}
