//! A layer of `model.hidden` or `model.decoder`, by itself.

use super::part::part;
use super::window::{Padding, Pair};
use super::{Activation, Limits};

/// Height and width of what a layer looks at.
const SIZE: Limits = Limits::between(1.0, 1000.0);
/// Zeros around; a pool's stride, which may be left open.
const AROUND: Limits = Limits::between(0.0, 1000.0);

part! {
    /// A layer: what it does with the values that it is given, one pixel's numbers being its channels.
    pub enum LayerKind: "convolution" {
        /// Units, each hearing everything; a width alone says the same.
        Dense = "dense" {
            /// Units.
            units: usize = 128, Limits::WIDTH;
            /// What a unit does with its sum; left out, as model.activation says.
            activation: Option<Activation> = None, Limits::ANY;
            /// Whether sums are normalised over the batch; left out, as model.batch_normalisation says.
            batch_normalisation: Option<bool> = None, Limits::ANY;
            /// What is added to sums; left out, a number for each unit, or nothing where they are normalised.
            bias: Option<Bias> = None, Limits::ANY;
        },
        /// Maps of weighted sums of a window, the same weights everywhere.
        Convolution = "convolution" {
            /// Maps.
            channels: usize = 32, Limits::WIDTH;
            /// Height and width of the window.
            size: Pair = Pair([3; 2]), SIZE;
            /// Pixels from one window to the next.
            stride: Pair = Pair([1; 2]), SIZE;
            /// Pixels from one pixel of a window to the next.
            dilation: Pair = Pair([1; 2]), SIZE;
            /// Zeros around the picture.
            padding: Padding = Padding::Same, AROUND;
            /// Parts that the channels are cut into; maps of one part see that part only.
            groups: usize = 1, Limits::WIDTH;
            /// What a unit does with its sum; left out, as model.activation says.
            activation: Option<Activation> = None, Limits::ANY;
            /// Whether maps are normalised over the batch and their pixels; left out, as model.batch_normalisation says.
            batch_normalisation: Option<bool> = None, Limits::ANY;
            /// What is added to sums; left out, a number for each map, or nothing where they are normalised.
            bias: Option<Bias> = None, Limits::ANY;
        },
        /// The same the other way: each pixel is spread over a window, so that maps grow.
        TransposedConvolution = "transposed-convolution" {
            /// Maps.
            channels: usize = 32, Limits::WIDTH;
            /// Height and width of the window.
            size: Pair = Pair([3; 2]), SIZE;
            /// Pixels from one window to the next.
            stride: Pair = Pair([2; 2]), SIZE;
            /// Pixels from one pixel of a window to the next.
            dilation: Pair = Pair([1; 2]), SIZE;
            /// Zeros around the picture that a convolution of these windows would be given.
            padding: Padding = Padding::Same, AROUND;
            /// Rows added below and columns added at the right, fewer than the stride: which of the sizes that a convolution would shrink to
            /// what is heard. With a padding in numbers only.
            output_padding: Pair = Pair([0; 2]), AROUND;
            /// Parts that the channels are cut into; maps of one part hear that part only.
            groups: usize = 1, Limits::WIDTH;
            /// What a unit does with its sum; left out, as model.activation says.
            activation: Option<Activation> = None, Limits::ANY;
            /// Whether maps are normalised over the batch and their pixels; left out, as model.batch_normalisation says.
            batch_normalisation: Option<bool> = None, Limits::ANY;
            /// What is added to sums; left out, a number for each map, or nothing where they are normalised.
            bias: Option<Bias> = None, Limits::ANY;
        },
        /// The largest pixel of each window, channel by channel.
        MaxPool = "max-pool" {
            /// Height and width of the window.
            size: Pair = Pair([2; 2]), SIZE;
            /// Pixels from one window to the next; 0 for windows side by side.
            stride: Pair = Pair([0; 2]), AROUND;
            /// Pixels around the picture that windows reach.
            padding: Padding = Padding::None, AROUND;
        },
        /// The mean of each window, channel by channel.
        AveragePool = "average-pool" {
            /// Height and width of the window.
            size: Pair = Pair([2; 2]), SIZE;
            /// Pixels from one window to the next; 0 for windows side by side.
            stride: Pair = Pair([0; 2]), AROUND;
            /// Pixels around the picture that windows reach.
            padding: Padding = Padding::None, AROUND;
        },
        /// A pixel of each window, channel by channel, drawn in training as probable as it is large, and in use the mean so weighed (Zeiler and
        /// Fergus 2013); what is below 0 is never drawn.
        StochasticPool = "stochastic-pool" {
            /// Height and width of the window.
            size: Pair = Pair([2; 2]), SIZE;
            /// Pixels from one window to the next; 0 for windows side by side.
            stride: Pair = Pair([0; 2]), AROUND;
            /// Pixels around the picture that windows reach.
            padding: Padding = Padding::None, AROUND;
        },
        /// Pixels put back to where the last "max-pool" that is not yet undone found them, zeros elsewhere.
        Unpool = "unpool",
        /// The mean of each channel.
        GlobalPool = "global-pool",
        /// Each pixel repeated, so that maps grow.
        Repeat = "repeat" {
            /// How often, down and across.
            size: Pair = Pair([2; 2]), SIZE;
        },
        /// More pixels, weighed by their distance from those that are there, down and across.
        Bilinear = "bilinear" {
            /// How many for one, down and across.
            size: Pair = Pair([2; 2]), SIZE;
        },
        /// Maps normalised over the batch and their pixels, and in use by running means; then the activation.
        BatchNormalisation = "batch-normalisation" {
            /// What follows; left out, as model.activation says.
            activation: Option<Activation> = None, Limits::ANY;
        },
        /// Maps normalised over their pixels, so many together, row by row (Wu and He 2018); then the activation.
        GroupNormalisation = "group-normalisation" {
            /// Parts that the channels are cut into.
            groups: usize = 8, Limits::WIDTH;
            /// What follows; left out, as model.activation says.
            activation: Option<Activation> = None, Limits::ANY;
        },
        /// Each number divided by (k + α Σ x²)^β, the sum over channels beside its own (Krizhevsky et al. 2012, section 3.3).
        LocalResponse = "local-response-normalisation" {
            /// Channels that a sum runs over.
            channels: usize = 5, Limits::WIDTH;
            /// k.
            offset: f64 = 2.0, Limits::POSITIVE;
            /// α.
            alpha: f64 = 1e-4, Limits::NOT_NEGATIVE;
            /// β.
            beta: f64 = 0.75, Limits::NOT_NEGATIVE;
        },
        /// Numbers silenced at random in training.
        Dropout = "dropout" {
            /// Their share.
            rate: f64 = 0.5, Limits::RATE;
        },
        /// −x and x of each number, one after another: two classes told by one number v, of which softmax makes (1 ± tanh v)/2.
        Opposite = "opposite",
        /// The same numbers as a picture of another shape.
        Reshape = "reshape" {
            /// Pixels from top to bottom.
            height: usize = 7, Limits::WIDTH;
            /// Pixels from left to right.
            width: usize = 7, Limits::WIDTH;
            /// Numbers of a pixel.
            channels: usize = 64, Limits::WIDTH;
        },
    }
}

part! {
    /// What is added to a layer's sums.
    pub enum Bias: "shared" {
        /// A number for each unit, or map.
        Shared = "shared",
        /// A number for each number that the layer says: of maps, one for each pixel.
        Each = "each",
        /// Nothing.
        None = "none",
    }
}
