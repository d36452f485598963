//! How a layer's sums come about, and what size they have: geometry, before anything is computed.

use super::extent::Extent;
use super::layer::Layer;
use super::maps::around;
use crate::recipe::{LayerKind, Padding};
use narrows_engine::{Convolution, Pool};

/// Channels that groups or neighbours are sought among, at most.
const MOST_NORMALISED: usize = 4096;

/// How a layer's sums come about.
#[derive(Clone, Debug, PartialEq)]
pub enum LayerWork {
    /// Every unit hears everything.
    Dense,
    /// A convolution.
    Convolution {
        /// How windows lie.
        form: Convolution,
        /// Height and width of a window.
        size: [usize; 2],
    },
    /// A transposed convolution: windows lie in what the layer says.
    TransposedConvolution {
        /// How windows lie.
        form: Convolution,
        /// Height and width of a window.
        size: [usize; 2],
    },
    /// Pixels repeated, then a convolution.
    Upsampled {
        /// How often pixels are repeated, down and across.
        factor: [usize; 2],
        /// How windows lie.
        form: Convolution,
        /// Height and width of a window.
        size: [usize; 2],
    },
    /// The largest pixel of each window.
    MaxPool(Pool),
    /// The mean of each window.
    AveragePool(Pool),
    /// A pixel of each window, drawn.
    StochasticPool(Pool),
    /// Pixels put back to where a pooling layer found them.
    Unpool {
        /// The windows.
        pool: Pool,
        /// The layer's name.
        of: String,
    },
    /// Pixels repeated.
    Repeat {
        /// How often, down and across.
        factor: [usize; 2],
    },
    /// Pixels between pixels.
    Bilinear {
        /// How many for one, down and across.
        factor: [usize; 2],
    },
    /// Channels in so many groups, each normalised over its pixels.
    GroupNormalisation {
        /// The groups.
        groups: usize,
    },
    /// Numbers divided by what their neighbours say.
    LocalResponse {
        /// Channels that a sum runs over.
        channels: usize,
        /// k, α and β.
        constants: [f32; 3],
    },
    /// Layers whose result is added to what they hear, or to what the shortcut makes of it.
    Residual {
        /// The layers.
        body: Vec<Layer>,
        /// What the result is added to goes through these.
        shortcut: Vec<Layer>,
    },
    /// What several lists of layers say, side by side.
    Parallel {
        /// The lists.
        branches: Vec<Vec<Layer>>,
    },
    /// What several lists of layers make of their own channels each, one list's behind another's, added up: such as what undoes
    /// [`LayerWork::Parallel`].
    Summed {
        /// The lists; an empty one passes its channels on.
        branches: Vec<Vec<Layer>>,
    },
    /// The negative of each number and the number itself.
    Opposite,
    /// The same numbers.
    Reshape,
}

/// What a layer of a kind does with what it hears, and what it says.
///
/// # Errors
/// What does not fit, in words.
pub fn work_of(kind: &LayerKind, from: Extent) -> Result<(LayerWork, Extent), String> {
    Ok(match *kind {
        LayerKind::Dense { units, .. } => (LayerWork::Dense, Extent::from(units)),
        LayerKind::Convolution { channels, size, stride, dilation, padding, groups, .. } => {
            divides(groups, from, channels)?;
            let (size, form) = (
                size.0,
                Convolution { stride: stride.0, dilation: dilation.0, groups, ..Convolution::default() },
            );
            let form = around(padding, form, from.size(), size);
            sees(&form, size, from)?;
            let to = holds(&form, size, form.output(from.size(), size), from, channels)?;
            (LayerWork::Convolution { form, size }, to)
        }
        LayerKind::TransposedConvolution {
            channels,
            size,
            stride,
            dilation,
            padding,
            output_padding,
            groups,
            ..
        } => {
            divides(groups, from, channels)?;
            let (size, form) = (
                size.0,
                Convolution { stride: stride.0, dilation: dilation.0, groups, ..Convolution::default() },
            );
            if [0, 1].into_iter().any(|axis| common(form.stride[axis], form.dilation[axis]) > 1) {
                return Err(left_out(&form, size));
            }
            // With "same" a convolution of the result would give what the layer hears, stride by stride.
            let whole = [from.height * stride.0[0], from.width * stride.0[1]];
            let form = around(padding, form, whole, size);
            let to = match padding {
                Padding::Same if output_padding.0 != [0; 2] => {
                    return Err(
                        "output_padding goes with a padding in numbers; \"same\" has its own size".to_owned()
                    );
                }
                Padding::Same => whole,
                _ => [0, 1].map(|axis| {
                    let reach = form.extent(axis, size);
                    let grown = (from.size()[axis] - 1) * form.stride[axis] + reach + output_padding.0[axis];
                    grown.saturating_sub(form.before[axis] + form.after[axis])
                }),
            };
            if to.contains(&0) || form.output(to, size) != Some(from.size()) {
                let [down, across] = output_padding.0;
                let added = if [down, across] == [0; 2] {
                    String::new()
                } else {
                    format!(", {down}×{across} added,")
                };
                return Err(format!(
                    "windows of {}×{} pixels{added} cannot grow from {from}",
                    size[0], size[1]
                ));
            }
            let to = Extent { height: to[0], width: to[1], channels };
            (LayerWork::TransposedConvolution { form, size }, to)
        }
        LayerKind::MaxPool { size, stride, padding } => {
            let (pool, to) = pooled(from, size.0, stride.0, padding)?;
            (LayerWork::MaxPool(pool), to)
        }
        LayerKind::AveragePool { size, stride, padding } => {
            let (pool, to) = pooled(from, size.0, stride.0, padding)?;
            (LayerWork::AveragePool(pool), to)
        }
        LayerKind::StochasticPool { size, stride, padding } => {
            let (pool, to) = pooled(from, size.0, stride.0, padding)?;
            (LayerWork::StochasticPool(pool), to)
        }
        LayerKind::GlobalPool => {
            let to = Extent { height: 1, width: 1, ..from };
            (LayerWork::AveragePool(Pool::of(from.size())), to)
        }
        LayerKind::Repeat { size } => (LayerWork::Repeat { factor: size.0 }, from.times(size.0)),
        LayerKind::Bilinear { size } => (LayerWork::Bilinear { factor: size.0 }, from.times(size.0)),
        LayerKind::GroupNormalisation { groups, .. } => {
            if !from.channels.is_multiple_of(groups) {
                return Err(format!("{groups} groups do not divide {} channels", from.channels));
            }
            few_channels(from)?;
            (LayerWork::GroupNormalisation { groups }, from)
        }
        LayerKind::LocalResponse { channels, offset, alpha, beta } => {
            few_channels(from)?;
            let constants = [offset, alpha, beta].map(|constant| constant as f32);
            (LayerWork::LocalResponse { channels, constants }, from)
        }
        LayerKind::Opposite => (LayerWork::Opposite, Extent { channels: 2 * from.channels, ..from }),
        LayerKind::Reshape { height, width, channels } => {
            let to = Extent { height, width, channels };
            if !to.is_possible() || to.numbers() != from.numbers() {
                return Err(format!("{to} is not as many numbers as {from}"));
            }
            (LayerWork::Reshape, to)
        }
        LayerKind::Unpool | LayerKind::BatchNormalisation { .. } | LayerKind::Dropout { .. } => {
            (LayerWork::Reshape, from)
        }
    })
}

/// What belongs together is a table of channels by channels.
fn few_channels(from: Extent) -> Result<(), String> {
    match from.channels > MOST_NORMALISED {
        true => Err(format!(
            "{} channels are normalised together, and {MOST_NORMALISED} are the most",
            from.channels
        )),
        false => Ok(()),
    }
}

fn pooled(
    from: Extent,
    size: [usize; 2],
    stride: [usize; 2],
    padding: Padding,
) -> Result<(Pool, Extent), String> {
    let stride = [0, 1].map(|axis| if stride[axis] == 0 { size[axis] } else { stride[axis] });
    let form = around(padding, Convolution { stride, ..Convolution::default() }, from.size(), size);
    sees(&form, size, from)?;
    let pool = Pool { size, stride, before: form.before, after: form.after };
    holds(&form, size, pool.output(from.size()), from, from.channels).map(|to| (pool, to))
}

/// The extent of a result, if it has one.
fn holds(
    form: &Convolution,
    window: [usize; 2],
    to: Option<[usize; 2]>,
    from: Extent,
    channels: usize,
) -> Result<Extent, String> {
    let reach = [0, 1].map(|axis| form.extent(axis, window));
    let reach = match reach == window {
        true => String::new(),
        false => format!(", which reaches over {}×{} with its gaps,", reach[0], reach[1]),
    };
    match to {
        Some([height, width]) => Ok(Extent { height, width, channels }),
        None => {
            Err(format!("a window of {}×{} pixels{reach} does not fit into {from}", window[0], window[1]))
        }
    }
}

/// The largest number that divides both.
pub fn common(a: usize, b: usize) -> usize {
    if b == 0 { a } else { common(b, a % b) }
}

/// Groups are made of whole channels, heard and said.
fn divides(groups: usize, from: Extent, channels: usize) -> Result<(), String> {
    if from.channels.is_multiple_of(groups) && channels.is_multiple_of(groups) {
        return Ok(());
    }
    Err(format!("{groups} groups do not divide {} channels in and {channels} out", from.channels))
}

/// Reaches up to this are no mistake even where pictures are small: what pooling leaves may be a single pixel.
const USUAL_REACH: usize = 64;

/// Windows must meet pixels: none may lie wholly among the zeros around, and not all of them with their gaps over the picture. Those that reach
/// much further than it does would take its memory many times.
fn sees(form: &Convolution, window: [usize; 2], from: Extent) -> Result<(), String> {
    let reach = [0, 1].map(|axis| form.extent(axis, window));
    let (size, [before, after]) = (from.size(), [form.before, form.after]);
    let any = |test: &dyn Fn(usize) -> bool| [0, 1].into_iter().any(test);
    if any(&|axis| reach[axis] > USUAL_REACH.max(2 * size[axis] + 1)) {
        return Err(format!(
            "windows that reach over {}×{} pixels are far larger than {from}",
            reach[0], reach[1]
        ));
    }
    let meets = |axis: usize| {
        let room = (size[axis] + before[axis] + after[axis]).saturating_sub(reach[axis]);
        let mut places = (0..=room).step_by(form.stride[axis]);
        let inside = before[axis]..before[axis] + size[axis];
        places.any(|place| (0..window[axis]).any(|tap| inside.contains(&(place + tap * form.dilation[axis]))))
    };
    if any(&|axis| before[axis].max(after[axis]) >= reach[axis] || !meets(axis)) {
        return Err(format!(
            "windows see nothing but zeros: they reach over {}×{} pixels, and before {from} stand {}×{} zeros, behind it {}×{}",
            reach[0], reach[1], before[0], before[1], after[0], after[1]
        ));
    }
    Ok(())
}

/// Whether transposed windows leave pixels out, which hear nothing: narrower than their stride, or with gaps that share a factor with it.
pub fn leaves_out(form: &Convolution, window: [usize; 2]) -> bool {
    [0, 1]
        .into_iter()
        .any(|axis| window[axis] < form.stride[axis] || common(form.stride[axis], form.dilation[axis]) > 1)
}

/// What there is to say of such windows.
pub fn left_out(form: &Convolution, window: [usize; 2]) -> String {
    let ([down, across], [gap_down, gap_across]) = (form.stride, form.dilation);
    format!(
        "windows of {}×{} pixels with a stride of {down}×{across} and a dilation of {gap_down}×{gap_across} leave out pixels, which hear nothing",
        window[0], window[1]
    )
}
