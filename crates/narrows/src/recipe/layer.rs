//! A layer of `model.hidden` or `model.decoder`: a width, or a layer of another kind.

use toml::Value;

use super::part::part;
use super::setting::wrong_value;
use super::{Limits, RecipeProblem, Setting, SettingDescription};

/// Height and width of what a layer looks at.
const SIZE: Limits = Limits::between(1.0, 1000.0);
/// Zeros around; a pool's stride, which may be left open.
const AROUND: Limits = Limits::between(0.0, 1000.0);

part! {
    /// A layer that looks at rows as pictures.
    pub enum LayerKind: "convolution" {
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
        },
        /// The same the other way: each pixel is spread over a window, so that maps grow.
        TransposedConvolution = "transposed-convolution" {
            /// Maps.
            channels: usize = 32, Limits::WIDTH;
            /// Height and width of the window.
            size: Pair = Pair([3; 2]), SIZE;
            /// Pixels from one window to the next.
            stride: Pair = Pair([2; 2]), SIZE;
            /// Zeros around the picture that a convolution of these windows would be given.
            padding: Padding = Padding::Same, AROUND;
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
        /// The mean of each channel.
        GlobalPool = "global-pool",
        /// Each pixel repeated, so that maps grow.
        Repeat = "repeat" {
            /// How often, down and across.
            size: Pair = Pair([2; 2]), SIZE;
        },
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

/// Zeros around a picture.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Padding {
    /// None.
    None,
    /// As many as give one window for each stride of pixels; an odd one goes behind.
    Same,
    /// So many above and below, and left and right.
    Around([usize; 2]),
}

/// A number for both ways, or one for down and one for across.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pair(pub [usize; 2]);

/// A layer: fully connected units, or another kind.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum LayerRecipe {
    /// So many units, each hearing everything.
    Dense(usize),
    /// Another kind.
    Other(LayerKind),
}

impl Setting for Pair {
    fn expected(limits: Limits) -> String {
        format!("{}, or two of them in brackets", usize::expected(limits))
    }

    fn read(value: &Value, limits: Limits, path: &str, problems: &mut Vec<RecipeProblem>) -> Option<Self> {
        match value {
            Value::Integer(_) => usize::read(value, limits, path, problems).map(|both| Self([both; 2])),
            Value::Array(elements) if elements.len() == 2 => {
                Vec::read(value, limits, path, problems)?.try_into().ok().map(Self)
            }
            _ => {
                let hint = Some("write 3, or [3, 5] for height and width".to_string());
                wrong_value(value, Self::expected(limits), path, problems, hint);
                None
            }
        }
    }

    fn write(&self) -> Option<Value> {
        match self.0 {
            [down, across] if down == across => down.write(),
            both => both.to_vec().write(),
        }
    }
}

impl Setting for Padding {
    fn expected(limits: Limits) -> String {
        format!("\"none\", \"same\", or {}", Pair::expected(limits))
    }

    fn read(value: &Value, limits: Limits, path: &str, problems: &mut Vec<RecipeProblem>) -> Option<Self> {
        match value.as_str() {
            Some("none") => Some(Self::None),
            Some("same") => Some(Self::Same),
            None if value.is_integer() || value.is_array() => {
                Pair::read(value, limits, path, problems).map(|pair| Self::Around(pair.0))
            }
            _ => {
                wrong_value(value, Self::expected(limits), path, problems, None);
                None
            }
        }
    }

    fn write(&self) -> Option<Value> {
        match self {
            Self::None => Some(Value::String("none".to_string())),
            Self::Same => Some(Value::String("same".to_string())),
            Self::Around(around) => Pair(*around).write(),
        }
    }
}

impl Setting for LayerRecipe {
    fn expected(limits: Limits) -> String {
        format!("{}, or a layer such as {{ kind = \"convolution\", channels = 32 }}", usize::expected(limits))
    }

    fn read(value: &Value, limits: Limits, path: &str, problems: &mut Vec<RecipeProblem>) -> Option<Self> {
        match value {
            Value::String(_) | Value::Table(_) => {
                LayerKind::read(value, limits, path, problems).map(Self::Other)
            }
            Value::Integer(_) => usize::read(value, limits, path, problems).map(Self::Dense),
            _ => {
                wrong_value(value, Self::expected(limits), path, problems, None);
                None
            }
        }
    }

    fn write(&self) -> Option<Value> {
        match self {
            Self::Dense(width) => width.write(),
            Self::Other(kind) => kind.write(),
        }
    }

    fn describe(path: &str) -> Vec<SettingDescription> {
        LayerKind::describe(path)
    }
}
